// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// presence is how a feature stands in a request.
type presence uint8

const (
	present presence = iota
	absent
	isNull
)

// Features reports whether any of the declared features is absent from a
// request, and whether any is null in it: null, NaN or without data. The request
// is its body as Decode decodes it, and the path is its own. In OIP features are
// inputs by name; in KServe the names in each instance, or of columns; in Seldon
// the names of columns; where there are none, the place in each instance or row
// (0 is the first). Elsewhere they are names at the top of the body or dotted
// paths. Of a batch, the first MaxRows are looked at.
func (r *Reader) Features(request any, path string) (absentAny, nullAny bool) {
	if len(r.features) == 0 {
		return false, false
	}
	find := finder(r.protocolOf(request, path), request)
	for _, name := range r.features {
		switch find(name) {
		case absent:
			absentAny = true
		case isNull:
			nullAny = true
		case present:
		}
		if absentAny && nullAny {
			break
		}
	}
	return absentAny, nullAny
}

// finder looks features up in a request.
func finder(protocol experiment.Protocol, request any) func(name string) presence {
	m, _ := request.(map[string]any)
	switch protocol {
	case experiment.ProtocolOIP:
		return inputs(m)
	case experiment.ProtocolKServe:
		switch v := anyOf(m, []string{"instances", "inputs"}).(type) {
		case []any:
			return inRows(v)
		case map[string]any:
			return func(name string) presence { return inColumn(v, name) }
		}
	case experiment.ProtocolSeldon:
		if data, ok := m["data"].(map[string]any); ok {
			return inSeldon(data)
		}
		if v, ok := m["jsonData"]; ok {
			request = v
		}
	}
	return func(name string) presence { return lookup(request, name) }
}

// inputs finds inputs by name.
func inputs(m map[string]any) func(string) presence {
	list, _ := m["inputs"].([]any)
	byName := make(map[string]map[string]any, min(len(list), MaxRows))
	for _, v := range list[:min(len(list), MaxRows)] {
		input, _ := v.(map[string]any)
		if name, ok := input["name"].(string); ok {
			byName[name] = input
		}
	}
	return func(name string) presence {
		input, ok := byName[name]
		if !ok {
			return absent
		}
		if parameters, _ := input["parameters"].(map[string]any); input["data"] == nil && parameters["binary_data_size"] != nil {
			return present
		}
		return hollow(input["data"])
	}
}

// inRows finds a feature in every row; it is as it is in the worst.
func inRows(rows []any) func(string) presence {
	return func(name string) presence {
		if len(rows) == 0 {
			return absent
		}
		worst := present
		for _, row := range rows[:min(len(rows), MaxRows)] {
			switch lookup(row, name) {
			case absent:
				return absent
			case isNull:
				worst = isNull
			case present:
			}
		}
		return worst
	}
}

// inColumn finds a feature that is a column.
func inColumn(m map[string]any, name string) presence {
	v, ok := m[name]
	if !ok {
		return absent
	}
	return hollow(v)
}

// inSeldon finds columns by the names that the data has for them.
func inSeldon(data map[string]any) func(string) presence {
	places := make(map[string]string)
	names, _ := data["names"].([]any)
	for i, v := range names[:min(len(names), MaxComponents)] {
		if name, ok := v.(string); ok {
			places[name] = strconv.Itoa(i)
		}
	}
	rows, _ := data["ndarray"].([]any)
	if m, ok := data["tensor"].(map[string]any); ok {
		if t, ok := newTensor("FP64", m["shape"], m["values"]); ok && t.data != nil {
			for i := range min(t.rows, MaxRows) {
				rows = append(rows, t.row(i))
			}
		}
	}
	find := inRows(rows)
	return func(name string) presence {
		place, ok := places[name]
		if !ok && len(places) > 0 {
			return absent
		}
		if !ok {
			place = name
		}
		return find(place)
	}
}

// lookup finds a name, or else a dotted path.
func lookup(v any, name string) presence {
	if m, ok := v.(map[string]any); ok {
		if v, ok := m[name]; ok {
			return presenceOf(v)
		}
	}
	for step := range strings.SplitSeq(name, ".") {
		next, ok := member(v, step)
		if !ok {
			return absent
		}
		v = next
	}
	return presenceOf(v)
}

// member is what stands under a name in an object or at a place in a list.
func member(v any, step string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[step]
		return next, ok
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(v) {
			return nil, false
		}
		return v[i], true
	default:
		return nil, false
	}
}

func presenceOf(v any) presence {
	if s, ok := v.(string); v == nil || ok && notANumber(s) {
		return isNull
	}
	return present
}

// hollow reports data that is null, empty, or holds a null.
func hollow(v any) presence {
	list, ok := v.([]any)
	if !ok {
		return presenceOf(v)
	}
	if len(list) == 0 {
		return isNull
	}
	for _, e := range list {
		if hollow(e) == isNull {
			return isNull
		}
	}
	return present
}
