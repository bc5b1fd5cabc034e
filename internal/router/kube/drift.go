// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/router"
)

// Difference is what one object says instead of what was asked of it.
type Difference struct {
	// Object is its index in the router's Refs.
	Object int
	// Pointers lead to what differs (RFC 6901).
	Pointers []string
	// Writers are the field managers that wrote there, the latest first, as far
	// as the cluster knows.
	Writers []string
}

// Drift compares the objects with the traffic that was asked for, as the router
// would write it: also what is no share (mirrors, header rules) counts, and what
// a stack rounds does not. Nil is no drift. What to do about it is the
// experiment's policy, and not decided here.
func Drift(r router.Router, objects []router.Object, t router.Traffic) ([]Difference, error) {
	want, err := r.Render(objects, t)
	if err != nil {
		return nil, err
	}
	var out []Difference
	for i := range objects {
		left, err := edits(objects[i], want[i], r.Owned(i))
		if err != nil {
			return nil, err
		}
		if len(left) == 0 {
			continue
		}
		d := Difference{Object: i}
		for _, e := range left {
			d.Pointers = append(d.Pointers, join(e.at))
		}
		d.Writers = Writers(objects[i], d.Pointers)
		out = append(out, d)
	}
	return out, nil
}

// fieldOwner is an entry of metadata.managedFields.
type fieldOwner struct {
	Manager string         `json:"manager"`
	Time    time.Time      `json:"time"`
	Fields  map[string]any `json:"fieldsV1"`
}

// Writers names the field managers that own something at or below one of the
// pointers, the latest writer first: who wrote a contested route. The cluster
// knows times to the second.
func Writers(object router.Object, pointers []string) []string {
	list, _ := lookup(map[string]any(object), []string{"metadata", "managedFields"})
	raw, err := json.Marshal(list)
	if err != nil {
		return nil
	}
	var owners []fieldOwner
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&owners) != nil {
		return nil // Not written by an API server; nothing is known.
	}
	slices.SortStableFunc(owners, func(a, b fieldOwner) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Manager, b.Manager))
	})
	var out []string
	for _, o := range owners {
		owns := slices.ContainsFunc(pointers, func(p string) bool {
			return ownsField(o.Fields, map[string]any(object), split(p))
		})
		if owns && !slices.Contains(out, o.Manager) {
			out = append(out, o.Manager)
		}
	}
	return out
}

// ownsField follows a pointer through a set of fields, in the form that
// server-side apply gives it: "f:name" for a field, "k:{…}" for the element of a
// list with keys, "v:…" and "i:…" for others. Where the set ends, all below
// belongs to its owner.
func ownsField(set map[string]any, doc any, at []string) bool {
	if set == nil {
		return false
	}
	if len(at) == 0 || len(set) == 0 {
		return true
	}
	element, _ := child(doc, at[0])
	if _, list := doc.([]any); !list {
		sub, ok := set["f:"+at[0]].(map[string]any)
		return ok && ownsField(sub, element, at[1:])
	}
	for key, sub := range set {
		sub, _ := sub.(map[string]any)
		if names(key, at[0], element) && ownsField(sub, element, at[1:]) {
			return true
		}
	}
	return false
}

// names reports whether a key of a set of fields means this element of a list.
func names(key, index string, element any) bool {
	kind, text, _ := strings.Cut(key, ":")
	if kind == "i" {
		return text == index
	}
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return false
	}
	if kind == "v" {
		return router.Equal(value, element)
	}
	keys, ok := value.(map[string]any)
	for k, v := range keys {
		have, there := child(element, k)
		ok = ok && there && router.Equal(v, have)
	}
	return kind == "k" && ok
}
