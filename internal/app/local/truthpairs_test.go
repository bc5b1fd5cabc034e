// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// reviews is the table of two film critics, Siskel (rows) and Ebert (columns), on
// 160 films: Agresti and Winner, Chance 10 (1997); Agresti, Categorical Data
// Analysis, section 10.5, where kappa is 0.389.
var (
	reviewNames = []string{"con", "mixed", "pro"}
	reviews     = [][]int{{24, 8, 13}, {8, 13, 11}, {10, 9, 64}}
)

// reviewed is what both critics say of a film; the films are mixed, so that few
// of them are like all.
func reviewed(row int) (siskel, ebert string) {
	row = row * 37 % 160
	for i := range reviews {
		for j, n := range reviews[i] {
			if row -= n; row < 0 {
				return reviewNames[i], reviewNames[j]
			}
		}
	}
	return "", ""
}

// askFilms asks the baseline for all films, and the shadow gets copies.
func askFilms(w *world) {
	w.t.Helper()
	for row := range 160 {
		film := fmt.Sprint("film-", row)
		w.ask("v1", film, film, row)
		if w.asked%copiesAtATime == 0 {
			w.counted("pairs_total", w.asked)
		}
	}
	w.pass(160)
}

// TestAMirrorsAgreementIsCohens has the baseline review as one critic and its
// shadow as the other.
func TestAMirrorsAgreementIsCohens(t *testing.T) {
	t.Parallel()
	review := func(pick func(siskel, ebert string) string) func(row int) string {
		return func(row int) string { return fmt.Sprintf(`{"predictions":[%q]}`, pick(reviewed(row))) }
	}
	w := newWorld(t, "mirror", pathKServe, review(func(siskel, _ string) string { return siskel }), review(func(_, ebert string) string { return ebert }), `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: agree, from: {pairs: {compare: class}}}]
  stages:
  - {name: shadow, mirror: {share: 100%, rate: 5000, timeout: COPIES}, until: {pairs: 160, atMost: 1h}, require: [{metric: agree, min: 45%}]}
  - {name: canary, ramp: {steps: [10%]}, hold: {for: 1h}}
`)
	w.until("the mirror", func(v *view.Experiment) bool { return v.Mirror != nil })
	askFilms(w)
	v := w.until("the mirror is over", func(v *view.Experiment) bool { return v.Stage.Name == "canary" })
	if len(v.Agreements) != 1 {
		t.Fatalf("agreements: %+v", v.Agreements)
	}
	// The most frequent first: pro 83 + 88, con 45 + 42, mixed 32 + 30. Alike are
	// 24 + 13 + 64 of 160; by chance 45·42 + 32·30 + 83·88 of 160² would be.
	const alike, chance, all = 101., 10154., 160.
	got := v.Agreements[0]
	same, kappa := got.Same, got.Kappa
	got.Same, got.Kappa = nil, nil
	want := view.Agreement{
		Version: "v2", Metric: "agree", Pairs: 160, Classes: []string{"pro", "con", "mixed"},
		Counts: [][]int64{{64, 10, 9}, {13, 24, 8}, {11, 8, 13}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("agreement (-want +got):\n%s", d)
	}
	if same == nil || kappa == nil {
		t.Fatal("neither is said")
	}
	near(t, "the share alike", *same, alike/all, 1e-12)
	near(t, "kappa", *kappa, (alike*all-chance)/(all*all-chance), 1e-12)
	near(t, "kappa as printed", *kappa, .389, 5e-4)
	replays(t, w.run)
}

// TestAMirrorsGateHoldsAShadowThatDisagrees is the same table, and a gate that
// 63 % of 160 pairs neither meets nor breaks; and one that they break.
func TestAMirrorsGateHoldsAShadowThatDisagrees(t *testing.T) {
	for name, c := range map[string]struct {
		min    string
		status experiment.Status
		end    experiment.Outcome
	}{
		"undecided": {"60%", experiment.Undecided, ""},
		"violated":  {"85%", experiment.Violated, experiment.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "gate-"+name, pathKServe,
				func(row int) string { siskel, _ := reviewed(row); return fmt.Sprintf(`{"predictions":[%q]}`, siskel) },
				func(row int) string { _, ebert := reviewed(row); return fmt.Sprintf(`{"predictions":[%q]}`, ebert) }, `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: agree, from: {pairs: {compare: class}}}]
  stages:
  - {name: shadow, mirror: {share: 100%, rate: 5000, timeout: COPIES}, until: {pairs: 160, atMost: 1h}, require: [{metric: agree, min: `+c.min+`}]}
  - {name: canary, ramp: {steps: [10%]}, hold: {for: 1h}}
`)
			w.until("the mirror", func(v *view.Experiment) bool { return v.Mirror != nil })
			askFilms(w)
			v := w.until("what the pairs say", func(v *view.Experiment) bool {
				return len(v.Findings) > 0 && (v.Findings[0].N == 160 || v.Verdict.Outcome != "")
			})
			f := found(t, &v, experiment.RoleGate, "agree", "v2")
			if f.Status != string(c.status) || v.Verdict.Outcome != string(c.end) || v.Stage.Name != "shadow" || v.Versions[1].Share != 0 {
				t.Errorf("%s: %+v; %+v", f.Question, f, v.Verdict)
			}
		})
	}
}
