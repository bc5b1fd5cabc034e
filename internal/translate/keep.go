// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what is kept by request, and of what is taken out of it.
const (
	maxRedactions  = 32
	maxRedactSteps = 32
	leastRows      = 1_000
	mostRows       = 100_000_000
	mostRowsFor    = 400 * 24 * time.Hour
)

// redactForm is a place in a body: names, places in lists, and every element of
// one.
var redactForm = regexp.MustCompile(`^\$(\.[0-9A-Za-z_-]+|\[(\*|0|[1-9][0-9]{0,8})\])+$`)

// redact reads what is taken out of requests and answers.
func (t *translator) redact() {
	in, path := t.api.Spec.Redact, "spec.redact"
	if len(in) > maxRedactions {
		t.fail(path, fmt.Sprintf("%d fields", len(in)), fmt.Sprintf("want at most %d fields", maxRedactions), "each is looked for in every body that is read: take out what stands above them")
	}
	for i, r := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.required(at+".path", r.Path, "a path is required", redactHint)
		t.form(at+".path", r.Path, redactForm, "not the path of a field", redactHint)
		if n := len(steps(r.Path)); n > maxRedactSteps {
			t.fail(at+".path", fmt.Sprintf("%d steps", n), fmt.Sprintf("want at most %d steps", maxRedactSteps), "take out what stands above the field")
		}
		t.option(at+".how", r.How, string(experiment.RedactRemove), string(experiment.RedactHash))
		for k, o := range in[:i] {
			if redactForm.MatchString(o.Path) && redactForm.MatchString(r.Path) && (covers(o.Path, r.Path) || covers(r.Path, o.Path)) {
				t.fail(at+".path", quote(r.Path), fmt.Sprintf("the field of %s[%d], or one above or below it", path, k), "leave one of them out")
				break
			}
		}
		t.plan.Redact = append(t.plan.Redact, experiment.Redaction{Path: r.Path, How: cmp.Or(experiment.RedactionHow(r.How), experiment.RedactRemove)})
	}
}

const redactHint = "names, places and [*] from the root, for example $.user.email or $.items[*].owner"

// covers says whether a path may be another or stand above it.
func covers(path, below string) bool {
	a, b := steps(path), steps(below)
	if len(a) > len(b) {
		return false
	}
	for i, step := range a {
		every := step == "*" && isPlace(b[i]) || b[i] == "*" && isPlace(step)
		if step != b[i] && !every {
			return false
		}
	}
	return true
}

// steps are the names and places of a path; .0 is the place [0], as it may be.
func steps(path string) []string {
	return strings.FieldsFunc(strings.TrimPrefix(path, "$"), func(r rune) bool { return strings.ContainsRune(".[]", r) })
}

// isPlace says whether a step may be a place in a list.
func isPlace(step string) bool { return strings.Trim(step, "0123456789") == "" }

// retention reads how long rows are kept. Predictions must be there when their
// labels come, so that they are kept as long unless that was refused.
func (t *translator) retention() {
	in, path := t.api.Spec.Ledger, "spec.ledger.retention"
	needed := t.labelled()
	if in == nil {
		if needed > experiment.DefaultRowsFor {
			t.plan.Retention.For = needed
		}
		return
	}
	r := in.Retention
	switch {
	case r == nil:
		t.fail("spec.ledger", "", "a retention is required", retentionHint)
		return
	case r.For == "" && !t.given(path+".rows"):
		t.fail(path, "", "one of rows and for is required", retentionHint)
		return
	case needed == 0 && !t.mirrors():
		t.fail(path, "", "nothing is kept by request", "pairs of a mirror and predictions that wait for labels are: leave ledger out")
	}
	t.plan.Retention = experiment.Retention{Rows: t.rows(path+".rows", r.Rows), For: t.rowsFor(path+".for", r.For, needed)}
}

const retentionHint = "for example ledger: {retention: {rows: 1000000, for: 30d}}"

func (t *translator) rows(path string, n int64) int64 {
	if !t.given(path) {
		return 0
	}
	if n < leastRows || n > mostRows {
		t.fail(path, fmt.Sprint(n), fmt.Sprintf("want %d to %d", leastRows, mostRows), "")
	}
	return n
}

func (t *translator) rowsFor(path string, in v1alpha1.Duration, needed time.Duration) time.Duration {
	least := t.plan.Window + t.pairsHold()
	if in == "" {
		if needed > experiment.DefaultRowsFor {
			return needed
		}
		return 0
	}
	d, err := parseDuration(string(in))
	switch value := quote(string(in)); {
	case err != nil:
		t.fail(path, value, "not a duration", durationHint)
	case d > mostRowsFor:
		t.fail(path, value, fmt.Sprintf("longer than %s", short(float64(mostRowsFor))), "")
	case d < least:
		t.fail(path, value, fmt.Sprintf("want at least %s", least), "")
	case d < needed:
		t.fail(path, value, "predictions would be gone before their labels come", fmt.Sprintf("evidence window, the longest window of labels and lag take %s", needed))
	}
	return d
}

// labelled is how long a prediction waits for its label at the longest; 0 where
// no metric asks for labels.
func (t *translator) labelled() time.Duration {
	most, asked := time.Duration(0), false
	for i := range t.plan.Metrics {
		if l := t.plan.Metrics[i].Labels; l != nil {
			most, asked = max(most, l.Window), true
		}
	}
	if !asked {
		return 0
	}
	return t.plan.Window + most + t.plan.Lag
}

// mirrors says whether the plan collects pairs.
func (t *translator) mirrors() bool {
	return slices.ContainsFunc(t.api.Spec.Stages, t.paired)
}

// redacted reports fields that are taken out of nothing.
func (t *translator) redacted() {
	if len(t.api.Spec.Redact) > 0 && !t.mirrors() && t.plan.Predictions == nil && t.clean("spec.predictions") {
		t.fail("spec.redact", "", "nothing is read that a field could be taken out of", "fields are taken out of what mirrors compare and predictions are read from: add one of these, or leave redact out")
	}
}
