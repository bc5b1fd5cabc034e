// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of overrides and exclusions: each is looked at for every request.
const (
	maxPicks       = 16
	maxHeaderValue = 256
)

func (t *translator) assignment() {
	a, path := t.api.Spec.Assignment, "spec.assignment"
	switch {
	case t.unrouted():
		t.option(path+".by", a.By, byGateway, byClient, byRouter)
		a.Unit.Request = a.Unit.Request || unitsIn(a.Unit) == 0
	case t.own():
		t.option(path+".by", a.By, byGateway, byClient)
	default:
		a = t.assignedByRouter(path, a)
	}
	if n := unitsIn(a.Unit); n != 1 {
		t.fail(path+".unit", fmt.Sprintf("%d of them", n), "exactly one of header, cookie, jsonPath and request is required", "for example unit: {header: x-user-id}")
	}
	t.place(path+".unit", a.Unit.Header, a.Unit.Cookie, a.Unit.JSONPath)
	t.option(path+".missing", a.Missing, "baseline", "reject")
	t.plan.Assignment = experiment.Assignment{
		Unit:          experiment.Unit{Header: a.Unit.Header, Cookie: a.Unit.Cookie, JSONPath: a.Unit.JSONPath, Request: a.Unit.Request},
		RejectMissing: a.Missing == "reject",
		Overrides:     t.overrides(path+".overrides", a.Overrides),
		Exclude:       t.exclusions(path+".exclude", a),
	}
	switch {
	case a.By == byClient:
		t.cohort(path, a)
	case a.Cohort != nil:
		t.fail(path+".cohort", "", "a cohort goes with by: client", "write by: client, or leave cohort out")
	}
}

// Who assigns, in people's words.
const (
	byGateway = "gateway"
	byClient  = "client"
	byRouter  = "router"
)

// unitsIn counts the places that a unit is said to stand in.
func unitsIn(u v1alpha1.Unit) int {
	n := 0
	for _, on := range []bool{u.Header != "", u.Cookie != "", u.JSONPath != "", u.Request} {
		if on {
			n++
		}
	}
	return n
}

// assignedByRouter fills in what goes without saying where the serving stack
// carries the traffic, and reports what only Headgate's gateway can do.
func (t *translator) assignedByRouter(path string, a v1alpha1.Assignment) v1alpha1.Assignment {
	a.By = cmp.Or(a.By, byRouter)
	if a.By == byGateway {
		t.fail(path+".by", quote(a.By), "no gateway of Headgate's sees the requests",
			"write by: router, which draws for each request, or by: client; or traffic: {gateway: {}}, which keeps users with their version")
	} else {
		t.choice(path+".by", a.By, byRouter, byClient)
	}
	if !t.given(path + ".unit") {
		a.Unit.Request = true
	}
	if a.By == byRouter && !a.Unit.Request && unitsIn(a.Unit) == 1 {
		t.fail(path+".unit", "", "the serving stack draws for each request, and keeps nobody with a version",
			"write unit: {request: true}, or let the application assign (by: client), or Headgate's gateway (traffic: {gateway: {}})")
	}
	if a.By == byClient && !a.Unit.Request && unitsIn(a.Unit) == 1 {
		t.fail(path+".unit", "", "the serving stack counts requests, and knows no units", "leave unit out: the cohort header says which version a request gets")
	}
	if a.Missing != "" {
		t.fail(path+".missing", quote(a.Missing), "the router asks no unit of a request", "leave missing out")
	}
	return a
}

// cohort reads how the application assigns, and refuses what would be
// Headgate's to assign.
func (t *translator) cohort(path string, a v1alpha1.Assignment) {
	if a.Cohort == nil {
		t.fail(path+".cohort", "", "by: client says in which header the application puts the version's name", "for example cohort: {header: x-model}")
		return
	}
	at := path + ".cohort.header"
	t.ownHeader(at, a.Cohort.Header, "x-model")
	t.plan.Assignment.Cohort = a.Cohort.Header
	if strings.EqualFold(a.Cohort.Header, a.Unit.Header) && a.Unit.Header != "" {
		t.fail(at, quote(a.Cohort.Header), "it is the unit's header", "a unit is who meets a version, a cohort names the version: give each a header")
	}
	if a.Unit.Request && t.own() && !t.unrouted() {
		t.fail(path+".unit.request", "true", "an application that assigns names its units in POST /v1/exposures, and a request has no name", "say which header, cookie or jsonPath holds the unit")
	}
	if a.Missing == "reject" && t.own() {
		t.fail(path+".missing", quote(a.Missing), "by: client asks no unit of a request; without a known cohort it gets the baseline", "leave missing out")
	}
}

