// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	// shadowID is the experiment of examples/shadow, shadowFiles where its run
	// keeps what it knows.
	shadowID    = "helpdesk/tickets-v2"
	shadowFiles = "helpdesk_tickets-v2"
	// shadowTickets are asked again and again, by shadowAskers at a time.
	shadowTickets = 3000
	shadowAskers  = 2
	// shadowAtMost is how long the verdict may take.
	shadowAtMost = 5 * time.Minute
	ticketsPath  = "/v1/models/tickets:predict"
)

// TestShadowFindsARegressionInOneTier runs examples/shadow for real. Over all
// tickets v2 agrees with v1 as it should; for premium customers it does not.
// The mirror finds that before any user met v2, and says it in its report.
func TestShadowFindsARegressionInOneTier(t *testing.T) {
	d := newDesk(t)
	s := d.site
	text, err := os.ReadFile(filepath.Join("..", "examples", "shadow", "experiment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.declare(string(text), "http://127.0.0.1:9101", d.v1, "http://127.0.0.1:9102", d.v2)
	s.start()
	d.serves()
	d.askUntil(shadowAtMost, func() bool { return d.view().Condition == "done" })
	d.settles()

	d.decided(d.view())
	d.reports()
	d.reachedNobody()
	pairs := s.scrape()
	s.interrupt(5 * time.Second)
	d.rows(pairs)
	d.replays()
}

// unsteady is an experiment whose shadow may do what it likes: no gate ends it.
const unsteady = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: tickets-v2, namespace: helpdesk}
spec:
  versions: [{name: v1, backend: "http://v1"}, {name: v2, backend: "http://v2"}]
  traffic: {gateway: {}}
  assignment: {unit: {jsonPath: $.instances.0.customer}}
  metrics:
  - {name: same-queue, from: {pairs: {compare: class}}}
  - {name: v2-failed, from: {pairs: {compare: failures}}}
  stages:
  - {name: shadow, mirror: {share: 100%, rate: 2000, concurrency: 16, timeout: 500ms}, until: {pairs: 1000000, atMost: 1d}, require: [{metric: v2-failed, max: 99%}]}
  - {name: canary, ramp: {steps: [1%]}, hold: {requests: 1}}
  evidence: {window: 500ms, lag: 2s}
`

// TestPairsAreCountedOnce mirrors to a shadow that answers, resets, floods and
// hangs. Each copy that was sent, whatever became of it, is one row of the
// ledger; each that was not is none.
func TestPairsAreCountedOnce(t *testing.T) {
	d := newDesk(t)
	s := d.site
	shadow := newBadShadow(t, d.v2)
	s.declare(unsteady, "http://v1", d.v1, "http://v2", shadow.url)
	s.start()
	d.serves()
	for _, mood := range []string{"well", "resets", "floods", "hangs", "well"} {
		shadow.Mood.Store(mood)
		// One that hangs is sent few, and is spared the rest.
		done := func() float64 {
			m := s.scrape()
			return copiesSent(m) + m.sum("headgate_gateway_copies_total", `"dropped_hanging"`)
		}
		before := done()
		d.askUntil(shadowAtMost, func() bool { return done()-before >= 60 })
	}
	// The copies of the last requests may be under way: each is counted when it
	// has come to its end.
	for deadline := time.Now().Add(time.Minute); s.scrape().sum("headgate_gateway_copies_total") < float64(d.sent.Load()) && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	d.settles()
	m := s.scrape()
	for _, result := range []string{"answered", "failed", "flooded", "timeout", "dropped_hanging"} {
		n := m.sum("headgate_gateway_copies_total", `result="`+result+`"`)
		t.Logf("%v copies %s", n, result)
		if n == 0 && result != "flooded" { // A slow machine has no time for a flood: then it is a timeout.
			t.Errorf("no copy is counted as %s", result)
		}
	}
	if asked, offered := float64(d.sent.Load()), m.sum("headgate_gateway_copies_total"); asked != offered {
		t.Errorf("%v requests were sent, %v copies are counted", asked, offered)
	}
	s.interrupt(5 * time.Second)
	d.rows(m)
}

// decided wants v2 rolled back for premium customers, and for nobody else.
func (d *desk) decided(v deskView) {
	t := d.t
	t.Logf("%d requests; %s", d.sent.Load(), v.Verdict.Sentence)
	if v.Verdict.Outcome != "rolled-back" || v.Verdict.Version != "v1" || v.Verdict.Code != "HG-D304" || !strings.Contains(v.Verdict.Sentence, "same-queue in tier=premium of shadow") {
		t.Errorf("it ended so: %+v", v.Verdict)
	}
	for _, x := range v.Versions {
		if (x.Share == 1) != (x.Name == "v1") || x.Name == "v2" && x.Requests != 0 {
			t.Errorf("%s has a share of %v and %d requests", x.Name, x.Share, x.Requests)
		}
	}
	want := map[string]string{"": "met", "tier=free": "met", "tier=standard": "met", "tier=premium": "violated"}
	for _, f := range v.Findings {
		if f.Role == "gate" && f.Status == "violated" && (f.Metric != "same-queue" || f.Slice != "tier=premium") {
			t.Errorf("%s is violated in %q", f.Metric, f.Slice)
		}
		status, asked := want[f.Slice]
		if f.Metric != "same-queue" || !asked {
			continue
		}
		delete(want, f.Slice)
		t.Logf("%-14s same queue in %.1f %% of %d pairs: %s", f.Slice, 100*f.Estimate, f.N, f.Status)
		if f.Status != status {
			t.Errorf("same-queue in %q is %s, want %s", f.Slice, f.Status, status)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
	}
}

// reports wants the report to show for whom v2 is worse, and how.
func (d *desk) reports() {
	t := d.t
	page, text := d.report("html"), d.report("md")
	const (
		number = `"([0-9.]+)"`
		row    = `>%s</text><line class="limit" x1=` + number + `[^>]*><g class="whisker"><line x1=` + number + ` x2=` + number
	)
	_, forest, found := strings.Cut(page, "<h3>v2: same-queue &gt;= 80%")
	forest, _, _ = strings.Cut(forest, "</svg>")
	if !found {
		t.Error("the page has no forest plot of same-queue")
	}
	for group, outside := range map[string]bool{"everybody": false, "tier=free": false, "tier=standard": false, "tier=premium": true} {
		m := regexp.MustCompile(fmt.Sprintf(row, group)).FindStringSubmatch(forest)
		if m == nil {
			t.Errorf("the page's forest plot does not show %s:\n%s", group, forest)
			continue
		}
		var limit, begin, end float64
		if _, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[3], &limit, &begin, &end); err != nil {
			t.Fatal(err)
		}
		if outside && end >= limit || !outside && begin <= limit {
			t.Errorf("the page's forest plot shows %s from %v to %v, the limit at %v", group, begin, end, limit)
		}
		// An interval may end in the column of the limit.
		want := group + ` +[║├ ]+─*●[─┤]* +met`
		if outside {
			want = group + ` +[├ ]+─*●[─┤║ ]* +violated`
		}
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text) {
			t.Errorf("the Markdown's forest plot does not say %s:\n%s", want, text)
		}
	}
	for form, report := range map[string]string{"html": page, "md": text} {
		if !strings.Contains(report, "ROLLED BACK") {
			t.Errorf("the report as %s does not say ROLLED BACK", form)
		}
		heading := regexp.MustCompile(`(?:<h2>|## )Agreement(?:</h2>)?\n`).FindStringIndex(report)
		if heading == nil {
			t.Fatalf("the report as %s has no agreement matrix", form)
		}
		matrix := report[heading[1]:]
		for _, class := range []string{"billing", "outage", "access", "shipping", "cancel"} {
			if !regexp.MustCompile(`(?:<tr><th>|\| )` + class + `(?:</th>| \|)`).MatchString(matrix) {
				t.Errorf("the agreement matrix as %s has no row %s", form, class)
			}
		}
	}
}

// report is what headgate report prints.
func (d *desk) report(form string) string {
	cmd := exec.CommandContext(d.t.Context(), d.site.binary, "report", shadowID, "--data", "d", "-o", form)
	cmd.Dir = d.site.dir
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("headgate report: %v", err)
	}
	return string(out)
}

// reachedNobody wants v2 to have answered copies only: by its own count.
func (d *desk) reachedNobody() {
	res, err := d.site.client.Get(d.v2 + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	own, err := readSeries(text)
	if err != nil {
		d.t.Fatal(err)
	}
	users, shadow := own.sum("tickets_predictions_total", `"users"`), own.sum("tickets_predictions_total", `"shadow"`)
	if users != 0 || shadow == 0 {
		d.t.Errorf("v2 says that it answered %v users and %v copies", users, shadow)
	}
	if copies := d.site.scrape().sum("headgate_gateway_copies_total", `"answered"`); shadow < copies {
		d.t.Errorf("v2 answered %v copies, the gateway counts %v", shadow, copies)
	}
}
