// SPDX-License-Identifier: Apache-2.0

// Package router says what the routers of serving stacks have in common. A
// router is pure: it names the objects that carry a split, renders the split
// into them, and reads it back. Whoever holds the objects (router/kube, a test,
// the command line in an emergency) does all reading and writing. Promotion,
// rollback and kill are the same rendering with other shares.
package router

import (
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Object is an object of the cluster, as its API server gives it in JSON:
// fields that nobody here knows are kept as they are. Numbers are int64 or
// float64.
type Object map[string]any

// Ref names an object. Versions are the versions of its group that the router
// can write, best first; the one that the cluster serves is taken.
type Ref struct {
	Group     string
	Versions  []string
	Kind      string
	Namespace string
	Name      string
}

// Traffic is what is asked of a router at one moment.
type Traffic struct {
	// Experiment names whose traffic it is: rules that a router adds carry it
	// in their names.
	Experiment string
	// Versions are the plan's, the baseline first.
	Versions []experiment.Version
	// Shares sum to 100 %, in the versions' order.
	Shares experiment.Shares
	// Default is the version of requests that are not assigned.
	Default int
	// Mirror asks for copies; nil is none.
	Mirror *Mirror
	// Cohort is the header by which the application says which version a
	// request gets; empty where the router draws.
	Cohort string
	// Overrides give requests with a header's value a version.
	Overrides []experiment.Override
	// Where limits the shares to requests with these headers; the others get
	// Default. Empty is every request.
	Where []HeaderMatch
	// Over says that the experiment has ended: whatever the router added for it
	// is taken out, and only the shares stay.
	Over bool
	// Route is the whole of what the state asks for, in the terms of Headgate's
	// own gateways; nil for other routers, and where no state is known.
	Route *experiment.Route
}

// HeaderMatch is a header that must have one of some values; Not turns it
// round.
type HeaderMatch struct {
	Header string
	Values []string
	Not    bool
}

// Mirror asks for copies of a share of the requests, for each of the versions.
type Mirror struct {
	Share    experiment.Share
	Versions []int
}

// Seen is what the objects say.
type Seen struct {
	// Asked are the shares that the objects ask for, in the versions' order: the
	// ones to report and to expect, for a router that counts in whole percents
	// rounds what it is asked for. Nil where the objects ask for nothing that is
	// shares; Why says so.
	Asked experiment.Shares
	// Serving are the shares that the stack reports as served; nil where it
	// reports none.
	Serving experiment.Shares
	// Settled says that the objects ask for the traffic, as far as Drift can
	// tell, and that the stack has accepted it. Why says what is missing where it
	// has not, in one line for people.
	Settled bool
	Why     string
}

// Router is one serving stack's way to carry a split. It is made for one plan.
type Router interface {
	// Kind names the router as spec.traffic does.
	Kind() experiment.RouterKind
	// Refs names the objects, in the order in which Render and Read want them.
	Refs() []Ref
	// Capabilities are what the router can do, beside carrying shares.
	Capabilities() []experiment.Capability
	// Owned are the JSON pointers (RFC 6901) of the subtrees of object i that
	// Render may change. All else in the object stays as it is. What a pointer
	// leads to may be absent before the first rendering, and is then added.
	Owned(i int) []string
	// Render gives the objects with the traffic in them. It changes copies,
	// never its arguments, and is idempotent: rendering what it rendered
	// changes nothing. Weights that say the shares in other numbers stay as they
	// are. An error says which field of which object is in the way. Traffic that
	// is the way back is rendered whatever else the objects hold, as long as the
	// baseline is to be found (D3).
	Render(objects []Object, t Traffic) ([]Object, error)
	// Read tells what the objects ask for and what the stack says of it.
	Read(objects []Object, t Traffic) (Seen, error)
}
