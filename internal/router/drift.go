// SPDX-License-Identifier: Apache-2.0

package router

import "slices"

// Drift names the owned subtrees in which the objects are not what Render would
// make of them, as "kind name: pointer". Empty is that there is nothing to
// write: weights that say the same shares in other numbers are no drift.
func Drift(r Router, objects []Object, t Traffic) ([]string, error) {
	want, err := r.Render(objects, t)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range objects {
		for _, pointer := range r.Owned(i) {
			if Equal(Pointed(objects[i], pointer), Pointed(want[i], pointer)) {
				continue
			}
			at := Text(objects[i], "kind") + " " + Text(objects[i], "metadata", "name") + ": " + pointer
			if !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out, nil
}
