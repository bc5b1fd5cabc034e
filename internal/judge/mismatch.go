// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// MismatchAlarm is the e-value at which a sample-ratio mismatch is believed,
// where the split is watched for everybody alone: a healthy experiment reaches
// it with probability at most 1/1000. Where groups are watched too, all of
// these tests together have that error: half of it is for everybody, the other
// half is divided among the groups.
const MismatchAlarm = 1000

// mismatchConcentration is the prior weight of the shares asked for, in units:
// large, because a healthy split is close to them.
const mismatchConcentration = 1000

// impossible is the evidence of a unit seen where no share was: certain, and
// finite so that it can be stored.
const impossible = 100

// ratioRole keeps the memory of a group's sample-ratio test.
const ratioRole experiment.Role = "sample ratio"

// watchedGroups lists the slices that have a sample-ratio test of their own:
// those of segments that stratify, and those that have shares of their own.
func watchedGroups(p *experiment.Plan) []string {
	var out []string
	for i := range p.Segments {
		s := &p.Segments[i]
		own := slices.ContainsFunc(p.Stages, func(st experiment.Stage) bool { return st.Bandit != nil && st.Bandit.Per == s.Name })
		if s.Stratify || own {
			out = append(out, s.Slices()...)
		}
	}
	return out
}

// mismatch tests the seen split against the shares asked for, phase by phase,
// for everybody and for every watched group.
func (j *judging) mismatch() {
	groups := watchedGroups(j.plan)
	alarm := math.Log(MismatchAlarm)
	if len(groups) > 0 {
		alarm += math.Ln2
	}
	logE := j.ratios("")
	j.monitors.MismatchLogE = max(j.monitors.MismatchLogE, j.combine(logE))
	j.out.MismatchLogE = j.monitors.MismatchLogE
	j.out.Mismatch = j.monitors.MismatchLogE >= alarm
	if j.out.Mismatch && len(logE) > 0 {
		worst := slices.Index(logE, slices.Max(logE))
		j.out.MismatchPhase = j.totals.Phases[worst].Phase
	}
	alarm += math.Log(float64(len(groups)))
	for _, slice := range groups {
		mon := j.monitor(0, ratioRole, experiment.CellExposures, slice)
		mon.Worse = max(mon.Worse, j.combine(j.ratios(slice)))
		if mon.Worse >= alarm {
			j.doubt(experiment.Doubt{Code: experiment.ReasonSliceMismatch, Slice: slice, Value: math.Exp(min(mon.Worse, impossible)), Limit: math.Exp(alarm)})
		}
	}
}

// ratios is the evidence of a mismatch in every phase.
func (j *judging) ratios(slice string) []float64 {
	logE := make([]float64, len(j.totals.Phases))
	for i := range j.totals.Phases {
		p := &j.totals.Phases[i]
		if shares := sharesIn(p, slice); shares != nil {
			logE[i] = phaseMismatch(p, shares, slice)
		}
	}
	return logE
}

// sharesIn are the shares that a slice's units were assigned with, or nil where
// that is no constant: where groups have their own, those of everybody and of
// another segment's groups depend on who came.
func sharesIn(p *experiment.PhaseTotals, slice string) experiment.Shares {
	if len(p.Groups) == 0 {
		return p.Shares
	}
	for _, g := range p.Groups {
		if g.Slice == slice {
			return g.Shares
		}
	}
	return nil
}

func phaseMismatch(p *experiment.PhaseTotals, asked experiment.Shares, slice string) float64 {
	counts, shares := make([]int64, len(asked)), make([]float64, len(asked))
	n := int64(0)
	for v, s := range asked {
		counts[v] = p.GetSlice(v, experiment.CellExposures, slice).Counts.N
		shares[v] = s.Fraction()
		n += counts[v]
		if s == 0 && counts[v] > 0 {
			return impossible
		}
	}
	if n == 0 {
		return 0
	}
	logE, err := stats.SRMLogE(counts, shares, mismatchConcentration)
	if err != nil {
		return 0 // One version alone has no ratio to be wrong about.
	}
	return logE
}
