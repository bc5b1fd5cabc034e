// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// The notices of what is in the way, for whoever shows views.
const (
	// NoticeStalled: nothing goes on until a person does something.
	NoticeStalled = "stalled"
	// NoticeWaiting: something is in the way that may pass by itself.
	NoticeWaiting = "waiting"
	// NoticeRoute: the route is not what was asked for.
	NoticeRoute = "route"
	// NoticeSources: a source of evidence cannot be read.
	NoticeSources = "sources"
)

// Turned is what a turn came to.
type Turned struct {
	// Begun says that there is a record; View, State and Latest are of it.
	Begun  bool
	View   view.Experiment
	State  *experiment.State
	Latest experiment.Decision
	// Reason and Err are what is in the way, or empty; Passes says that it may
	// pass by itself.
	Reason string
	Err    error
	Passes bool
	// Idle says that nothing is decided, done or written any more by itself.
	Idle bool
}

// turned tells whoever asked for it what this turn came to.
func (t *turn) turned() {
	if t.r.Turned == nil {
		return
	}
	x := t.run
	out := &Turned{Begun: x.loaded && x.plan != nil}
	if o := t.obstacle(); o != nil {
		out.Reason, out.Err, out.Passes = o.reason, foremost(o.err), t.stall == nil
	}
	if out.Begun {
		out.Idle = out.Err == nil && t.idle() && (x.plan.Strict || len(t.differs) == 0)
		state := x.record.State.Clone()
		out.State, out.Latest = &state, x.latest
		out.View = view.Of(view.Input{Plan: x.plan, Record: &x.record, Judgement: &x.judgement, Latest: x.latest, Acting: t.deeds.facts, Now: t.now})
		out.View.Notices = append(t.notices(), out.View.Notices...)
	}
	t.r.Turned(out)
}

// obstacle is what is in the way, or nil.
func (t *turn) obstacle() *obstacle {
	if t.stall != nil {
		return t.stall
	}
	return t.wait
}

// foremost is the first of several errors: the others follow from it.
func foremost(err error) error {
	for {
		several, ok := err.(interface{ Unwrap() []error })
		if !ok || len(several.Unwrap()) == 0 {
			return err
		}
		err = several.Unwrap()[0]
	}
}

// notices say what a view of plan and record cannot know.
func (t *turn) notices() []view.Notice {
	var out []view.Notice
	switch {
	case t.stall != nil:
		out = append(out, view.Notice{Kind: NoticeStalled, Text: "stalled: " + sentence(t.stall.err)})
	case t.wait != nil:
		out = append(out, view.Notice{Kind: NoticeWaiting, Text: sentence(t.wait.err)})
	case len(t.differs) > 0 && t.run.drifted != "":
		out = append(out, view.Notice{Kind: NoticeRoute, Text: t.run.drifted})
	}
	if t.run.deaf != "" {
		out = append(out, view.Notice{Kind: NoticeSources, Text: t.run.deaf})
	}
	for _, why := range t.unheard {
		out = append(out, view.Notice{Kind: NoticeSources, Text: why})
	}
	return out
}
