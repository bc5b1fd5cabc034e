// SPDX-License-Identifier: Apache-2.0

package design

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Report is all that can be said of a plan before it runs.
type Report struct {
	Experiment string `json:"experiment"`
	// Plan is the plan's hash.
	Plan string `json:"plan"`
	// Assumed is what the report rests on besides the plan, Notes what was
	// taken for granted on top of it.
	Assumed Assumptions `json:"assumed"`
	Notes   []string    `json:"notes,omitempty"`
	// Versions are the names, in the plan's order.
	Versions   []string `json:"versions"`
	Reward     *Reward  `json:"reward,omitempty"`
	Guardrails []Guard  `json:"guardrails,omitempty"`
	Objectives []Limit  `json:"objectives,omitempty"`
	Stages     []Stage  `json:"stages"`
	Total      Total    `json:"total"`
	// Conclusions are what can and what cannot be concluded.
	Conclusions []Conclusion `json:"conclusions"`
	WayBack     WayBack      `json:"wayBack"`
}

// WayBack is how everything is taken back.
type WayBack struct {
	Command string `json:"command"`
	Needs   string `json:"needs"`
}

// Of says what a plan can find out under assumptions. The error, if any, is of
// class invalid and says which assumption cannot be, or that the plan is strict.
func Of(p *experiment.Plan, a Assumptions) (Report, error) {
	if p.Strict {
		return Report{}, experiment.Errorf(experiment.CodeInvalid, "%s is strict: it compares point values and claims no error rate, so there is nothing to plan", p.ID()).
			WithHint("leave out strict and write a split or a ramp to know beforehand what can be concluded")
	}
	w, err := newWorld(p, a)
	if err != nil {
		return Report{}, err
	}
	out := Report{Experiment: p.ID(), Plan: p.Hash(), Assumed: a}
	for _, v := range p.Versions {
		out.Versions = append(out.Versions, v.Name)
	}
	if out.Reward, err = w.reward(); err != nil {
		return Report{}, unforeseen("the reward", err)
	}
	out.Stages = w.timetable()
	if out.Guardrails, err = w.guards(out.Stages); err != nil {
		return Report{}, unforeseen("the guardrails", err)
	}
	if out.Objectives, err = w.limits(out.Stages); err != nil {
		return Report{}, unforeseen("the objectives", err)
	}
	out.Total = total(out.Stages)
	out.Conclusions = w.conclude(&out)
	out.WayBack = wayBack(p)
	out.Notes = w.notes
	return out, nil
}

// wayBack says how a person takes all traffic back.
func wayBack(p *experiment.Plan) WayBack {
	out := WayBack{
		Command: fmt.Sprintf("headgate kill %s --reason '…'", p.ID()),
		Needs:   "it needs no metrics, no readiness, no engine and no candidate: ",
	}
	baseline := p.Versions[0].Name
	switch p.Router.Kind() {
	case experiment.RouterGateway:
		out.Needs += "the gateway sends the next request to " + baseline + ", and goes on doing so after a restart until a person lifts it"
	case experiment.RouterNone:
		out.Needs += "nothing here carries traffic, and no version is given more from then on"
	default:
		out.Needs += "the route is written to give " + baseline + " everything, by the command itself where no controller does, and stays so until a person lifts it"
	}
	return out
}

// unforeseen is an assumption that the arithmetic refuses.
func unforeseen(what string, err error) error {
	return experiment.Errorf(experiment.CodeInvalid, "plan %s: %w", what, err)
}
