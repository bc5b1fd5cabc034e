// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of careful exposure, in slots.
const (
	mostFirst = 1000 // 10 %: more for a version that nobody has met is no canary
	leastLast = 1000 // below 10 %, everything at once is a leap
)

// exposure asks how the candidate meets its users.
func (c *checker) exposure() {
	first := true
	for i := range c.plan.Stages {
		s, at := &c.plan.Stages[i], fmt.Sprintf("spec.stages[%d]", i)
		if !live(s) {
			continue
		}
		if s.Ramp != nil {
			c.ramp(at, s, first)
		}
		if share := c.begins(s); first && share > mostFirst && s.Switch == nil {
			c.add(CodeFirstStep, at, "stage", s.Name, "share", share.Percent())
		}
		if s.Switch != nil {
			c.switching(at, s, first)
		}
		first = false
	}
	c.leap()
	c.leftOut()
}

// begins is the share that the candidates have together when a stage begins,
// the step of 0 % set aside.
func (c *checker) begins(s *experiment.Stage) experiment.Share {
	n := experiment.Share(len(c.plan.Versions))
	switch {
	case s.Ramp != nil:
		for _, share := range s.Ramp.Steps {
			if share > 0 {
				return share * (n - 1)
			}
		}
		return 0
	case s.Split != nil:
		return experiment.Whole - s.Split.Shares[0]
	default:
		return experiment.Whole / n * (n - 1) // A bandit explores with even shares.
	}
}

func (c *checker) ramp(at string, s *experiment.Stage, first bool) {
	h := s.Ramp.Hold
	if h.Requests == 0 {
		c.add(CodeNoRequests, at+".hold", "stage", s.Name)
	}
	if h.Settle == 0 && c.latency(s) {
		c.add(CodeNoSettle, at+".hold", "stage", s.Name)
	}
	if first && s.Ramp.Steps[0] != 0 {
		c.add(CodeNoProbe, at+".ramp.steps", "stage", s.Name)
	}
}

// latency says whether latency decides in a stage.
func (c *checker) latency(s *experiment.Stage) bool {
	return slices.ContainsFunc(slices.Concat(c.plan.Objectives, s.Require), func(o experiment.Objective) bool {
		m := c.plan.Metric(o.Metric)
		return m.Builtin != nil && m.Builtin.Kind == experiment.Latency
	})
}

func (c *checker) switching(at string, s *experiment.Stage, first bool) {
	if s.Switch.Warm == 0 {
		c.add(CodeCold, at+".switch", "stage", s.Name)
	}
	if s.Switch.Soak < 2*c.plan.Window+c.plan.Lag {
		c.add(CodeNoSoak, at+".switch", "stage", s.Name)
	}
	if first {
		c.add(CodeSwitchFirst, at, "stage", s.Name)
	}
}

// leap finds a promotion from next to nothing to everything.
func (c *checker) leap() {
	i, s := c.last()
	if s == nil || s.Ramp == nil {
		return
	}
	share := s.Ramp.Steps[len(s.Ramp.Steps)-1]
	if share < leastLast {
		c.add(CodeLeap, fmt.Sprintf("spec.stages[%d].ramp.steps", i), "stage", s.Name, "share", share.Percent())
	}
}

// leftOut finds groups that get the winner without ever having met it.
func (c *checker) leftOut() {
	for i := range c.plan.Segments {
		s := &c.plan.Segments[i]
		var out []string
		for _, g := range s.Groups() {
			met := slices.ContainsFunc(c.plan.Stages, func(st experiment.Stage) bool {
				return live(&st) && !slices.ContainsFunc(st.Where, func(w experiment.Groups) bool {
					return w.Segment == s.Name && !(experiment.Where{w}).Match(func(string) string { return g })
				})
			})
			if !met {
				out = append(out, g)
			}
		}
		if c.compares() && len(out) > 0 {
			c.add(CodeLeftOut, "spec.stages", "segment", s.Name, "groups", strings.Join(out, ", "))
		}
	}
}
