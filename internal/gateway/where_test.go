// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestOutsideOfWhereIsTheBaselineAndNoEvidence sends real requests to a stage
// that is limited to free and other users of age.
func TestOutsideOfWhereIsTheBaselineAndNoEvidence(t *testing.T) {
	for name, tc := range map[string]struct {
		header  []string
		outside bool
		status  int // with RejectMissing; 200 where it does not matter
	}{
		"a match":                       {header: []string{"X-User-Id", "anna", "X-Tier", "free", "X-Age", "18"}},
		"a match that is other":         {header: []string{"X-User-Id", "anna", "X-Age", "40"}},
		"excluded by the first":         {header: []string{"X-User-Id", "anna", "X-Tier", "premium", "X-Age", "18"}, outside: true},
		"not named by the second":       {header: []string{"X-User-Id", "anna", "X-Tier", "free", "X-Age", "17"}, outside: true},
		"unknown to the second":         {header: []string{"X-User-Id", "anna", "X-Tier", "free"}, outside: true},
		"without a unit is not refused": {header: []string{"X-Tier", "premium"}, outside: true},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			exposed := 0
			g := testGateway(t, Options{Registry: reg, Expose: func(experiment.Exposure, uint64) bool { exposed++; return true }})
			r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
			r.PhaseStart = time.Now()
			r.Assignment.RejectMissing = true
			r.Segments = []experiment.Segment{
				{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
				{Name: "age", Header: "x-age", Bins: []float64{18}},
			}
			r.Where = experiment.Where{{Segment: "tier", Not: []string{"premium"}}, {Segment: "age", In: []string{">=18"}}}
			swap(t, g, r)
			url, client := serving(t, g)
			a := ask(t, client, "GET", url, "", tc.header...)
			settled(client)
			cells := sealAll(t, g, r)
			got := map[string]any{
				"status": a.StatusCode, "backend": a.Header.Get("X-Backend"), "version": a.Header.Get(headerVersion), "token": a.Header.Get(headerExposure) != "",
				"exposures": exposed, "cells": len(cells) > 0, "outside": metric(t, reg, "headgate_gateway_unassigned_total", "reason", reasonOutside),
			}
			want := map[string]any{"status": 200, "backend": "two", "version": "v2", "token": true, "exposures": 1, "cells": true, "outside": 0.0}
			if tc.outside {
				want = map[string]any{"status": 200, "backend": "one", "version": "v1", "token": false, "exposures": 0, "cells": false, "outside": 1.0}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutsideIssuesNoCookie(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
	r.Assignment.Unit = experiment.Unit{Cookie: "uid"}
	r.Segments = []experiment.Segment{{Name: "tier", Cookie: "tier", Values: []string{"free"}}}
	r.Where = experiment.Where{{Segment: "tier", In: []string{"free"}}}
	swap(t, g, r)
	url, client := serving(t, g)
	if set := ask(t, client, "GET", url, "").Cookies(); len(set) != 0 {
		t.Errorf("cookies = %v, want none outside of the experiment", set)
	}
	if set := ask(t, client, "GET", url, "", "Cookie", "tier=free").Cookies(); len(set) != 1 {
		t.Errorf("cookies = %v, want a unit", set)
	}
}

// TestGroupsHaveTablesOfTheirOwn checks version and propensity of every
// request against the table of its group, laid out here again.
func TestGroupsHaveTablesOfTheirOwn(t *testing.T) {
	c := newClocked(t)
	r := routeTo(experiment.Baseline(3), "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3")
	r.Segments = []experiment.Segment{
		{Name: "age", Header: "x-age", Bins: []float64{18}},
		{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
	}
	shares := map[string]experiment.Shares{"free": {0, 0, 10000}, "premium": {9900, 100, 0}, "other": {2500, 2500, 5000}}
	tables := map[string]*assign.Table{}
	for _, slice := range r.Segments[1].Slices() {
		group := slice[len("tier="):]
		slots := experiment.SlotsOf(shares[group])
		r.Tables = append(r.Tables, experiment.GroupTable{Slice: slice, Slots: slots})
		var err error
		if tables[group], err = assign.NewTable(slots); err != nil {
			t.Fatal(err)
		}
	}
	swap(t, c.Gateway, r)
	want := map[string]stats.Counts{}
	for i := range 3000 {
		tier := []string{"free", "premium", "gold"}[i%3]
		group := tier
		if tier == "gold" {
			group = "other"
		}
		unit := strconv.Itoa(i)
		var k call
		if refused := c.admit(&k, requestOf(t, "X-User-Id", unit, "X-Tier", tier, "X-Age", strconv.Itoa(i%40))); refused != nil {
			t.Fatal(refused.message)
		}
		c.finish(&k, ending{status: 200})
		version := tables[group].At(assign.Slot(assign.Hash(unit), assign.Salt(r.Experiment, r.Epoch)))
		if k.version != version || k.exposure.Version != version || k.exposure.Propensity != shares[group][version] {
			t.Fatalf("unit %s of %s: version %d with propensity %d, want %d with %d", unit, tier, k.version, k.exposure.Propensity, version, shares[group][version])
		}
		key := fmt.Sprint(version, " tier=", group)
		want[key] = want[key].Merge(stats.Counts{N: 1})
	}
	c.at(time.Hour)
	got := map[string]stats.Counts{}
	for _, cell := range c.seal(t, 0).Cells {
		if experiment.SegmentOf(cell.Slice) == "tier" {
			key := fmt.Sprint(cell.Version, " ", cell.Slice)
			got[key] = got[key].Merge(cell.Counts)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 6 {
		t.Errorf("%d cells, want 6 (-want +got):\n%s", len(got), diff)
	}
	for slice, want := range map[string]float64{"tier=free": 1, "tier=premium": 0, "tier=other": 0.5} {
		if got := metric(t, c.reg, "headgate_gateway_share", "version", "v3", "slice", slice); got != want {
			t.Errorf("share of v3 in %s = %v, want %v", slice, got, want)
		}
	}
}

// TestEveryRequestIsCountedOnce sends all kinds of requests and asks that they
// be assigned, outside, without a unit or refused, and nothing twice; and that
// the slices of every segment sum to the whole.
func TestEveryRequestIsCountedOnce(t *testing.T) {
	c := newClocked(t)
	r := measured()
	r.Slots = experiment.SlotsOf(experiment.Shares{6000, 4000})
	r.Segments = []experiment.Segment{
		{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
		{Name: "age", Cookie: "age", Bins: []float64{18, 40}},
		{Name: "region", JSONPath: "$.region", Values: []string{"eu"}},
	}
	r.Where = experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
	swap(t, c.Gateway, r)
	random := rand.New(rand.NewPCG(5, 1))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	limit := c.gate.limit
	var sent, assigned, outsiders, unitless, refused int
	for range 5000 {
		tier, unit := pick("free", "premium", "gold", ""), pick("", "a\x01", strconv.Itoa(random.IntN(1000)), strconv.Itoa(random.IntN(1000)))
		x := requestWith(t, pick("", `{"region":"eu"}`, `{"region":"us"}`, "{"), "X-User-Id", unit, "X-Tier", tier, "Cookie", "age="+pick("17", "18", "39.9", "41", "old"))
		sent++
		if random.IntN(50) == 0 {
			c.gate.limit = 0
			w := httptest.NewRecorder()
			c.Handler().ServeHTTP(w, x.in)
			c.gate.limit = limit
			if refused++; w.Code != 503 {
				t.Fatalf("a full gateway answers %d", w.Code)
			}
			continue
		}
		var k call
		answer := c.admit(&k, x)
		switch {
		case tier == "premium":
			outsiders++
		case unit == "" || unit == "a\x01":
			unitless++
		default:
			assigned++
		}
		if answer == nil {
			c.at(c.now.Sub(epochStart) + time.Duration(random.IntN(2000))*time.Millisecond)
			c.finish(&k, []ending{{status: 200}, {status: 500, failed: true}, {}}[random.IntN(3)])
		}
	}
	sum := func(name string, labels ...[]string) (n int) {
		for _, l := range labels {
			n += int(metric(t, c.reg, name, l...))
		}
		return n
	}
	classes := [][]string{{"version", "v1", "code", "2xx"}, {"version", "v1", "code", "5xx"}, {"version", "v2", "code", "2xx"}, {"version", "v2", "code", "5xx"}}
	got := []int{
		sum("headgate_gateway_requests_total", classes...) + sum("headgate_gateway_client_aborts_total", []string{"version", "v1"}, []string{"version", "v2"}),
		sum("headgate_gateway_unassigned_total", []string{"reason", reasonOutside}),
		sum("headgate_gateway_unassigned_total", []string{"reason", reasonAbsent}, []string{"reason", reasonInvalid}),
		sum("headgate_gateway_refused_total", []string{"reason", "busy"}),
	}
	if diff := cmp.Diff([]int{assigned, outsiders, unitless, refused}, got); diff != "" || got[0]+got[1]+got[2]+got[3] != sent {
		t.Errorf("assigned, outside, without a unit, refused of %d (-want +got):\n%s", sent, diff)
	}
	c.at(c.now.Sub(epochStart) + time.Hour)
	cells := c.seal(t, 0).Cells
	slicesSumToTheWhole(t, r.Segments, cells)
	answered := sum("headgate_gateway_requests_total", classes...)
	if n := sliceCount(cells, 0, experiment.CellRequests, "").N + sliceCount(cells, 1, experiment.CellRequests, "").N; int(n) != answered {
		t.Errorf("cells hold %d requests, %d were answered", n, answered)
	}
	for v := range 2 {
		if n := sliceCount(cells, v, experiment.CellRequests, "tier=premium").N; n != 0 {
			t.Errorf("version %d has %d requests from outside", v, n)
		}
	}
}

// slicesSumToTheWhole checks every cell of everybody against the sum of the
// cells of each segment's groups, and that no cell is of anything else.
func slicesSumToTheWhole(t testing.TB, segments []experiment.Segment, cells []experiment.Cell) {
	t.Helper()
	whole := map[experiment.CellKey]stats.Counts{}
	parts := map[string]map[experiment.CellKey]stats.Counts{}
	for i := range segments {
		parts[segments[i].Name] = map[experiment.CellKey]stats.Counts{}
	}
	for _, c := range cells {
		into := whole
		if c.Slice != "" {
			into = parts[experiment.SegmentOf(c.Slice)]
		}
		key := c.CellKey
		key.Slice = ""
		into[key] = into[key].Merge(c.Counts)
	}
	if len(whole) == 0 {
		t.Error("there are no cells")
	}
	for name, part := range parts {
		if diff := cmp.Diff(whole, part); diff != "" {
			t.Errorf("slices of %s do not sum to the whole (-whole +slices):\n%s", name, diff)
		}
	}
}
