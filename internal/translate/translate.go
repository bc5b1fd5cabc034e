// SPDX-License-Identifier: Apache-2.0

// Package translate turns an experiment as people write it into the plan that
// the engine runs: decoded strictly, every name resolved, every quantity with
// its unit, defaults filled in. It is the one validator for files, and reports
// everything that is wrong at once, each with path, value and hint.
package translate

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of lists and names.
const (
	maxMetrics  = 24
	maxStages   = 12
	maxSteps    = 50
	maxName     = 63
	maxText     = 1000
	maxVersions = 2 // The engine compares one candidate with the baseline.
)

// Defaults of what a plan may leave out.
const (
	defaultAlpha     = 0.05
	defaultPower     = 0.8
	defaultLooks     = 5
	defaultWindow    = time.Minute
	defaultLag       = 10 * time.Second
	defaultStale     = 5 * time.Minute
	defaultUnknown   = 24 * time.Hour
	longestDuration  = 366 * 24 * time.Hour
	defaultOtherwise = experiment.KeepBaseline
)

// Plan reads an experiment from YAML or JSON. The error, if any, is of class
// invalid and wraps Problems.
func Plan(data []byte) (*experiment.Plan, error) {
	e, d := decode(data)
	if len(d.problems) > 0 {
		return nil, d.problems.asError()
	}
	t := &translator{decoder: d, api: e}
	t.plan = &experiment.Plan{
		Namespace: e.Metadata.Namespace, Name: e.Metadata.Name,
		Owner: e.Spec.Owner, Hypothesis: e.Spec.Hypothesis,
	}
	t.identity()
	t.versions()
	t.assignment()
	t.analysis()
	t.metrics()
	t.objectives()
	t.reward()
	t.guardrails()
	t.stages()
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
}

// fail reports a problem at a path.
func (t *translator) fail(path, value, message, hint string) {
	line := t.lines[path]
	for p := path; line == 0 && p != ""; line = t.lines[p] {
		p = p[:max(0, strings.LastIndexAny(p, ".["))]
	}
	t.add(path, line, value, message, hint)
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// name checks a name in the form that Kubernetes uses for labels.
func (t *translator) name(path, value string) {
	switch {
	case value == "":
		t.fail(path, "", "a name is required", "")
	case len(value) > maxName || !nameForm.MatchString(value):
		t.fail(path, quote(value), "not a name", fmt.Sprintf("lower-case letters, digits and '-', at most %d", maxName))
	}
}

// text bounds the length of a free text.
func (t *translator) text(path, s string, most int) {
	if len(s) > most {
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d", most), "")
	}
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func (t *translator) identity() {
	e := t.api
	if e.APIVersion != v1alpha1.APIVersion {
		t.fail("apiVersion", quote(e.APIVersion), "unknown version", "write "+v1alpha1.APIVersion)
	}
	if e.Kind != v1alpha1.KindExperiment {
		t.fail("kind", quote(e.Kind), "unknown kind", "write "+v1alpha1.KindExperiment)
	}
	t.name("metadata.name", e.Metadata.Name)
	if e.Metadata.Namespace != "" {
		t.name("metadata.namespace", e.Metadata.Namespace)
	}
	t.text("spec.owner", e.Spec.Owner, maxText)
	t.text("spec.hypothesis", e.Spec.Hypothesis, maxText)
	if e.Spec.Traffic.Gateway == nil {
		t.fail("spec.traffic", "", "one router is required", "write traffic: {gateway: {}}")
	}
}

func (t *translator) versions() {
	vs := t.api.Spec.Versions
	if len(vs) == 0 || len(vs) > maxVersions {
		t.fail("spec.versions", fmt.Sprint(len(vs)), "want one or two versions", "the first is the baseline, the second the candidate")
		return
	}
	seen := map[string]int{}
	for i, v := range vs {
		path := fmt.Sprintf("spec.versions[%d]", i)
		t.name(path+".name", v.Name)
		if first, ok := seen[v.Name]; ok {
			t.fail(path+".name", quote(v.Name), fmt.Sprintf("duplicate of spec.versions[%d].name", first), "versions are told apart by name")
		}
		seen[v.Name] = i
		u, err := url.Parse(v.Backend)
		switch {
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
			t.fail(path+".backend", quote(v.Backend), "not a URL that the gateway can reach", "write http://HOST:PORT")
		case u.User != nil:
			t.fail(path+".backend", "", "a URL with a password", "keep secrets out of experiments")
		}
		t.plan.Versions = append(t.plan.Versions, experiment.Version{Name: v.Name, Backend: v.Backend})
	}
}

func (t *translator) assignment() {
	a := t.api.Spec.Assignment
	set := 0
	for _, on := range []bool{a.Unit.Header != "", a.Unit.Cookie != "", a.Unit.JSONPath != "", a.Unit.Request} {
		if on {
			set++
		}
	}
	if set != 1 {
		t.fail("spec.assignment.unit", fmt.Sprintf("%d of them", set), "exactly one of header, cookie, jsonPath and request is required", "for example unit: {header: x-user-id}")
	}
	if a.By != "" && a.By != "gateway" {
		t.fail("spec.assignment.by", quote(a.By), "unknown assigner", "write gateway")
	}
	switch a.Missing {
	case "", "baseline":
	case "reject":
		t.plan.Assignment.RejectMissing = true
	default:
		t.fail("spec.assignment.missing", quote(a.Missing), "unknown answer", "write baseline or reject")
	}
	t.plan.Assignment.Unit = experiment.Unit{
		Header: a.Unit.Header, Cookie: a.Unit.Cookie, JSONPath: a.Unit.JSONPath, Request: a.Unit.Request,
	}
}

func (t *translator) analysis() {
	a, e, u := t.api.Spec.Analysis, t.api.Spec.Evidence, t.api.Spec.OnUnknown
	p := t.plan
	p.Analysis = experiment.Analysis{
		Method:    experiment.Method(cmp.Or(a.Method, string(experiment.Sequential))),
		Alpha:     t.probability("spec.analysis.alpha", a.Alpha, defaultAlpha, 0.5),
		HarmAlpha: t.probability("spec.analysis.harmAlpha", a.HarmAlpha, defaultAlpha, 0.5),
		Power:     t.probability("spec.analysis.power", a.Power, defaultPower, 1),
		Looks:     int(cmp.Or(a.Looks, defaultLooks)),
	}
	if p.Analysis.Method != experiment.Sequential && p.Analysis.Method != experiment.Anytime {
		t.fail("spec.analysis.method", quote(a.Method), "unknown method", "write sequential or anytime")
	}
	if p.Analysis.Looks < 1 || p.Analysis.Looks > 50 {
		t.fail("spec.analysis.looks", fmt.Sprint(a.Looks), "want 1 to 50 looks", "")
	}
	p.Window = t.duration("spec.evidence.window", e.Window, defaultWindow, 100*time.Millisecond)
	p.Lag = t.duration("spec.evidence.lag", e.Lag, defaultLag, 0)
	p.Stale = t.duration("spec.evidence.stale", e.Stale, max(defaultStale, 5*p.Window), 2*p.Window)
	p.OnUnknown = experiment.OnUnknown{
		After: t.duration("spec.onUnknown.after", u.After, defaultUnknown, p.Window),
		Do:    experiment.Policy(cmp.Or(u.Do, string(experiment.PolicyHold))),
	}
	if p.OnUnknown.Do != experiment.PolicyHold && p.OnUnknown.Do != experiment.PolicyRollback {
		t.fail("spec.onUnknown.do", quote(u.Do), "unknown policy", "write hold or rollback")
	}
}
