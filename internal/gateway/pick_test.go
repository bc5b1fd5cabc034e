// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// picked is a route whose testers name their version, and whose bots and
// synthetic load are excluded; everybody else gets the candidate.
func picked(backends ...string) experiment.Route {
	r := routeTo(onlyCandidate(), backends...)
	r.PhaseStart = time.Now()
	r.Assignment.Overrides = []experiment.Override{
		{Header: "x-api-version", Value: "blue", Version: 1},
		{Header: "x-api-version", Value: "green", Version: 0},
	}
	r.Assignment.Exclude = []experiment.Exclusion{
		{Header: "user-agent", Contains: []string{"Bot", "crawler"}},
		{Header: "x-synthetic"},
	}
	return r
}

// whoGot is what became of one request.
type whoGot struct {
	Status           int
	Backend, Version string
	Token            bool
	Exposures        int
	// Cells are the requests counted as evidence, by version.
	Cells [3]int64
	// Apart is the reason that the request is counted apart by, or nothing.
	Apart string
}

// gotBy sends one request to a route and tells what became of it.
func gotBy(t *testing.T, r experiment.Route, header ...string) whoGot {
	t.Helper()
	reg := prometheus.NewRegistry()
	var exposed atomic.Int64
	g := testGateway(t, Options{Registry: reg, Expose: func(experiment.Exposure, uint64) bool { exposed.Add(1); return true }})
	swap(t, g, r)
	url, client := serving(t, g)
	a := ask(t, client, "GET", url, "", header...)
	settled(client)
	got := whoGot{
		Status: a.StatusCode, Backend: a.Header.Get("X-Backend"), Version: a.Header.Get(headerVersion),
		Token: a.Header.Get(headerExposure) != "", Exposures: int(exposed.Load()),
	}
	cells := sealAll(t, g, r)
	for v := range r.Versions {
		got.Cells[v] = count(cells, v, experiment.CellRequests).Counts.N
	}
	for _, reason := range unassignedReasons {
		if n := metric(t, reg, "headgate_gateway_unassigned_total", "reason", reason); n != 0 {
			got.Apart += reason
		}
	}
	return got
}

