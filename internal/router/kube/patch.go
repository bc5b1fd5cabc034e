// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// edit is what has to change at one place; value is nothing for a removal.
type edit struct {
	op    string
	at    []string
	value any
}

// edits are the changes that make before's owned subtrees what after's are.
// An error is a router that changed what it does not own.
func edits(before, after router.Object, owned []string) ([]edit, error) {
	var out []edit
	seen := make(map[string]bool)
	for _, pointer := range outermost(owned) {
		at := split(pointer)
		old, was := lookup(map[string]any(before), at)
		value, is := lookup(map[string]any(after), at)
		e := edit{op: "replace", at: at, value: value}
		switch {
		case was && is && router.Equal(old, value), !was && !is:
			continue
		case !is:
			e = edit{op: "remove", at: at}
		case !was: // With all that is missing above it.
			e.op, e.at = "add", at[:depth(map[string]any(before), at)+1]
			e.value, _ = lookup(map[string]any(after), e.at)
		}
		if path := join(e.at); !seen[path] {
			seen[path] = true
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, inOrder)
	var changed any = router.Copy(map[string]any(before))
	for _, e := range out {
		if e.op == "remove" {
			changed = drop(changed, e.at)
		} else {
			changed = put(changed, e.at, router.Copy(e.value))
		}
	}
	if !router.Equal(changed, after) {
		return nil, experiment.Errorf(experiment.CodeInternal, "the router changed more than it owns (%s)", strings.Join(owned, ", "))
	}
	return out, nil
}

// inOrder puts what keeps places first, then removals from behind, then what is
// added from the front, so that no index moves before it is used.
func inOrder(a, b edit) int {
	rank := map[string]int{"replace": 0, "remove": 1, "add": 2}
	if d := rank[a.op] - rank[b.op]; d != 0 || a.op == "replace" {
		return d
	}
	d := slices.CompareFunc(a.at, b.at, func(x, y string) int {
		i, isIndex := position(x)
		j, isToo := position(y)
		if isIndex && isToo {
			return i - j
		}
		return strings.Compare(x, y)
	})
	if a.op == "remove" {
		return -d
	}
	return d
}

// outermost drops pointers that lie in the subtree of another, and repetitions.
func outermost(pointers []string) []string {
	var out []string
	for i, p := range pointers {
		inside := func(j int, of string) bool {
			return p == of && j < i || strings.HasPrefix(p, of+"/")
		}
		covered := false
		for j, of := range pointers {
			covered = covered || inside(j, of)
		}
		if !covered {
			out = append(out, p)
		}
	}
	return out
}

// guards are the places that a patch tests: each owned subtree as it was read.
// A subtree inside a list is tested with the whole element of the outermost list
// on the way, since an index says nothing about who is meant; an absent one with
// what is there above it. Near the root that would be all metadata too, so the
// object's version is tested instead.
func guards(before router.Object, owned []string) []string {
	var out []string
	doc := map[string]any(before)
	for _, pointer := range owned {
		at := split(pointer)
		there := depth(doc, at)
		if n := listElement(doc, at); n > 0 {
			there = min(there, n)
		}
		if there == 0 || there == 1 && at[0] == "metadata" {
			out = append(out, "/metadata/resourceVersion")
			continue
		}
		out = append(out, join(at[:there]))
	}
	return outermost(out)
}

// encode makes the patch: tests, then changes.
func encode(before router.Object, owned []string, changes []edit) ([]byte, error) {
	var ops []operation
	add := func(op string, at []string, value any) error {
		raw, err := json.Marshal(value) // Escapes as the API server does: a test compares text.
		ops = append(ops, operation{Op: op, Path: join(at), Value: raw})
		return err
	}
	for _, pointer := range guards(before, owned) {
		at := split(pointer)
		value, _ := lookup(map[string]any(before), at)
		if err := add("test", at, value); err != nil {
			return nil, experiment.Errorf(experiment.CodeInternal, "patch %s: %w", pointer, err)
		}
	}
	for _, e := range changes {
		if e.op == "remove" {
			ops = append(ops, operation{Op: e.op, Path: join(e.at)})
		} else if err := add(e.op, e.at, e.value); err != nil {
			return nil, experiment.Errorf(experiment.CodeInternal, "patch %s: %w", join(e.at), err)
		}
	}
	return json.Marshal(ops)
}

// rise tells by its sign whether the numbers in the owned subtrees grow.
func rise(before, after router.Object, owned []string) float64 {
	total := 0.0
	for _, pointer := range outermost(owned) {
		at := split(pointer)
		old, _ := lookup(map[string]any(before), at)
		value, _ := lookup(map[string]any(after), at)
		total += weight(value) - weight(old)
	}
	return total
}

// weight sums the numbers and quantities in a value.
func weight(v any) float64 {
	total := 0.0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			total += weight(e)
		}
	case []any:
		for _, e := range v {
			total += weight(e)
		}
	case string:
		if q, err := resource.ParseQuantity(v); err == nil {
			total = q.AsApproximateFloat64()
		}
	case int64:
		total = float64(v)
	case float64:
		total = v
	}
	return total
}
