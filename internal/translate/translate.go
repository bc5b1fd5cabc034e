// SPDX-License-Identifier: Apache-2.0

// Package translate turns an experiment as people write it into the plan that
// the engine runs: decoded strictly, every name resolved, every quantity with
// its unit, defaults filled in. It is the one validator for files, and reports
// everything that is wrong at once, each with path, value and hint.
package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of lists and names.
const (
	maxMetrics = 24
	maxStages  = 12
	maxSteps   = 50
	maxName    = 63
	maxText    = 1000
	maxLooks   = 50
)

// Defaults of what a plan may leave out.
const (
	defaultAlpha     = 0.05
	mostAlpha        = 0.5
	defaultLooks     = 5
	defaultPower     = 0.8
	leastPower       = 0.5
	defaultWindow    = time.Minute
	defaultLag       = 10 * time.Second
	defaultStale     = 5 * time.Minute
	defaultUnknown   = 24 * time.Hour
	longestDuration  = 366 * 24 * time.Hour
	defaultOtherwise = experiment.KeepBaseline

	defaultRampHorizon = 30 * 24 * time.Hour
)

// Plan reads an experiment from YAML or JSON. Reusable metrics, kind: Metric, may
// stand in further documents of the same file, or in more files, which hold
// nothing else; those that the experiment does not refer to are not looked at
// closely. The error, if any, is of class invalid and wraps Problems; those of a
// reusable metric begin with its name, and their lines are those of its file.
func Plan(data []byte, more ...[]byte) (*experiment.Plan, error) {
	e, d := decode(data)
	if e == nil {
		return nil, d.problems.asError()
	}
	t := &translator{decoder: d, api: e, library: d.metrics}
	t.gather(more)
	t.plan = &experiment.Plan{
		Namespace: e.Metadata.Namespace, Name: e.Metadata.Name,
		Owner: e.Spec.Owner, Hypothesis: e.Spec.Hypothesis,
	}
	t.strict()
	t.identity()
	t.traffic()
	t.versions()
	t.assignment()
	t.analysis()
	t.evidence()
	t.segments()
	t.providers()
	t.metrics()
	t.predictions()
	t.redact()
	t.objectives()
	t.reward()
	t.guardrails()
	t.stages()
	t.promote()
	t.budget()
	t.retention()
	t.actions()
	t.fits()
	if err := t.problems.asError(); err != nil {
		return nil, err
	}
	return t.plan, nil
}

// translator builds a plan and gathers problems.
type translator struct {
	*decoder
	api  *v1alpha1.Experiment
	plan *experiment.Plan
	// library are the reusable metrics that the experiment may refer to; params
	// are the parameters of the one that is being read, used those that a text has
	// asked for.
	library []*reusable
	params  map[string]string
	used    map[string]bool
}

// fail reports a problem at a path, unless it follows from a value at, above or
// right below the path that could not be read.
func (t *translator) fail(path, value, message, hint string) {
	for _, b := range t.broken {
		if path == b || parent(b) == path || strings.HasPrefix(path, b+".") || strings.HasPrefix(path, b+"[") {
			return
		}
	}
	line, ok := t.lines[path]
	for p := path; !ok && p != ""; line, ok = t.lines[p] {
		p = parent(p)
	}
	t.add(path, line, value, message, hint)
}

// parent is the path without its last name or index.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// choice reports a value that is none of the answers.
func (t *translator) choice(path, value string, known ...string) {
	switch {
	case slices.Contains(known, value):
	case value == "":
		t.fail(path, "", "a value is required", "write "+oneOf(known))
	default:
		t.fail(path, quote(value), "unknown value", "write "+oneOf(known))
	}
}

// option is a choice that may be left out.
func (t *translator) option(path, value string, known ...string) {
	if value != "" {
		t.choice(path, value, known...)
	}
}

var (
	// nameForm is that of Kubernetes labels.
	nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	// tokenForm is that of headers and cookies: RFC 9110, section 5.6.2.
	tokenForm = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// jsonPathForm is what the gateway finds in a body: names and indexes.
	jsonPathForm = regexp.MustCompile(`^\$(\.[0-9A-Za-z_-]+)+$`)
)

// name checks a name.
func (t *translator) name(path, value string) {
	switch {
	case value == "":
		t.fail(path, "", "a name is required", "")
	case len(value) > maxName || !nameForm.MatchString(value):
		t.fail(path, quote(value), "not a name", fmt.Sprintf("lower-case letters, digits and '-', at most %d", maxName))
	}
}

