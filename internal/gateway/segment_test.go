// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// requestOf is a real request, headers given as name, value, …
func requestOf(t testing.TB, header ...string) *fullExchange {
	return requestWith(t, "", header...)
}

func requestWith(_ testing.TB, body string, header ...string) *fullExchange {
	in := httptest.NewRequest("POST", "/", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		in.Header.Add(header[i], header[i+1])
	}
	x := &fullExchange{in: in}
	x.body.reader = in.Body
	return x
}

func TestSegmentsFindTheGroup(t *testing.T) {
	tier := experiment.Segment{Name: "s", Header: "x-tier", Values: []string{"free", "premium"}}
	cookie := experiment.Segment{Name: "s", Cookie: "tier", Values: []string{"free", "premium"}}
	plan := experiment.Segment{Name: "s", JSONPath: "$.user.plan", Values: []string{"free", "7", "true"}}
	sessions := experiment.Segment{Name: "s", Header: "x-sessions", Bins: []float64{1, 10}}
	inBody := experiment.Segment{Name: "s", JSONPath: "$.user.0.sessions", Bins: []float64{-1, 0.5}}
	long := strings.Repeat("p", 257)
	for name, tc := range map[string]struct {
		segment experiment.Segment
		header  []string
		body    string
		want    string
	}{
		"header":                       {segment: tier, header: []string{"X-Tier", "premium"}, want: "premium"},
		"header in another case":       {segment: tier, header: []string{"x-TIER", "free"}, want: "free"},
		"value in another case":        {segment: tier, header: []string{"X-Tier", "Premium"}, want: "other"},
		"value with more behind":       {segment: tier, header: []string{"X-Tier", "premium, free"}, want: "other"},
		"first of two headers":         {segment: tier, header: []string{"X-Tier", "free", "X-Tier", "premium"}, want: "free"},
		"header absent":                {segment: tier, want: "other"},
		"header empty":                 {segment: tier, header: []string{"X-Tier", ""}, want: "other"},
		"header that says other":       {segment: tier, header: []string{"X-Tier", "other"}, want: "other"},
		"header too long":              {segment: experiment.Segment{Name: "s", Header: "x-tier", Values: []string{long}}, header: []string{"X-Tier", long}, want: "other"},
		"cookie":                       {segment: cookie, header: []string{"Cookie", "a=b; tier=premium"}, want: "premium"},
		"cookie in quotes":             {segment: cookie, header: []string{"Cookie", `tier="free"`}, want: "free"},
		"first of two cookies":         {segment: cookie, header: []string{"Cookie", "tier=free; tier=premium"}, want: "free"},
		"cookie in a second line":      {segment: cookie, header: []string{"Cookie", "a=b", "Cookie", "tier=premium"}, want: "premium"},
		"cookie of a longer name":      {segment: cookie, header: []string{"Cookie", "mytier=free; tiers=free"}, want: "other"},
		"cookie absent":                {segment: cookie, want: "other"},
		"JSON string":                  {segment: plan, body: `{"user":{"plan":"free"}}`, want: "free"},
		"JSON string escaped":          {segment: plan, body: `{"user":{"plan":"\u0066ree"}}`, want: "free"},
		"JSON number":                  {segment: plan, body: `{"user":{"plan":7}}`, want: "7"},
		"JSON number in other digits":  {segment: plan, body: `{"user":{"plan":7.0}}`, want: "other"},
		"JSON boolean":                 {segment: plan, body: `{"user":{"plan":true}}`, want: "true"},
		"JSON null":                    {segment: plan, body: `{"user":{"plan":null}}`, want: "other"},
		"JSON object":                  {segment: plan, body: `{"user":{"plan":{"free":1}}}`, want: "other"},
		"JSON path absent":             {segment: plan, body: `{"user":{}}`, want: "other"},
		"JSON broken":                  {segment: plan, body: `{"user":{"plan":"free"}`, want: "other"},
		"no body":                      {segment: plan, want: "other"},
		"body past the limit":          {segment: plan, body: `{"user":{"plan":"free"},"pad":"` + strings.Repeat("x", 4096) + `"}`, want: "other"},
		"below all bins":               {segment: sessions, header: []string{"X-Sessions", "0.99"}, want: "<1"},
		"on the lower edge":            {segment: sessions, header: []string{"X-Sessions", "1"}, want: "1..10"},
		"between edges":                {segment: sessions, header: []string{"X-Sessions", "9.999"}, want: "1..10"},
		"on the upper edge":            {segment: sessions, header: []string{"X-Sessions", "10"}, want: ">=10"},
		"on the edge in other digits":  {segment: sessions, header: []string{"X-Sessions", "1e1"}, want: ">=10"},
		"negative number":              {segment: sessions, header: []string{"X-Sessions", "-3"}, want: "<1"},
		"infinite number":              {segment: sessions, header: []string{"X-Sessions", "+Inf"}, want: ">=10"},
		"not a number":                 {segment: sessions, header: []string{"X-Sessions", "NaN"}, want: "other"},
		"junk for a number":            {segment: sessions, header: []string{"X-Sessions", "ten"}, want: "other"},
		"number with a unit":           {segment: sessions, header: []string{"X-Sessions", "3 sessions"}, want: "other"},
		"number out of range":          {segment: sessions, header: []string{"X-Sessions", "1e999"}, want: "other"},
		"number absent":                {segment: sessions, want: "other"},
		"JSON number in a bin":         {segment: inBody, body: `{"user":[{"sessions":0.25}]}`, want: "-1..0.5"},
		"JSON string in a bin":         {segment: inBody, body: `{"user":[{"sessions":"0.5"}]}`, want: ">=0.5"},
		"JSON boolean is in no bin":    {segment: inBody, body: `{"user":[{"sessions":false}]}`, want: "other"},
		"JSON out of range of numbers": {segment: inBody, body: `{"user":[{"sessions":1e999}]}`, want: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			var exposed []uint64
			g := testGateway(t, Options{MaxUnitBody: 4096, Now: func() time.Time { return epochStart }, Expose: func(_ experiment.Exposure, groups uint64) bool {
				exposed = append(exposed, groups)
				return true
			}})
			r := routeTo(onlyCandidate(), "http://127.0.0.1:1", "http://127.0.0.1:2")
			// A segment before it and one after it must keep their own groups.
			before := experiment.Segment{Name: "before", Header: "x-user-id", Values: []string{"bob", "anna"}}
			after := experiment.Segment{Name: "after", Header: "x-user-id", Values: []string{"anna"}}
			r.Segments = []experiment.Segment{before, tc.segment, after}
			swap(t, g, r)
			var k call
			if refused := g.admit(&k, requestWith(t, tc.body, append(tc.header, "X-User-Id", "anna")...)); refused != nil {
				t.Fatal(refused.message)
			}
			g.finish(&k, ending{status: 200})
			if len(exposed) != 1 {
				t.Fatalf("%d exposures, want 1", len(exposed))
			}
			if got := tc.segment.Groups()[groupOf(exposed[0], 1)]; got != tc.want || groupOf(exposed[0], 0) != 1 || groupOf(exposed[0], 2) != 0 {
				t.Errorf("groups = %#x, the second %q; want %q between 1 and 0", exposed[0], got, tc.want)
			}
			counts := map[string]stats.Counts{}
			for _, cell := range sealAll(t, g, r) {
				if cell.Metric != experiment.CellRequests || cell.Version != 1 || (cell.Sketch != nil) != (cell.Slice == "") {
					t.Errorf("cell %+v: want requests of the candidate, with a sketch for everybody", cell)
				}
				counts[cell.Slice] = counts[cell.Slice].Merge(cell.Counts)
			}
			one := stats.Counts{N: 1}
			want := map[string]stats.Counts{"": one, "before=anna": one, "s=" + tc.want: one, "after=anna": one}
			if diff := cmp.Diff(want, counts); diff != "" {
				t.Errorf("requests by slice (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBodyIsReadOnce lets a unit and two segments look into one body, which
// then goes upstream whole.
func TestBodyIsReadOnce(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
	r.PhaseStart = time.Now()
	r.Assignment.Unit = experiment.Unit{JSONPath: "$.user.id"}
	r.Segments = []experiment.Segment{
		{Name: "plan", JSONPath: "$.user.plan", Values: []string{"free"}},
		{Name: "age", JSONPath: "$.user.age", Bins: []float64{18}},
	}
	swap(t, g, r)
	url, client := serving(t, g)
	const body = `{"user":{"id":"anna","plan":"free","age":18}}`
	for _, sent := range []string{body, body + strings.Repeat(" ", 1<<20)} {
		a := ask(t, client, "POST", url, sent)
		if a.body != sent {
			t.Errorf("body of %d bytes came upstream as %d", len(sent), len(a.body))
		}
	}
	settled(client)
	cells := sealAll(t, g, r)
	for _, slice := range []string{"", "plan=free", "age=>=18"} {
		if got := sliceCount(cells, 1, experiment.CellRequests, slice); got.N != 1 {
			t.Errorf("requests of slice %q = %+v, want the one whose body could be read", slice, got)
		}
	}

	x := &countingExchange{fakeExchange: fakeExchange{body: []byte(body), whole: true}}
	var k call
	if refused := g.admit(&k, x); refused != nil {
		t.Fatal(refused.message)
	}
	g.finish(&k, ending{status: 200})
	if x.reads != 1 {
		t.Errorf("the body was read %d times, want once", x.reads)
	}
}

type countingExchange struct {
	fakeExchange
	reads int
}

func (x *countingExchange) prefix(limit int64) ([]byte, bool, error) {
	x.reads++
	return x.fakeExchange.prefix(limit)
}

// TestUnreadableBodyIsRefused covers the body that only a segment looks into:
// what was read of it cannot be given back.
func TestUnreadableBodyIsRefused(t *testing.T) {
	c := newClocked(t)
	r := measured()
	r.Segments = []experiment.Segment{{Name: "plan", JSONPath: "$.plan", Values: []string{"free"}}}
	swap(t, c.Gateway, r)
	var k call
	if refused := c.admit(&k, &fakeExchange{headers: "anna", err: errors.New("reset")}); refused != &refusedBody {
		t.Errorf("refusal = %v, want that of the body", refused)
	}
	if got := metric(t, c.reg, "headgate_gateway_unassigned_total", "reason", reasonBody); got != 1 || k.window != nil {
		t.Errorf("unassigned = %v, window %v; want 1 and none", got, k.window)
	}
}

// sliceCount sums the counts of a version, metric and slice.
func sliceCount(cells []experiment.Cell, version int, metric, slice string) stats.Counts {
	var c stats.Counts
	for _, cell := range cells {
		if cell.Version == version && cell.Metric == metric && cell.Slice == slice {
			c = c.Merge(cell.Counts)
		}
	}
	return c
}

// FuzzSegments checks that whatever a client sends, its group is the one that
// the plan's words give, and that the body goes on whole.
func FuzzSegments(f *testing.F) {
	f.Add("premium", "tier=premium; sessions=3", []byte(`{"user":{"plan":"free","age":17}}`))
	f.Add("", `tier="free"; tier=premium`, []byte(`{"user":{"plan":null,"age":"1e1"}}`))
	f.Add("10", "tier", []byte(`[{"user":1}]`))
	f.Add("NaN", " ; =;tier=\x01;tier=free", []byte(`{"user":{"plan":true,"age":1e999}}`))
	f.Add("0x1p-2", "tier=a,b c", []byte(`{"user":{"plan":"\ud800","age":-0}}`))
	f.Add(strings.Repeat("9", 300), "tier="+strings.Repeat("x", 300), []byte(strings.Repeat(" ", 1<<10)+`{}`))
	from := []experiment.Segment{
		{Name: "a", Header: "x-tier", Values: []string{"free", "premium"}},
		{Name: "b", Header: "x-tier", Bins: []float64{-1, 1, 10}},
		{Name: "c", Cookie: "tier", Values: []string{"free", "premium"}},
		{Name: "d", Cookie: "tier", Bins: []float64{0}},
		{Name: "e", JSONPath: "$.user.plan", Values: []string{"free", "true"}},
		{Name: "f", JSONPath: "$.user.age", Bins: []float64{18}},
	}
	all, err := newSegments(from)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, cookie string, body []byte) {
		x := requestWith(t, string(body))
		x.in.Header["X-Tier"] = []string{header}
		x.in.Header["Cookie"] = []string{cookie}
		groups, missing := all.groups(&lookup{exchange: x, maxBody: 1 << 10})
		if missing != nil {
			t.Fatalf("no groups: %+v", missing)
		}
		for i := range from {
			if g := groupOf(groups, i); g >= len(from[i].Groups()) {
				t.Errorf("segment %s has no group %d", from[i].Name, g)
			}
		}
		if groups>>(8*len(from)) != 0 {
			t.Errorf("groups %#x name a segment that is not", groups)
		}
		if header != "" && len(header) <= maxGroupValue {
			for i := range 2 {
				if got, want := groupOf(groups, i), from[i].Group(header); got != want {
					t.Errorf("header %q is in group %d of %s, want %d", header, got, from[i].Name, want)
				}
			}
		}
		if rest, err := io.ReadAll(x.body.reader); err != nil || string(rest) != string(body) {
			t.Errorf("body %q goes on as %q, %v", body, rest, err)
		}
	})
}

// FuzzCookie compares the cookie found with the one that net/http finds.
func FuzzCookie(f *testing.F) {
	for _, line := range []string{"uid=anna", "a=b; uid=anna", ` uid = "anna" ;uid=2`, "uid", "uid=;uid=2", `uid="`, `uid=""`, `uid=a"b; uid=c`, "UID=1;uid=2", ";;=;uid==x", "uid=\xff;uid=1", "uid=a b,c\t; x=\x7f", "\r\nuid=1\n"} {
		f.Add(line, line)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.Count(one+two, ";") > 2000 {
			return // net/http gives up on so many.
		}
		r := &http.Request{Header: http.Header{"Cookie": {one, two}}}
		want := ""
		if c, err := r.Cookie("uid"); err == nil {
			want = c.Value
		}
		if got := cookieValue(r.Header["Cookie"], "uid"); got != want {
			t.Errorf("cookie of %q and %q is %q, net/http says %q", one, two, got, want)
		}
	})
}

func TestSwapRefusesSegmentsThatCannotWork(t *testing.T) {
	good := experiment.Segment{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}}
	halves := experiment.SlotsOf(experiment.Shares{5000, 5000})
	tables := func(s experiment.Segment) (out []experiment.GroupTable) {
		for _, slice := range s.Slices() {
			out = append(out, experiment.GroupTable{Slice: slice, Slots: halves})
		}
		return out
	}
	for name, tc := range map[string]struct {
		change func(r *experiment.Route)
		says   string // empty: it is served
	}{
		"good ones are served": {func(r *experiment.Route) {
			r.Where, r.Tables = experiment.Where{{Segment: "tier", Not: []string{"premium", "other"}}}, tables(good)
		}, ""},
		"no place":        {func(r *experiment.Route) { r.Segments[0].Header = "" }, "0 of header, cookie and jsonPath"},
		"two places":      {func(r *experiment.Route) { r.Segments[0].Cookie = "tier" }, "2 of header, cookie and jsonPath"},
		"bad header name": {func(r *experiment.Route) { r.Segments[0].Header = "x tier" }, "not a header name"},
		"bad cookie name": {func(r *experiment.Route) { r.Segments[0].Header, r.Segments[0].Cookie = "", "a;b" }, "not a cookie name"},
		"search by JSON path": {func(r *experiment.Route) {
			r.Segments[0].Header, r.Segments[0].JSONPath = "", "$.users[*].tier"
		}, "not a path of names"},
		"two of a name":       {func(r *experiment.Route) { r.Segments = append(r.Segments, good) }, "two slices tier=free"},
		"a group named other": {func(r *experiment.Route) { r.Segments[0].Values = []string{"other"} }, "two slices tier=other"},
		"too many segments": {func(r *experiment.Route) {
			for i := range maxSegments {
				r.Segments = append(r.Segments, experiment.Segment{Name: fmt.Sprint(i), Header: "x", Values: []string{"v"}})
			}
		}, "9 segments"},
		"too many groups": {func(r *experiment.Route) {
			for i := range maxGroups {
				r.Segments[0].Values = append(r.Segments[0].Values, fmt.Sprint(i))
			}
		}, "more than 64 groups"},
		"neither values nor bins": {func(r *experiment.Route) { r.Segments[0].Values = nil }, "either values or bins"},
		"where without a segment": {func(r *experiment.Route) { r.Where = experiment.Where{{Segment: "region", In: []string{"eu"}}} }, "not there"},
		"where without a group":   {func(r *experiment.Route) { r.Where = experiment.Where{{Segment: "tier", Not: []string{"gold"}}} }, `names group "gold"`},
		"a table short":           {func(r *experiment.Route) { r.Tables = tables(good)[1:] }, "one for each group"},
		"tables in another order": {func(r *experiment.Route) {
			r.Tables = tables(good)
			r.Tables[0], r.Tables[1] = r.Tables[1], r.Tables[0]
		}, `want "tier=free"`},
		"half a table":             {func(r *experiment.Route) { r.Tables = tables(good); r.Tables[2].Slots = halves[:1] }, "covers 5000 slots"},
		"tables without a segment": {func(r *experiment.Route) { r.Tables = tables(good); r.Segments = nil }, "by group"},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(experiment.Shares{9000, 1000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
			r.Segments = []experiment.Segment{good}
			tc.change(&r)
			err := g.Swap(&experiment.Snapshot{Sequence: 1, Routes: []experiment.Route{r}})
			if tc.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "shop/ranker") {
				t.Errorf("Swap = %v, want invalid, of the route, about %q", err, tc.says)
			}
			if g.Snapshot() != nil {
				t.Error("a refused snapshot is served")
			}
		})
	}
}

