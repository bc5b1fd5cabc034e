// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) stages() {
	ss := t.api.Spec.Stages
	if len(ss) == 0 || len(ss) > maxStages {
		t.fail("spec.stages", fmt.Sprintf("%d stages", len(ss)), fmt.Sprintf("want 1 to %d stages", maxStages), "")
	}
	t.names("spec.stages", len(ss), func(i int) string { return ss[i].Name })
	for i, s := range ss {
		t.plan.Stages = append(t.plan.Stages, t.stage(fmt.Sprintf("spec.stages[%d]", i), s))
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
		t.fail(path, fmt.Sprintf("%d of them", kinds), "exactly one of ramp, split and observe is required", "for example observe: {for: 10m}")
		return out
	}
	if s.Hold != nil && s.Ramp == nil {
		t.fail(path+".hold", "", "hold goes with ramp", "")
	}
	if s.Until != nil && s.Split == nil {
		t.fail(path+".until", "", "until goes with split", "")
	}
	if s.Otherwise != "" && s.Split == nil {
		t.fail(path+".otherwise", quote(s.Otherwise), "otherwise goes with split", "")
	}
	if s.Observe == nil && len(t.plan.Versions) == 1 {
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
		if len(t.api.Spec.Objectives) == 0 {
			t.fail(path+".observe", "", "there is nothing to observe", "add an objective")
		}
	}
	return out
}

func (t *translator) ramp(path string, s v1alpha1.Stage) *experiment.Ramp {
	out := &experiment.Ramp{}
	at := path + ".ramp.steps"
	if n := len(s.Ramp.Steps); n == 0 || n > maxSteps {
		t.fail(at, fmt.Sprintf("%d steps", n), fmt.Sprintf("want 1 to %d steps", maxSteps), "for example steps: [1%, 5%, 25%]")
	}
	for i, q := range s.Ramp.Steps {
		step := fmt.Sprintf("%s[%d]", at, i)
		share := t.share(step, q)
		switch {
		case share < 0: // Reported.
		case i > 0 && share <= out.Steps[i-1]:
			t.fail(step, quote(string(q)), "steps must rise", "the way back is not a step")
		case share == 0 && i == len(s.Ramp.Steps)-1:
			t.fail(step, quote(string(q)), "the last step gives the candidate no traffic", "a ramp ends above 0%")
		}
		out.Steps = append(out.Steps, share)
	}
	if s.Hold == nil {
		t.fail(path+".hold", "", "a ramp says what each step waits for", holdHint)
		return out
	}
	out.Hold = t.hold(path+".hold", s.Hold)
	return out
}

const holdHint = "for example hold: {requests: 5000, windows: 2}"

// Bounds of what a stage waits for.
const (
	maxCount       = 1_000_000_000_000
	maxHoldWindows = 600
)

func (t *translator) hold(path string, h *v1alpha1.Hold) experiment.Hold {
	out := experiment.Hold{
		Requests: t.count(path+".requests", h.Requests, maxCount),
		Windows:  int(t.count(path+".windows", h.Windows, maxHoldWindows)),
		Settle:   t.duration(path+".settle", h.Settle, 0, 0),
		For:      t.duration(path+".for", h.For, 0, 0),
	}
	if out.Requests == 0 && out.Windows == 0 && out.For == 0 {
		t.fail(path, "", "one of requests, windows and for is required", holdHint)
	}
	return out
}

// count checks a number of things.
func (t *translator) count(path string, n, most int64) int64 {
	if n < 0 || n > most {
		t.fail(path, fmt.Sprint(n), fmt.Sprintf("want 0 to %d", most), "")
	}
	return n
}

func (t *translator) split(path string, s v1alpha1.Stage) *experiment.Split {
	out := &experiment.Split{
		Shares:    t.splitShares(path+".split", s.Split),
		Otherwise: cmp.Or(experiment.Otherwise(s.Otherwise), defaultOtherwise),
	}
	if t.api.Spec.Reward == nil {
		t.fail(path+".split", "", "a split needs a reward to decide", "add spec.reward, or use ramp")
	}
	t.option(path+".otherwise", s.Otherwise, string(experiment.KeepBaseline), string(experiment.PromoteCandidate))
	if s.Until == nil || s.Until.AtMost == "" {
		t.fail(path+".until.atMost", "", "a split needs a horizon", "for example until: {decided: true, atMost: 28d}")
		return out
	}
	out.Until = t.until(path+".until", s.Until)
	return out
}

func (t *translator) until(path string, u *v1alpha1.Until) experiment.Until {
	out := experiment.Until{
		Decided: u.Decided,
		Units:   t.count(path+".units", u.Units, maxCount),
		AtLeast: t.duration(path+".atLeast", u.AtLeast, 0, 0),
	}
	before := len(t.problems)
	out.AtMost = t.duration(path+".atMost", u.AtMost, 0, t.plan.Window)
	if len(t.problems) > before {
		return out
	}
	if out.AtLeast > out.AtMost {
		t.fail(path+".atLeast", quote(string(u.AtLeast)), "longer than atMost", "")
	}
	// Nothing is known of a window before it has ended and its outcomes came.
	if mature := t.plan.Window + t.plan.OutcomeWindow() + t.plan.Lag; mature >= out.AtMost {
		t.fail(path+".atMost", quote(string(u.AtMost)), "no outcome can mature before the horizon",
			fmt.Sprintf("evidence window, outcome window and lag take %s: give it more", mature))
	}
	return out
}

func (t *translator) splitShares(path string, in map[string]v1alpha1.Quantity) experiment.Shares {
	names := make([]string, len(t.plan.Versions))
	for i, v := range t.plan.Versions {
		names[i] = v.Name
	}
	shares, before := make(experiment.Shares, len(names)), len(t.problems)
	named := t.clean("spec.versions")
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at, i := join(path, name), slices.Index(names, name)
		switch {
		case i >= 0:
			shares[i] = t.share(at, in[name])
		case named:
			t.fail(at, "", "no such version", nearest(name, names))
		default:
			return shares // It may be the one that is misnamed.
		}
		if i >= 0 && shares[i] == 0 {
			t.fail(at, quote(string(in[name])), "a version without traffic cannot be compared", "give every version its share")
		}
	}
	if len(t.problems) > before {
		return shares // The sum would only say the same again.
	}
	sum := experiment.Share(0)
	for _, s := range shares {
		sum += s
	}
	switch missing := slices.Index(shares, 0); {
	case sum != experiment.Whole:
		t.fail(path, sum.Percent(), "shares must sum to 100%", "give every version its share")
	case missing >= 0 && named:
		t.fail(path, "", fmt.Sprintf("no share for version %s", names[missing]), "a version without traffic cannot be compared")
	}
	return shares
}

// clean says whether nothing was wrong at or below a path so far.
func (t *translator) clean(path string) bool {
	return !slices.ContainsFunc(t.problems, func(p Problem) bool { return strings.HasPrefix(p.Path, path) })
}