func TestTestersAndTheExcludedAreCountedApart(t *testing.T) {
	assigned := whoGot{Status: 200, Backend: "two", Version: "v2", Token: true, Exposures: 1, Cells: [3]int64{0, 1}}
	blue := whoGot{Status: 200, Backend: "two", Version: "v2", Apart: reasonOverridden}
	green := whoGot{Status: 200, Backend: "one", Version: "v1", Apart: reasonOverridden}
	excluded := whoGot{Status: 200, Backend: "one", Version: "v1", Apart: reasonExcluded}
	for name, tc := range map[string]struct {
		header []string
		want   whoGot
	}{
		"an ordinary unit":                    {[]string{"X-User-Id", "anna", "User-Agent", "curl"}, assigned},
		"a tester of the candidate":           {[]string{"X-User-Id", "anna", "X-Api-Version", "blue"}, blue},
		"a tester of the baseline":            {[]string{"X-User-Id", "anna", "x-API-version", "green"}, green},
		"a tester without a unit is served":   {[]string{"X-Api-Version", "blue"}, blue},
		"a value that is no tester's":         {[]string{"X-User-Id", "anna", "X-Api-Version", "Blue"}, assigned},
		"a bot in another case":               {[]string{"X-User-Id", "anna", "User-Agent", "Mozilla/5.0 (compatible; GoogleBOT/2.1)"}, excluded},
		"a bot without a unit is served":      {[]string{"User-Agent", "a CRAWLER"}, excluded},
		"synthetic load":                      {[]string{"X-User-Id", "anna", "X-Synthetic", "0"}, excluded},
		"an empty header is not there":        {[]string{"X-User-Id", "anna", "X-Synthetic", ""}, assigned},
		"a tester is a tester before all":     {[]string{"X-Api-Version", "blue", "X-Synthetic", "1"}, blue},
		"what is far back is not looked for":  {[]string{"X-User-Id", "anna", "User-Agent", strings.Repeat("x", maxMatched) + "bot"}, assigned},
		"what is just in reach is looked for": {[]string{"X-User-Id", "anna", "User-Agent", strings.Repeat("x", maxMatched-3) + "bot"}, excluded},
		"no unit is refused as ever":          {[]string{"User-Agent", "curl"}, whoGot{Status: 400, Apart: reasonAbsent}},
	} {
		t.Run(name, func(t *testing.T) {
			r := picked(named(t, "one"), named(t, "two"))
			r.Assignment.RejectMissing = true
			if diff := cmp.Diff(tc.want, gotBy(t, r, tc.header...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAKillTakesTestersBack(t *testing.T) {
	r := picked(named(t, "one"), named(t, "two")).Killed(time.Now())
	want := whoGot{Status: 200, Backend: "one", Version: "v1", Token: true, Exposures: 1, Cells: [3]int64{1}}
	if diff := cmp.Diff(want, gotBy(t, r, "X-User-Id", "anna", "X-Api-Version", "blue")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheApplicationChooses(t *testing.T) {
	split := experiment.Shares{5000, 5000, 0}
	served := func(version int) whoGot {
		w := whoGot{Status: 200, Backend: []string{"one", "two", "three"}[version], Version: []string{"v1", "v2", "v3"}[version]}
		w.Cells[version] = 1
		return w
	}
	apart := func(reason string) whoGot {
		return whoGot{Status: 200, Backend: "one", Version: "v1", Apart: reason}
	}
	for name, tc := range map[string]struct {
		shares experiment.Shares
		header []string
		want   whoGot
	}{
		"the baseline":                     {split, []string{"X-Model", "v1"}, served(0)},
		"a candidate":                      {split, []string{"X-Model", "v2"}, served(1)},
		"a candidate, whoever the unit is": {split, []string{"X-Model", "v2", "X-User-Id", "anna"}, served(1)},
		"a candidate that was taken out":   {split, []string{"X-Model", "v3"}, served(0)},
		"a candidate after a rollback":     {experiment.Baseline(3), []string{"X-Model", "v2"}, served(0)},
		"the baseline after a promotion":   {experiment.Shares{0, 10000, 0}, []string{"X-Model", "v1"}, served(1)},
		"no version":                       {split, []string{"X-Model", "v9"}, apart(reasonCohortUnknown)},
		"names are exact":                  {split, []string{"X-Model", "V2"}, apart(reasonCohortUnknown)},
		"nothing":                          {split, nil, apart(reasonCohortAbsent)},
		"nothing, though there is a unit":  {split, []string{"X-User-Id", "anna"}, apart(reasonCohortAbsent)},
		"a bot is excluded":                {split, []string{"X-Model", "v2", "User-Agent", "bot"}, apart(reasonExcluded)},
		"a tester has what the tester asks for": {split, []string{"X-Model", "v1", "X-Api-Version", "blue"}, whoGot{
			Status: 200, Backend: "two", Version: "v2", Apart: reasonOverridden,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := picked(named(t, "one"), named(t, "two"), named(t, "three"))
			r.Assignment.Cohort, r.Slots = "x-model", experiment.SlotsOf(tc.shares)
			if diff := cmp.Diff(tc.want, gotBy(t, r, tc.header...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSwapRefusesPicksThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(r *experiment.Route){
		"override of no header":           func(r *experiment.Route) { r.Assignment.Overrides[0].Header = "a b" },
		"override of no value":            func(r *experiment.Route) { r.Assignment.Overrides[0].Value = "" },
		"override to no version":          func(r *experiment.Route) { r.Assignment.Overrides[0].Version = 2 },
		"override to less than a version": func(r *experiment.Route) { r.Assignment.Overrides[0].Version = -1 },
		"exclusion by no header":          func(r *experiment.Route) { r.Assignment.Exclude[0].Header = "" },
		"exclusion by an empty text":      func(r *experiment.Route) { r.Assignment.Exclude[0].Contains[0] = "" },
		"cohort in no header":             func(r *experiment.Route) { r.Assignment.Cohort = "x:y" },
		"path that is none":               func(r *experiment.Route) { r.Versions[1].Path = &experiment.PathRewrite{From: "a", To: "/"} },
		"path with a query":               func(r *experiment.Route) { r.Versions[1].Path = &experiment.PathRewrite{From: "/", To: "/?a"} },
		"path with half an escape":        func(r *experiment.Route) { r.Versions[1].Path = &experiment.PathRewrite{From: "/", To: "/%2"} },
		"model that breaks lines":         func(r *experiment.Route) { r.Versions[1].Model = "a\r\nb" },
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := picked("http://127.0.0.1:1", "http://127.0.0.1:2")
			change(&r)
			err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}})
			if experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("Swap = %v, want CodeInvalid", err)
			}
		})
	}
}

func TestPickingDoesNotAllocate(t *testing.T) {
	for name, change := range map[string]func(r *experiment.Route){
		"an ordinary unit": func(*experiment.Route) {},
		"a tester": func(r *experiment.Route) {
			r.Assignment.Overrides[1].Header, r.Assignment.Overrides[1].Value = "x-tier", "premium"
		},
		"excluded":  func(r *experiment.Route) { r.Assignment.Exclude[1].Header = "x-tier" },
		"a cohort":  func(r *experiment.Route) { r.Assignment.Cohort = "x-cohort" },
		"no cohort": func(r *experiment.Route) { r.Assignment.Cohort = "x-model" },
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := picked("http://127.0.0.1:1", "http://127.0.0.1:2")
			change(&r)
			swap(t, g, r)
			x := requestOf(t, "X-User-Id", "user-12345", "X-Tier", "premium", "X-Cohort", "v2", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
			var k call
			if n := testing.AllocsPerRun(1000, func() {
				k = call{}
				if g.admit(&k, x) != nil {
					t.Fatal("refused")
				}
				g.finish(&k, ending{status: 200})
			}); n != 0 {
				t.Errorf("%v allocations per request, want 0", n)
			}
		})
	}
}

// TestAccountsBalance sends all kinds of requests from several clients at once,
// over real connections, and asks that every one is assigned, overridden,
// excluded, outside, without a unit or refused, and nothing twice.
func TestAccountsBalance(t *testing.T) {
	const clients, each = 4, 150
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(500)
		}
	}
	url, client := serving(t, g)
	for range 3 { // Before the first snapshot.
		ask(t, client, "GET", url, "")
	}
	r := picked(backend(t, serve), backend(t, serve), closedPort(t))
	r.Slots = experiment.SlotsOf(experiment.Shares{4000, 4000, 2000})
	r.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}}}
	r.Where = experiment.Where{{Segment: "tier", Not: []string{"premium"}}}
	swap(t, g, r)
	var load sync.WaitGroup
	for c := range clients {
		load.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(c)))
			for range each {
				req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
				for name, values := range map[string][]string{
					"X-User-Id": {"", "", fmt.Sprint(random.IntN(500)), fmt.Sprint(random.IntN(500)), "a\tb"},
					"X-Tier":    {"", "free", "premium"}, "X-Fail": {"", "", "1"},
					"X-Api-Version": {"", "", "blue", "green", "red"}, "X-Synthetic": {"", "", "1"},
				} {
					if v := values[random.IntN(len(values))]; v != "" {
						req.Header.Set(name, v)
					}
				}
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			}
		})
	}
	load.Wait()
	settled(client)
	parts := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch name := f.GetName(); name {
		case "headgate_gateway_requests_total", "headgate_gateway_client_aborts_total", "headgate_gateway_cut_total":
			for _, m := range f.GetMetric() {
				parts["assigned"] += m.GetCounter().GetValue()
			}
		case "headgate_gateway_unassigned_total", "headgate_gateway_refused_total":
			for _, m := range f.GetMetric() {
				parts[m.GetLabel()[0].GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	sum := 0.0
	for _, n := range parts {
		sum += n
	}
	if want := float64(clients*each + 3); sum != want {
		t.Errorf("%v requests in the accounts, want %v: %v", sum, want, parts)
	}
	for _, part := range []string{"assigned", reasonOverridden, reasonExcluded, reasonOutside, reasonAbsent, reasonInvalid, "unserved"} {
		if parts[part] == 0 {
			t.Errorf("nothing was %s: nothing was tested", part)
		}
	}
	cells := sealAll(t, g, r)
	var evidence int64
	for v := range r.Versions {
		evidence += sliceCount(cells, v, experiment.CellRequests, "").N
	}
	if float64(evidence) != parts["assigned"] {
		t.Errorf("%d requests are evidence, %v were assigned", evidence, parts["assigned"])
	}
}
