// SPDX-License-Identifier: Apache-2.0

package view

import (
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Check reports whether an entry of a journal fits its plan, so that it can be
// shown: anybody may have written the file. It says nothing of whether the
// entry is true; replaying does.
func Check(p *experiment.Plan, e *experiment.Entry) error {
	refuse := func(what string) error {
		return experiment.Errorf(experiment.CodeInvalid, "entry %d does not fit its plan: %s", e.Seq, what)
	}
	s, n := &e.State, len(p.Versions)
	version := func(v int) bool { return v >= 0 && v < n }
	switch {
	case n == 0 || n > experiment.MaxVersions || len(p.Stages) == 0:
		return refuse("the plan has no versions or no stages")
	case s.Stage < 0 || s.Stage >= len(p.Stages):
		return refuse("its stage is not there")
	case !version(s.Winner):
		return refuse("its winner is not there")
	case e.Decision.Stage < 0:
		return refuse("its decision's stage is not there")
	}
	if what := checkStages(p); what != "" {
		return refuse(what)
	}
	for _, d := range s.Decisions {
		if d.Stage < 0 {
			return refuse("a decision's stage is not there")
		}
	}
	if what := checkVersions(e, version); what != "" {
		return refuse(what)
	}
	return nil
}

func checkStages(p *experiment.Plan) string {
	for i := range p.Stages {
		st := &p.Stages[i]
		if st.Ramp == nil && st.Split == nil && st.Mirror == nil && st.Bandit == nil && st.Switch == nil && st.Observe == nil {
			return "stage " + st.Name + " is of no kind"
		}
		if st.Split != nil && len(st.Split.Shares) != len(p.Versions) {
			return "the shares of stage " + st.Name + " are not those of its versions"
		}
		if b := st.Bandit; b != nil && (b.Fallback < 0 || b.Fallback >= len(p.Versions)) {
			return "the fallback of stage " + st.Name + " is not there"
		}
	}
	return ""
}

// checkVersions looks for versions that the plan does not have.
func checkVersions(e *experiment.Entry, version func(int) bool) string {
	for _, r := range e.State.Removed {
		if !version(r.Version) {
			return "a removed version is not there"
		}
	}
	j := &e.Facts.Judgement
	for _, v := range j.Verdicts {
		if !version(v.Version) {
			return "a verdict's version is not there"
		}
	}
	for _, a := range j.Arms {
		if !version(a.Version) {
			return "an arm's version is not there"
		}
	}
	for _, d := range j.Drifts {
		if !version(d.Version) {
			return "a drift's version is not there"
		}
	}
	for _, d := range j.Doubts {
		if !version(d.Version) {
			return "a doubt's version is not there"
		}
	}
	return ""
}
