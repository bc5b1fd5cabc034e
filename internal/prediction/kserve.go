// SPDX-License-Identifier: Apache-2.0

package prediction

// readKServe reads an answer of KServe v1 or TensorFlow Serving: the list
// predictions, or outputs, which also comes as an object of columns, or the
// results of classify and regress.
func readKServe(body any) Reading {
	m, _ := body.(map[string]any)
	v, ok := pick(m, []string{"predictions", "outputs", "results", "result"})
	if !ok || m["error"] != nil {
		return Reading{Found: Invalid}
	}
	switch v := v.(type) {
	case nil:
		return Reading{Found: Null}
	case []any:
		return readList(v, readValue)
	case map[string]any:
		if rows, ok := rowsOf(v); ok {
			return readRows(rows, func(b *rowBuilder, i int) { b.value(rowOf(v, i), maxNesting) })
		}
		return readOne(v, readValue)
	default:
		return Reading{Found: Invalid}
	}
}

func readValue(b *rowBuilder, v any) { b.value(v, maxNesting) }

// rowsOf is how many rows an object of columns has; false if it is none.
func rowsOf(m map[string]any) (int, bool) {
	n := -1
	for _, v := range m {
		column, ok := v.([]any)
		if !ok || n >= 0 && len(column) != n {
			return 0, false
		}
		n = len(column)
	}
	return max(n, 0), n >= 0
}

// rowOf is a row of an object of columns.
func rowOf(columns map[string]any, i int) map[string]any {
	row := make(map[string]any, len(columns))
	for name, v := range columns {
		row[name] = v.([]any)[i]
	}
	return row
}