// names checks the names of a list, which tell its members apart.
func (t *translator) names(list string, n int, name func(i int) string) {
	seen := make(map[string]int, n)
	for i := range n {
		path, s := fmt.Sprintf("%s[%d].name", list, i), name(i)
		t.name(path, s)
		if first, ok := seen[s]; ok && s != "" {
			t.fail(path, quote(s), fmt.Sprintf("duplicate of %s[%d].name", list, first), "give each a name of its own")
			continue
		}
		seen[s] = i
	}
}

// text bounds a free text. It is shown in terminals, so that it may not hold
// what steers them.
func (t *translator) text(path, s string, most int) {
	t.line(path, strings.NewReplacer("\n", " ", "\t", " ").Replace(s), most)
}

// line is a text that is one line.
func (t *translator) line(path, s string, most int) {
	switch {
	case len(s) > most:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes", most), "")
	case strings.ContainsFunc(s, unicode.IsControl):
		t.fail(path, quote(s), "it holds control characters", "")
	}
}

func (t *translator) identity() {
	e := t.api
	t.choice("apiVersion", e.APIVersion, v1alpha1.APIVersion)
	t.choice("kind", e.Kind, v1alpha1.KindExperiment)
	t.name("metadata.name", e.Metadata.Name)
	if e.Metadata.Namespace != "" {
		t.name("metadata.namespace", e.Metadata.Namespace)
	}
	t.text("spec.owner", e.Spec.Owner, maxText)
	t.text("spec.hypothesis", e.Spec.Hypothesis, maxText)
}

// place checks where in a request a value stands.
func (t *translator) place(path, header, cookie, jsonPath string) {
	t.form(path+".header", header, tokenForm, "not the name of a header", "for example x-user-id")
	t.form(path+".cookie", cookie, tokenForm, "not the name of a cookie", "for example uid")
	t.form(path+".jsonPath", jsonPath, jsonPathForm, "not a path that the gateway reads", "names and indexes from the root, for example $.user.id or $.inputs.0.id")
}

// form checks a text, if it is given.
func (t *translator) form(path, s string, form *regexp.Regexp, message, hint string) {
	if s != "" && (len(s) > maxText || !form.MatchString(s)) {
		t.fail(path, quote(s), message, hint)
	}
}

func (t *translator) analysis() {
	a, path := t.api.Spec.Analysis, "spec.analysis"
	method := experiment.Method(cmp.Or(a.Method, string(experiment.Sequential)))
	t.plan.Analysis = experiment.Analysis{
		Method:    method,
		Alpha:     t.probability(path+".alpha", a.Alpha, defaultAlpha, mostAlpha),
		HarmAlpha: t.probability(path+".harmAlpha", a.HarmAlpha, defaultAlpha, mostAlpha),
		Looks:     int(t.some(path+".looks", a.Looks, defaultLooks, maxLooks)),
		Power:     t.within(path+".power", a.Power, defaultPower, leastPower, mostProbability),
	}
	methods := []string{
		string(experiment.Sequential), string(experiment.Anytime), string(experiment.Fixed),
		string(experiment.Bayesian), string(experiment.Threshold),
	}
	if t.plan.Strict {
		t.plan.Analysis.Method = experiment.Threshold // The only one that compares numbers as they are.
		return
	}
	t.option(path+".method", a.Method, methods...)
	if t.given(path+".looks") && slices.Contains(methods[1:], a.Method) {
		t.fail(path+".looks", fmt.Sprint(a.Looks), "looks go with method: sequential", "leave looks out")
	}
	if t.given(path+".alpha") && method == experiment.Threshold {
		t.fail(path+".alpha", quote(string(a.Alpha)), "the method threshold takes no error rate", "leave alpha out, or choose another method")
	}
}

func (t *translator) evidence() {
	e, u, p := t.api.Spec.Evidence, t.api.Spec.OnUnknown, t.plan
	window := defaultWindow
	if p.Strict {
		window = t.pause() // Nothing is cut into windows: readings are as old as this.
	}
	p.Window = t.duration("spec.evidence.window", e.Window, window, 100*time.Millisecond)
	p.Lag = t.duration("spec.evidence.lag", e.Lag, defaultLag, 0)
	p.Stale = t.duration("spec.evidence.stale", e.Stale, max(defaultStale, 5*p.Window), 2*p.Window)
	p.OnUnknown = experiment.OnUnknown{
		After: t.duration("spec.onUnknown.after", u.After, max(defaultUnknown, p.Window), p.Window),
		Do:    experiment.Policy(cmp.Or(u.Do, string(experiment.PolicyHold))),
	}
	t.option("spec.onUnknown.do", u.Do, string(experiment.PolicyHold), string(experiment.PolicyRollback))
}