func TestSegmentsBelongToThePhase(t *testing.T) {
	route := func() experiment.Route {
		r := routeTo(experiment.Shares{9000, 1000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
		r.Segments = []experiment.Segment{
			{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
			{Name: "age", Header: "x-age", Bins: []float64{18}},
		}
		r.Where = experiment.Where{{Segment: "age", In: []string{">=18"}}}
		for _, slice := range r.Segments[0].Slices() {
			r.Tables = append(r.Tables, experiment.GroupTable{Slice: slice, Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
		}
		return r
	}
	for name, tc := range map[string]struct {
		change func(r *experiment.Route)
		want   experiment.Code
	}{
		"equal ones may be swapped": {func(*experiment.Route) {}, ""},
		"empty is nil":              {func(r *experiment.Route) { r.Segments[0].Bins, r.Where[0].Not = []float64{}, []string{} }, ""},
		"a new phase takes others":  {func(r *experiment.Route) { r.Phase, r.Where, r.Tables = 2, nil, nil }, ""},
		"another place":             {func(r *experiment.Route) { r.Segments[0].Header = "x-plan" }, experiment.CodeConflict},
		"another value":             {func(r *experiment.Route) { r.Segments[0].Values[1] = "gold"; r.Tables[1].Slice = "tier=gold" }, experiment.CodeConflict},
		"another edge": {func(r *experiment.Route) {
			r.Segments[1].Bins[0], r.Where[0].In = 21, []string{">=21"}
		}, experiment.CodeConflict},
		"another where":     {func(r *experiment.Route) { r.Where[0].In, r.Where[0].Not = nil, []string{">=18"} }, experiment.CodeConflict},
		"no where":          {func(r *experiment.Route) { r.Where = nil }, experiment.CodeConflict},
		"another table":     {func(r *experiment.Route) { r.Tables[2].Slots = experiment.SlotsOf(experiment.Shares{9000, 1000}) }, experiment.CodeConflict},
		"one table for all": {func(r *experiment.Route) { r.Tables = nil }, experiment.CodeConflict},
		"a segment more": {func(r *experiment.Route) {
			r.Segments = append(r.Segments, experiment.Segment{Name: "x", Header: "x", Values: []string{"y"}})
		}, experiment.CodeConflict},
		"segments in other order": {func(r *experiment.Route) { r.Segments[0], r.Segments[1] = r.Segments[1], r.Segments[0] }, experiment.CodeConflict},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			swap(t, g, route())
			r := route()
			tc.change(&r)
			if err := g.Swap(&experiment.Snapshot{Sequence: 2, Routes: []experiment.Route{r}}); experiment.CodeOf(err) != tc.want {
				t.Errorf("Swap = %v, want code %q", err, tc.want)
			}
		})
	}
}

func TestCapabilitiesAreWhatIsServed(t *testing.T) {
	want := []experiment.Capability{
		experiment.CapSticky, experiment.CapSegments, experiment.CapWhere, experiment.CapCohort, experiment.CapOverrides, experiment.CapExclude,
		experiment.CapRefuse, experiment.CapFineShares, experiment.CapMirror, experiment.CapCopies, experiment.CapMirrorLimits,
		experiment.CapAnswers, experiment.CapRewrite, experiment.CapPredictions, experiment.CapOutcomes,
	}
	if diff := cmp.Diff(want, Capabilities()); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
}