// ownHeader checks the name of a header that is required and not Headgate's.
func (t *translator) ownHeader(path, name, example string) {
	t.required(path, name, "a header is required", "for example header: "+example)
	t.form(path, name, tokenForm, "not the name of a header", "for example "+example)
	if strings.HasPrefix(strings.ToLower(name), "x-headgate-") {
		t.fail(path, quote(name), "headers that begin with x-headgate- are Headgate's own", "choose another name")
	}
}

// headerText checks a text that is looked for in headers.
func (t *translator) headerText(path, s string, most int) {
	if s == "" || strings.TrimSpace(s) != s || len(s) > most || !printable(s) {
		t.fail(path, quote(s), "not a text of headers", fmt.Sprintf("1 to %d printable bytes without blanks at the ends", most))
	}
}

func (t *translator) overrides(path string, in []v1alpha1.Override) []experiment.Override {
	t.few(path, len(in))
	var out []experiment.Override
	for i, o := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.ownHeader(at+".header", o.Header, "x-api-version")
		t.headerText(at+".value", o.Value, maxHeaderValue)
		if slices.ContainsFunc(in[:i], func(p v1alpha1.Override) bool {
			return strings.EqualFold(p.Header, o.Header) && p.Value == o.Value
		}) {
			t.fail(at, quote(o.Value), "another override has this header and value", "the first of them would always win: leave one out")
		}
		out = append(out, experiment.Override{Header: o.Header, Value: o.Value, Version: t.version(at+".version", quote(o.Version), o.Version)})
	}
	return out
}

func (t *translator) exclusions(path string, a v1alpha1.Assignment) []experiment.Exclusion {
	t.few(path, len(a.Exclude))
	var out []experiment.Exclusion
	for i, e := range a.Exclude {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.ownHeader(at+".header", e.Header, "x-synthetic")
		t.few(at+".contains", len(e.Contains))
		for k, text := range e.Contains {
			t.headerText(fmt.Sprintf("%s.contains[%d]", at, k), text, maxName)
		}
		everybody := a.Cohort != nil && strings.EqualFold(e.Header, a.Cohort.Header) || strings.EqualFold(e.Header, a.Unit.Header)
		if len(e.Contains) == 0 && everybody && e.Header != "" {
			t.fail(at, quote(e.Header), "it excludes everybody who takes part", "say what the header contains, or name another one")
		}
		out = append(out, experiment.Exclusion{Header: e.Header, Contains: slices.Clone(e.Contains)})
	}
	return out
}

// few bounds a list that is gone through for every request.
func (t *translator) few(path string, n int) {
	if n > maxPicks {
		t.fail(path, fmt.Sprintf("%d entries", n), fmt.Sprintf("want at most %d entries", maxPicks), "each is looked for in every request")
	}
}

// assigner is who assigns where the application does not.
func (t *translator) assigner() string {
	if t.own() {
		return byGateway
	}
	return byRouter
}

// enforced reports what cannot be had where the application assigns: Headgate
// gives traffic back to the baseline, and moves none to candidates.
func (t *translator) enforced() {
	if t.api.Spec.Assignment.By != byClient {
		return
	}
	for i, s := range t.api.Spec.Stages {
		path := fmt.Sprintf("spec.stages[%d]", i)
		for _, kind := range kindsOf(s) {
			if kind != experiment.KindSplit && kind != experiment.KindObserve {
				t.fail(path+"."+string(kind), "", "the application assigns, so that Headgate moves no share",
					"use split, with the shares that the application gives, or observe; or write assignment.by: "+t.assigner())
			}
		}
		if len(s.Where) > 0 {
			t.fail(path+".where", "", "the application assigns, and decides who takes part", "leave where out, or write assignment.by: "+t.assigner())
		}
	}
	if p := t.api.Spec.Promote; p != nil && p.KeepWarm != nil && p.KeepWarm.Holdback != "" {
		t.fail("spec.promote.keepWarm.holdback", quote(string(p.KeepWarm.Holdback)), "the application assigns, so that Headgate holds no share back", "leave holdback out")
	}
}
