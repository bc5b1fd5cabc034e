// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) stages() {
	ss := t.api.Spec.Stages
	if len(ss) == 0 || len(ss) > maxStages {
		t.fail("spec.stages", fmt.Sprint(len(ss)), fmt.Sprintf("want 1 to %d stages", maxStages), "")
		return
	}
	seen := map[string]int{}
	for i, s := range ss {
		path := fmt.Sprintf("spec.stages[%d]", i)
		t.name(path+".name", s.Name)
		if first, ok := seen[s.Name]; ok {
			t.fail(path+".name", quote(s.Name), fmt.Sprintf("duplicate of spec.stages[%d].name", first), "stages are told apart by name")
		}
		seen[s.Name] = i
		t.plan.Stages = append(t.plan.Stages, t.stage(path, s))
	}
}

func (t *translator) stage(path string, s v1alpha1.Stage) experiment.Stage {
	out := experiment.Stage{Name: s.Name}
	kinds := 0
	for _, on := range []bool{s.Ramp != nil, s.Split != nil, s.Observe != nil} {
		if on {
			kinds++
		}
	}
	if kinds != 1 {
		t.fail(path, fmt.Sprintf("%d of them", kinds), "exactly one of ramp, split and observe is required", "")
		return out
	}
	if s.Hold != nil && s.Ramp == nil {
		t.fail(path+".hold", "", "hold goes with ramp", "")
	}
	if (s.Until != nil || s.Otherwise != "") && s.Split == nil {
		t.fail(path, "", "until and otherwise go with split", "")
	}
	if s.Observe == nil && len(t.api.Spec.Versions) < 2 {
		t.fail(path, "", "the stage needs a candidate", "add a second version, or use observe")
		return out
	}
	switch {
	case s.Ramp != nil:
		out.Ramp = t.ramp(path, s)
	case s.Split != nil:
		out.Split = t.split(path, s)
	default:
		out.Observe = &experiment.Observe{For: t.duration(path+".observe.for", s.Observe.For, 0, time.Second)}
		if len(t.plan.Objectives) == 0 {
			t.fail(path+".observe", "", "there is nothing to observe", "add an objective")
		}
	}
	return out
}

func (t *translator) ramp(path string, s v1alpha1.Stage) *experiment.Ramp {
	out := &experiment.Ramp{}
	if n := len(s.Ramp.Steps); n == 0 || n > maxSteps {
		t.fail(path+".ramp.steps", fmt.Sprint(n), fmt.Sprintf("want 1 to %d steps", maxSteps), "")
	}
	for i, q := range s.Ramp.Steps {
		at := fmt.Sprintf("%s.ramp.steps[%d]", path, i)
		share := t.share(at, q)
		if i > 0 && share <= out.Steps[i-1] {
			t.fail(at, quote(string(q)), "steps must rise", "the way back is not a step")
		}
		out.Steps = append(out.Steps, share)
	}
	h := s.Hold
	if h == nil || (h.Requests == 0 && h.Windows == 0 && h.For == "") {
		t.fail(path+".hold", "", "a ramp says what each step waits for", "for example hold: {requests: 5000, windows: 2}")
		return out
	}
	if h.Requests < 0 || h.Windows < 0 || h.Windows > 600 {
		t.fail(path+".hold", fmt.Sprintf("requests %d, windows %d", h.Requests, h.Windows), "out of range", "requests from 0, windows 0 to 600")
	}
	out.Hold = experiment.Hold{
		Requests: h.Requests, Windows: int(h.Windows),
		Settle: t.duration(path+".hold.settle", h.Settle, 0, 0),
		For:    t.duration(path+".hold.for", h.For, 0, 0),
	}
	return out
}

func (t *translator) split(path string, s v1alpha1.Stage) *experiment.Split {
	out := &experiment.Split{Shares: t.splitShares(path+".split", s.Split), Otherwise: defaultOtherwise}
	if t.plan.Reward == nil {
		t.fail(path+".split", "", "a split needs a reward to decide", "add spec.reward, or use ramp")
	}
	switch o := experiment.Otherwise(s.Otherwise); o {
	case "":
	case experiment.KeepBaseline, experiment.PromoteCandidate:
		out.Otherwise = o
	default:
		t.fail(path+".otherwise", quote(s.Otherwise), "unknown answer", "write keep or promote")
	}
	if s.Until == nil || s.Until.AtMost == "" {
		t.fail(path+".until.atMost", "", "a split needs a horizon", "for example until: {decided: true, atMost: 28d}")
		return out
	}
	u := s.Until
	out.Until = experiment.Until{
		Decided: u.Decided, Units: u.Units,
		AtLeast: t.duration(path+".until.atLeast", u.AtLeast, 0, 0),
		AtMost:  t.duration(path+".until.atMost", u.AtMost, 0, t.plan.Window),
	}
	if u.Units < 0 {
		t.fail(path+".until.units", fmt.Sprint(u.Units), "want 0 or more units", "")
	}
	if out.Until.AtLeast > out.Until.AtMost {
		t.fail(path+".until.atLeast", quote(string(u.AtLeast)), "more than atMost", "")
	}
	if t.plan.Reward != nil {
		if mature := t.plan.OutcomeWindow() + t.plan.Lag; mature >= out.Until.AtMost && out.Until.AtMost > 0 {
			t.fail(path+".until.atMost", quote(string(u.AtMost)), "no outcome can mature before the horizon", fmt.Sprintf("outcome window and lag take %s; give it more", mature))
		}
	}
	return out
}

func (t *translator) splitShares(path string, in map[string]v1alpha1.Quantity) experiment.Shares {
	shares := make(experiment.Shares, len(t.plan.Versions))
	sum := experiment.Share(0)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at := join(path, name)
		i := slices.IndexFunc(t.plan.Versions, func(v experiment.Version) bool { return v.Name == name })
		if i < 0 {
			names := make([]string, len(t.plan.Versions))
			for j, v := range t.plan.Versions {
				names[j] = v.Name
			}
			t.fail(at, "", "no such version", nearest(name, names))
			continue
		}
		shares[i] = t.share(at, in[name])
		sum += shares[i]
	}
	if sum != experiment.Whole {
		t.fail(path, sum.Percent(), "shares must sum to 100%", "give every version its share")
	}
	for i, s := range shares {
		if s == 0 {
			t.fail(path, "", fmt.Sprintf("version %s has no share", cmp.Or(t.plan.Versions[i].Name, fmt.Sprint(i))), "a version without traffic cannot be compared")
		}
	}
	return shares
}
