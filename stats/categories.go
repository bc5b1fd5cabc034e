// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"maps"
	"slices"
	"strings"
)

// MaxCategories bounds the names that Categories tell apart.
const MaxCategories = 256

// OtherCategory is the name of all that came when there were MaxCategories
// already.
const OtherCategory = "(other)"

// Category is how often a name was seen.
type Category struct {
	Name string `json:"name"`
	N    int64  `json:"n"`
}

// Categories count by name, in the order of names. They are bounded: what is
// new when there are MaxCategories is counted as OtherCategory. Nil is nothing.
type Categories []Category

// CategoriesOf makes counts of a map.
func CategoriesOf(counts map[string]int64) Categories {
	var c Categories
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		c = append(c, Category{Name: name, N: counts[name]})
	}
	return Categories(nil).Merge(c)
}

// Total is how many were counted.
func (c Categories) Total() int64 {
	var n int64
	for i := range c {
		n += c[i].N
	}
	return n
}

// Of is how often a name was seen.
func (c Categories) Of(name string) int64 {
	if i, ok := slices.BinarySearchFunc(c, name, byName); ok {
		return c[i].N
	}
	return 0
}

func byName(c Category, name string) int { return strings.Compare(c.Name, name) }

// Merge adds two counts; neither is changed.
func (c Categories) Merge(o Categories) Categories {
	if len(o) == 0 {
		return c
	}
	out := slices.Clone(c)
	for _, x := range o {
		i, known := slices.BinarySearchFunc(out, x.Name, byName)
		if !known && len(out) >= MaxCategories-1 && x.Name != OtherCategory {
			x.Name = OtherCategory
			i, known = slices.BinarySearchFunc(out, x.Name, byName)
		}
		if known {
			out[i].N += x.N
		} else {
			out = slices.Insert(out, i, x)
		}
	}
	return out
}
