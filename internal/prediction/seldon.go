// SPDX-License-Identifier: Apache-2.0

package prediction

// readSeldon reads a SeldonMessage. What is in binary is not read.
func readSeldon(body any) Reading {
	m, _ := body.(map[string]any)
	if status, _ := m["status"].(map[string]any); status["status"] == "FAILURE" {
		return Reading{Found: Invalid}
	}
	if data, ok := m["data"].(map[string]any); ok {
		return seldonData(data)
	}
	for _, name := range []string{"strData", "jsonData"} {
		v, ok := m[name]
		switch {
		case !ok:
		case v == nil:
			return Reading{Found: Null}
		case isList(v):
			return readList(v.([]any), readValue)
		default:
			return readOne(v, readValue)
		}
	}
	if m["binData"] != nil || m["customData"] != nil {
		return Reading{}
	}
	return Reading{Found: Invalid}
}

// seldonData reads an array, the names of whose columns are those of the
// classes.
func seldonData(data map[string]any) Reading {
	names, _ := data["names"].([]any)
	read := func(b *rowBuilder, v any) {
		b.value(v, maxNesting)
		if len(b.Scores) > 1 && len(names) == len(b.Scores) && b.Names == nil && kindsOf(names) == isTexts {
			b.Names = make([]string, len(names))
			for i, name := range names {
				b.Names[i] = classOf(name.(string))
			}
		}
	}
	if list, ok := data["ndarray"].([]any); ok {
		return readList(list, read)
	}
	if m, ok := data["tensor"].(map[string]any); ok {
		t, ok := newTensor("FP64", m["shape"], m["values"])
		switch {
		case !ok || t.data == nil:
			return Reading{Found: Invalid}
		case len(t.data) == 0:
			return Reading{Found: Empty}
		}
		return readRows(t.rows, func(b *rowBuilder, i int) {
			read(b, t.row(i))
			b.plain = b.plain || t.matrix
		})
	}
	if data["tftensor"] != nil {
		return Reading{}
	}
	return Reading{Found: Invalid}
}
