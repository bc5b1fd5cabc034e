// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// MaxOriginal bounds what Original gives, in bytes.
const MaxOriginal = 128 << 10

const originalVersion = 1

// original is how things were before an experiment.
type original struct {
	Version int           `json:"version"`
	Objects []originalOne `json:"objects"`
}

type originalOne struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Namespace  string          `json:"namespace,omitempty"`
	Name       string          `json:"name"`
	Places     []originalPlace `json:"places"`
}

// originalPlace is one owned subtree.
type originalPlace struct {
	Path   string `json:"path"`
	Absent bool   `json:"absent,omitempty"`
	Value  any    `json:"value,omitempty"`
	// Around identifies the element of a list that the place is in, without
	// what is owned of it: an index alone may mean another one later.
	Around string `json:"around,omitempty"`
}

// Original writes down, as JSON of at most MaxOriginal bytes, the subtrees that
// a router owns as they are before an experiment, for Restore.
func Original(r router.Router, objects []router.Object) ([]byte, error) {
	out := original{Version: originalVersion}
	for i, o := range objects {
		owned := outermost(r.Owned(i))
		one := originalOne{
			APIVersion: router.Text(o, "apiVersion"), Kind: router.Text(o, "kind"),
			Namespace: router.Text(o, "metadata", "namespace"), Name: router.Text(o, "metadata", "name"),
		}
		for _, pointer := range owned {
			v, ok := lookup(map[string]any(o), split(pointer))
			one.Places = append(one.Places, originalPlace{Path: pointer, Absent: !ok, Value: v, Around: around(o, pointer, owned)})
		}
		out.Objects = append(out.Objects, one)
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "write down the routes as they are: %w", err)
	}
	if len(text) > MaxOriginal {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the routes as they are take %d bytes: at most %d are kept for restoring them", len(text), MaxOriginal).
			WithHint("split the routes into several objects, or say leave instead of restore")
	}
	return text, nil
}

// around hashes the outermost element of a list that a pointer leads through,
// without all that is owned; empty where there is no list.
func around(o router.Object, pointer string, owned []string) string {
	at := split(pointer)
	n := listElement(map[string]any(o), at)
	if n == 0 || n == len(at) {
		return ""
	}
	var doc any = router.Copy(map[string]any(o))
	for _, p := range owned {
		// What is owned ends no list here, so that no index moves.
		if q := split(p); len(q) > n && slices.Equal(q[:n], at[:n]) {
			doc = put(doc, q, nil)
		}
	}
	element, _ := lookup(doc, at[:n])
	text, err := json.Marshal(element)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Restore puts what a router owns back as Original found it, where it still is:
// an object that is gone, a kind that is no longer served, and an element of a
// list that has become another one are passed over and named in left, for
// people. Anything that Original did not write down of what this router owns is
// never touched. Like a way back it goes on past what is in the way, and takes
// a conflict for a reason to read again.
func (c *Cluster) Restore(ctx context.Context, r router.Router, text []byte) (res Result, left []string, err error) {
	before, err := decodeOriginal(text)
	if err != nil {
		return Result{}, nil, err
	}
	refs := r.Refs()
	pick := picked{Router: r}
	var targets []Target
	var ones []originalOne
	for _, one := range before.Objects {
		i := slices.IndexFunc(refs, func(ref router.Ref) bool {
			return ref.Kind == one.Kind && ref.Name == one.Name && (ref.Namespace == one.Namespace || one.Namespace == "")
		})
		if i < 0 {
			left = append(left, fmt.Sprintf("%s %s/%s: no longer a route of this experiment", one.Kind, one.Namespace, one.Name))
			continue
		}
		t, err := c.Resolve(ctx, refs[i])
		gone := experiment.CodeOf(err) == experiment.CodeInvalid // Its kind is not served.
		if err == nil {
			_, err = c.fetch(ctx, c.live, t)
			gone = experiment.CodeOf(err) == experiment.CodeNotFound
		}
		if gone {
			left = append(left, err.Error())
			continue
		}
		if err != nil {
			return Result{}, left, err
		}
		targets, ones, pick.refs = append(targets, t), append(ones, one), append(pick.refs, i)
	}
	var skipped []string
	render := func(objects []router.Object) ([]router.Object, error) {
		out := make([]router.Object, len(objects))
		skipped = nil
		for i, o := range objects {
			var s []string
			if o != nil {
				out[i], s = putBack(o, ones[i], pick.Owned(i))
			}
			for _, path := range s {
				skipped = append(skipped, targets[i].String()+" "+path+": no longer what it was")
			}
		}
		return out, nil
	}
	res, err = c.changeTo(ctx, pick, targets, render, mode{back: true})
	return res, append(left, skipped...), err
}

// picked is a router with some of its objects.
type picked struct {
	router.Router
	refs []int
}

// Owned are the pointers of the object picked as i.
func (p picked) Owned(i int) []string { return p.Router.Owned(p.refs[i]) }

// putBack gives the object with its places as they were, and the places that
// are not there any more.
func putBack(o router.Object, one originalOne, owned []string) (router.Object, []string) {
	if router.Text(o, "apiVersion") != one.APIVersion {
		return o, []string{"(was " + one.APIVersion + ")"}
	}
	var doc any = router.Copy(map[string]any(o))
	var skipped []string
	for _, place := range one.Places {
		at := split(place.Path)
		parent := depth(doc, at) >= len(at)-1
		switch {
		case !slices.Contains(owned, place.Path), place.Around != "" && around(o, place.Path, outermost(owned)) != place.Around:
			skipped = append(skipped, place.Path)
		case place.Absent:
			doc = drop(doc, at)
		case parent:
			doc = put(doc, at, router.Copy(place.Value))
		default:
			skipped = append(skipped, place.Path)
		}
	}
	out, _ := doc.(map[string]any)
	return router.Object(out), skipped
}

// decodeOriginal reads what Original wrote.
func decodeOriginal(text []byte) (original, error) {
	bad := func(what string) error {
		return experiment.Errorf(experiment.CodeInvalid, "the routes as they were before the experiment: %s", what).
			WithHint("restore them by hand or from version control")
	}
	if len(text) > MaxOriginal {
		return original{}, bad(fmt.Sprintf("%d bytes, at most %d are read", len(text), MaxOriginal))
	}
	doc, err := router.Decode(text) // Numbers as objects have them.
	if err != nil {
		return original{}, bad(err.Error())
	}
	var out original
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return original{}, bad(err.Error())
	}
	if out.Version != originalVersion {
		return original{}, bad(fmt.Sprintf("version %d of their format is not known here", out.Version))
	}
	objects, err := router.List(doc, "objects")
	if err != nil {
		return original{}, bad(err.Error())
	}
	for i := range out.Objects {
		places, err := router.List(objects[i], "places")
		if err != nil {
			return original{}, bad(err.Error())
		}
		for j := range out.Objects[i].Places {
			out.Objects[i].Places[j].Value = places[j]["value"]
		}
	}
	return out, nil
}
