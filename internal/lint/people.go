// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

const day = 24 * time.Hour

// longest is how long a stage may last before it is no experiment but a fork.
const longest = 90 * day

// people asks who answers, for what, and until when.
func (c *checker) people() {
	p := c.plan
	if p.Owner == "" {
		c.add(CodeNoOwner, "spec.owner")
	}
	if p.Hypothesis == "" && len(p.Versions) > 1 {
		c.add(CodeNoHypothesis, "spec.hypothesis")
	}
	for i := range p.Stages {
		s, at := &p.Stages[i], fmt.Sprintf("spec.stages[%d]", i)
		if s.Approval != "" && p.Owner == "" {
			c.add(CodeApprovalOfNobody, at+".approval", "stage", s.Name, "approval", s.Approval)
		}
		if s.AtMost() > longest {
			c.add(CodeFork, at, "stage", s.Name, "time", design.Days(s.AtMost()))
		}
		if !c.unbounded() {
			continue
		}
		if who := askedPerson(s); who != "" {
			c.add(CodeNoEnd, at, "stage", s.Name, "what", who)
		} else if s.Observe != nil || s.Switch != nil && len(s.Require) > 0 {
			c.add(CodeNoHorizon, at, "stage", s.Name)
		}
	}
	if k := p.Promote.KeepWarm; k != nil && k.Approval != "" && (p.Budget == nil || p.Budget.Duration == 0) {
		c.add(CodeNoEnd, "spec.promote.keepWarm", "stage", "keepWarm", "what", "the approval of "+k.Approval)
	}
}

// unbounded says whether waiting has no end of its own: the plan goes on
// holding, and nothing bounds its time.
func (c *checker) unbounded() bool {
	return c.plan.OnUnknown.Do != experiment.PolicyRollback && (c.plan.Budget == nil || c.plan.Budget.Duration == 0)
}

// askedPerson says what a stage waits for that only a person can give, without
// a horizon of its own; or nothing.
func askedPerson(s *experiment.Stage) string {
	otherwise := experiment.Otherwise("")
	switch s.Kind() {
	case experiment.KindSplit:
		otherwise = s.Split.Otherwise
	case experiment.KindBandit:
		otherwise = s.Bandit.Otherwise
	}
	switch {
	case otherwise == experiment.AskPerson:
		return "a person's decision at the horizon"
	case s.Approval != "" && (s.Switch != nil || s.Observe != nil):
		return "the approval of " + s.Approval
	}
	return ""
}
