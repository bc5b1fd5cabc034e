// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

const (
	predictions  = "/seldon/shop/ranker/api/v1.0/predictions"
	feedbackPath = "/seldon/shop/ranker/api/v1.0/feedback"
)

// seldonModel answers predictions in Seldon's words, with a puid of its own
// where the client sent none, and feedback with what it was sent.
func seldonModel(t *testing.T, name string) string {
	var made atomic.Int64
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		puid := r.Header.Get("Seldon-Puid")
		if puid == "" {
			puid = fmt.Sprintf("made-by-%s-%d", name, made.Add(1))
		}
		w.Header().Set("Seldon-Puid", puid)
		w.Header().Set("X-Backend", name)
		w.Header().Set("X-Seen-Version", r.Header.Get("X-Headgate-Version"))
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/feedback") {
			w.Write(body)
			return
		}
		fmt.Fprintf(w, `{"meta":{"puid":%q},"data":{"ndarray":[[0.9]]}}`, puid)
	})
}

// unitOf is a unit that a gateway gives to a version.
func unitOf(t *testing.T, c *http.Client, url, version string) string {
	t.Helper()
	for i := range 100 {
		unit := fmt.Sprintf("user-%d", i)
		if ask(t, c, "POST", url+"/", "", "X-User-Id", unit).Header.Get(headerVersion) == version {
			return unit
		}
	}
	t.Fatalf("no unit of %s", version)
	return ""
}

// TestFeedbackGoesToTheVersionThatPredicted predicts with both versions, moves
// all units but a few from the second to the first, and sends feedback about
// its predictions in the name of a unit that the first one has.
func TestFeedbackGoesToTheVersionThatPredicted(t *testing.T) {
	reg := prometheus.NewRegistry()
	var exposures atomic.Int64
	g := testGateway(t, Options{Registry: reg, MaxUnitBody: 64 << 10, Expose: func(experiment.Exposure, uint64) bool {
		exposures.Add(1)
		return true
	}})
	r := routeTo(experiment.Shares{5000, 5000}, seldonModel(t, "one"), seldonModel(t, "two"))
	r.Versions[1].Model = "ranker-two"
	r.Assignment.Exclude = []experiment.Exclusion{{Header: "user-agent", Contains: []string{"bot"}}}
	swap(t, g, r)
	url, client := serving(t, g)
	first, second := unitOf(t, client, url, "v1"), unitOf(t, client, url, "v2")
	token := ask(t, client, "POST", url+predictions, `{}`, "X-User-Id", second, "Seldon-Puid", "by-client").Header.Get(headerExposure)
	made := ask(t, client, "POST", url+predictions, `{}`, "X-User-Id", second).Header.Get("Seldon-Puid")
	ask(t, client, "POST", url+"/api/v0.1/predictions?a=b", `{}`, "X-User-Id", second, "Seldon-Puid", "by-old-api")
	if token == "" || made == "" {
		t.Fatalf("token %q, puid %q", token, made)
	}
	r.Phase, r.Slots = 2, experiment.SlotsOf(experiment.Shares{9990, 10})
	r.Versions = []experiment.Version{r.Versions[0], r.Versions[1]}
	swap(t, g, r)
	settled(client)
	before, cells := exposures.Load(), assignedIn(t, g, r)

	answered := func(meta string) string { return `{"response": {"meta":` + meta + `}, "reward":1.0 }` }
	for name, tc := range map[string]struct {
		body         string
		header       []string
		version, why string
	}{
		"the answer's header names the version": {answered(`{}`), []string{"X-Headgate-Version", "v2"}, "two", "version"},
		"a tag names the version":               {answered(`{"tags":{"headgate-version":"v2"}}`), nil, "two", "version"},
		"an id that the client made":            {answered(`{"puid":"by-client"}`), nil, "two", "puid"},
		"an id that the model made":             {answered(`{"puid":"` + made + `"}`), nil, "two", "puid"},
		"an id of the older path":               {answered(`{"puid":"by-old-api"}`), nil, "two", "puid"},
		"the request's id":                      {`{"request":{"meta":{"puid":"by-client"}}}`, nil, "two", "puid"},
		"the id in a header":                    {`{"reward":0}`, []string{"Seldon-Puid", "by-client"}, "two", "puid"},
		"the id in a header, body too long":     {`{"reward":0,"x":"` + strings.Repeat("x", 70<<10) + `"}`, []string{"Seldon-Puid", "by-client"}, "two", "puid"},
		"the model's name among the models":     {answered(`{"requestPath":{"in":"scale:1","ranker-two":"x/y:7"}}`), nil, "two", "requestPath"},
		"the version's name among the models":   {answered(`{"requestPath":{"v2":"localhost:5000/model"}}`), nil, "two", "requestPath"},
		"the version as a tag of an image":      {answered(`{"requestPath":{"clf":"localhost:5000/model:v2"}}`), nil, "two", "requestPath"},
		"routing by the experiment's name":      {answered(`{"routing":{"eg":0,"ranker":1}}`), nil, "two", "routing"},
		"routing by the experiment's id":        {answered(`{"routing":{"shop/ranker":1}}`), nil, "two", "routing"},
		"the exposure in a header":              {answered(`{}`), []string{"X-Headgate-Exposure", token}, "two", "exposure"},
		"the exposure in a tag":                 {answered(`{"tags":{"headgate-exposure":"` + token + `"}}`), nil, "two", "exposure"},
		"who answered before who was assigned":  {answered(`{"tags":{"headgate-version":"v1","headgate-exposure":"` + token + `"}}`), nil, "one", "version"},

		"nothing known":                     {answered(`{}`), nil, "one", "unit"},
		"a forged exposure":                 {answered(`{}`), []string{"X-Headgate-Exposure", token[:40] + "AAAA" + token[44:]}, "one", "unit"},
		"a version that is none":            {answered(`{"tags":{"headgate-version":"v9"}}`), nil, "one", "unit"},
		"an unknown id":                     {answered(`{"puid":"somebody else's"}`), nil, "one", "unit"},
		"another router":                    {answered(`{"routing":{"eg-router":1}}`), nil, "one", "unit"},
		"a router that asked all":           {answered(`{"routing":{"ranker":-1}}`), nil, "one", "unit"},
		"a router of more versions":         {answered(`{"routing":{"ranker":2}}`), nil, "one", "unit"},
		"a path by both":                    {answered(`{"requestPath":{"v1":"a:1","v2":"a:2"}}`), nil, "one", "unit"},
		"other types":                       {answered(`{"puid":1,"tags":[],"routing":"ranker","requestPath":{"m":5}}`), nil, "one", "unit"},
		"no JSON":                           {`reward=1`, nil, "one", "unit"},
		"JSON in a string":                  {`"{\"response\":{\"meta\":{\"puid\":\"by-client\"}}}"`, nil, "one", "unit"},
		"no body":                           {"", nil, "one", "unit"},
		"a bot":                             {answered(`{}`), []string{"User-Agent", "Some-Bot"}, "one", "unit"},
		"no unit":                           {answered(`{}`), []string{"X-User-Id", ""}, "one", "none"},
		"no unit, but the id in the answer": {answered(`{"puid":"by-client"}`), []string{"X-User-Id", ""}, "two", "puid"},
	} {
		t.Run(name, func(t *testing.T) {
			header := []string{"X-User-Id", first}
			if len(tc.header) > 0 && tc.header[0] == "X-User-Id" {
				header = nil
			}
			counted := func() float64 {
				var n float64
				for _, v := range []string{"v1", "v2"} {
					n += feedbacks(reg, v, tc.why)
				}
				return n
			}
			was, unassigned := counted(), metric(t, reg, "headgate_gateway_unassigned_total", "reason", "feedback")
			a := ask(t, client, "POST", url+feedbackPath+"?x=1", tc.body, append(header, tc.header...)...)
			if a.StatusCode != 200 || a.body != tc.body || a.Header.Get("X-Backend") != tc.version {
				t.Errorf("%d by %q: %.200q, want %s to get %.200q", a.StatusCode, a.Header.Get("X-Backend"), a.body, tc.version, tc.body)
			}
			if v := a.Header.Get(headerVersion); v != a.Header.Get("X-Seen-Version") || a.Header.Get(headerExposure) != "" {
				t.Errorf("answered by %s with exposure %q, want no exposure of feedback", v, a.Header.Get(headerExposure))
			}
			if now := counted(); now != was+1 {
				t.Errorf("feedback by %s counted %v times", tc.why, now-was)
			}
			if now := metric(t, reg, "headgate_gateway_unassigned_total", "reason", "feedback"); now != unassigned+1 {
				t.Errorf("counted %v times among what is not assigned", now-unassigned)
			}
		})
	}
	settled(client)
	if now := exposures.Load(); now != before {
		t.Errorf("%d exposures by feedback", now-before)
	}
	if diff := cmp.Diff(cells, assignedIn(t, g, r)); diff != "" {
		t.Errorf("feedback is evidence (-before +after):\n%s", diff)
	}
}

// feedbacks is the counter of feedback to a version; 0 where there was none.
func feedbacks(reg *prometheus.Registry, version, by string) (n float64) {
	families, _ := reg.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "headgate_gateway_feedback_total" && m.GetLabel()[0].GetValue() == by && m.GetLabel()[2].GetValue() == version {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// assignedIn are the requests of both phases that are evidence.
func assignedIn(t *testing.T, g *Gateway, r experiment.Route) (out [2]stats.Counts) {
	t.Helper()
	for phase := 1; phase <= 2; phase++ {
		r.Phase = phase
		for v := range out {
			out[v] = out[v].Merge(count(sealAll(t, g, r), v, experiment.CellRequests).Counts)
		}
	}
	return out
}

func TestTheUnitOfFeedbackIsThatOfItsRequest(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, seldonModel(t, "one"), seldonModel(t, "two"))
	r.Assignment.Unit = experiment.Unit{JSONPath: "$.user"}
	swap(t, g, r)
	url, client := serving(t, g)
	seen := map[string]bool{}
	for i := range 20 {
		request := fmt.Sprintf(`{"user":"u%d"}`, i)
		want := ask(t, client, "POST", url+predictions, request).Header.Get("X-Backend")
		a := ask(t, client, "POST", url+feedbackPath, `{"request":`+request+`,"user":"somebody"}`)
		if got := a.Header.Get("X-Backend"); got != want {
			t.Errorf("feedback about %s went to %s, its prediction to %s", request, got, want)
		}
		seen[want] = true
	}
	if len(seen) != 2 {
		t.Errorf("only %v predicted", seen)
	}
}

func TestFeedbackGetsNoCookie(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := testGateway(t, Options{Registry: reg})
	r := routeTo(onlyCandidate(), seldonModel(t, "one"), seldonModel(t, "two"))
	r.Assignment.Unit, r.Assignment.RejectMissing = experiment.Unit{Cookie: "uid"}, true
	swap(t, g, r)
	url, client := serving(t, g)
	a := ask(t, client, "POST", url+feedbackPath, `{}`)
	if a.StatusCode != 200 || a.Header.Get("X-Backend") != "one" || a.Header.Get("Set-Cookie") != "" || feedbacks(reg, "v1", "none") != 1 {
		t.Errorf("%d by %s with cookie %q, want 200 by the baseline without", a.StatusCode, a.Header.Get("X-Backend"), a.Header.Get("Set-Cookie"))
	}
	if a = ask(t, client, "POST", url+feedbackPath, `{}`, "Cookie", "uid=anna"); a.Header.Get("X-Backend") != "two" {
		t.Errorf("feedback of a unit went to %s", a.Header.Get("X-Backend"))
	}
}

// TestFeedbackFollowsTheApplication has the application choose, by its header.
func TestFeedbackFollowsTheApplication(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, seldonModel(t, "one"), seldonModel(t, "two"))
	r.Assignment.Cohort = "x-cohort"
	swap(t, g, r)
	url, client := serving(t, g)
	for cohort, want := range map[string]string{"v2": "two", "v1": "one", "": "one", "v7": "one"} {
		if a := ask(t, client, "POST", url+feedbackPath, `{}`, "X-Cohort", cohort); a.Header.Get("X-Backend") != want {
			t.Errorf("feedback of cohort %q went to %s, want %s", cohort, a.Header.Get("X-Backend"), want)
		}
	}
}

// TestFailedFeedbackIsNobodysFailure lets a candidate fail on feedback: nobody
// else gets it, it is sent once, and the candidate is not ejected for it.
func TestFailedFeedbackIsNobodysFailure(t *testing.T) {
	var fed, atBaseline atomic.Int64
	model := func(n *atomic.Int64, fail func(w http.ResponseWriter)) string {
		return backend(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/feedback") {
				n.Add(1)
				fail(w)
			}
		})
	}
	well := func(http.ResponseWriter) {}
	for name, tc := range map[string]struct {
		candidate string
		status    int
		fed       int64
	}{
		"5xx":           {model(&fed, func(w http.ResponseWriter) { w.WriteHeader(500) }), 500, 10},
		"broken":        {model(&fed, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }), 502, 10},
		"not reachable": {closedPort(t), 502, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fed.Store(0)
			reg := prometheus.NewRegistry()
			g := testGateway(t, Options{Registry: reg})
			r := routeTo(experiment.Shares{5000, 5000}, model(&atBaseline, well), tc.candidate)
			r.Rules.Idempotent = true
			swap(t, g, r)
			url, client := serving(t, g)
			for range 10 {
				a := ask(t, client, "POST", url+feedbackPath, `{"response":{"meta":{"tags":{"headgate-version":"v2"}}}}`)
				if a.StatusCode != tc.status {
					t.Errorf("answered %d, want %d", a.StatusCode, tc.status)
				}
			}
			settled(client)
			if fed.Load() != tc.fed || atBaseline.Load() != 0 {
				t.Errorf("the candidate got %d, the baseline %d, want %d and none", fed.Load(), atBaseline.Load(), tc.fed)
			}
			if n := metric(t, reg, "headgate_gateway_ejected", "version", "v2"); n != 0 {
				t.Error("the candidate is ejected")
			}
			if n := metric(t, reg, "headgate_gateway_fallbacks_total"); n != 0 {
				t.Errorf("%v fallbacks", n)
			}
		})
	}
}

// TestFeedbackIsSentOnce has a model end each connection in its second exchange,
// with nothing answered: whatever may be sent twice would be sent again.
func TestFeedbackIsSentOnce(t *testing.T) {
	var fed atomic.Int64
	v := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		fed.Add(1)
		panic(http.ErrAbortHandler)
	})
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), v, v)
	r.Rules.Idempotent = true
	swap(t, g, r)
	url, client := serving(t, g)
	for i := range 10 {
		ask(t, client, "GET", url, "") // Its connection, to the baseline, is used again.
		if a := ask(t, client, "POST", url+feedbackPath, `{"reward":1}`); a.StatusCode != 502 {
			t.Errorf("feedback %d: answered %d", i, a.StatusCode)
		}
	}
	if fed.Load() != 10 {
		t.Errorf("10 feedbacks became %d", fed.Load())
	}
}

// TestFeedbackIsForWhoAnswered ejects a candidate, so that the baseline predicts
// in its place; the rewards are the baseline's. What is the candidate's waits.
func TestFeedbackIsForWhoAnswered(t *testing.T) {
	candidate := seldonModel(t, "two")
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), seldonModel(t, "one"), closedPort(t))
	swap(t, g, r)
	url, client := serving(t, g)
	for range mostFailures {
		ask(t, client, "POST", url+predictions, `{}`, "X-User-Id", "anna", "Seldon-Puid", "anna-1")
	}
	settled(client)
	if a := ask(t, client, "POST", url+feedbackPath, `{"response":{"meta":{"puid":"anna-1"}}}`, "X-User-Id", "anna"); a.Header.Get("X-Backend") != "one" {
		t.Errorf("feedback about a prediction of the baseline went to %q: %d", a.Header.Get("X-Backend"), a.StatusCode)
	}
	a := ask(t, client, "POST", url+feedbackPath, `{}`, "X-User-Id", "anna")
	if wantError(t, a, 503); a.Header.Get("Retry-After") == "" {
		t.Error("an ejected candidate's feedback is not to be sent again later")
	}
	r.Versions = []experiment.Version{r.Versions[0], {Name: "v2", Backend: candidate}} // It moves, and is well.
	swap(t, g, r)
	if a := ask(t, client, "POST", url+feedbackPath, `{}`, "X-User-Id", "anna"); a.Header.Get("X-Backend") != "two" {
		t.Errorf("feedback of the candidate's unit went to %q: %d", a.Header.Get("X-Backend"), a.StatusCode)
	}
}

// TestNothingReachesAKilledVersion keeps feedback from a version that was taken
// out, whoever names it, and from the baseline, which did not earn it.
func TestNothingReachesAKilledVersion(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, seldonModel(t, "one"), seldonModel(t, "two"))
	r.Assignment.Overrides = []experiment.Override{{Header: "x-api-version", Value: "blue", Version: 1}}
	swap(t, g, r)
	url, client := serving(t, g)
	body := `{"response":{"meta":{"puid":"p"}}}`
	ask(t, client, "POST", url+predictions, `{}`, "X-Api-Version", "blue", "Seldon-Puid", "p")
	for range 2 {
		if a := ask(t, client, "POST", url+feedbackPath, body); a.Header.Get("X-Backend") != "two" {
			t.Fatalf("feedback went to %q", a.Header.Get("X-Backend"))
		}
	}
	r.Phase, r.Slots = 2, experiment.SlotsOf(experiment.Baseline(2))
	swap(t, g, r)
	wantError(t, ask(t, client, "POST", url+feedbackPath, body), 410)
	if a := ask(t, client, "POST", url+feedbackPath, body, "X-Api-Version", "blue"); a.Header.Get("X-Backend") != "two" {
		t.Errorf("a tester's feedback went to %q: %d", a.Header.Get("X-Backend"), a.StatusCode)
	}
	swap(t, g, r.Killed(epochStart))
	wantError(t, ask(t, client, "POST", url+feedbackPath, body, "X-Api-Version", "blue"), 410)
	wantError(t, ask(t, client, "POST", url+feedbackPath, `{}`, "X-Headgate-Version", "v2"), 410)
}

// TestWhatModelsTellOfThemselvesPasses sends an answer whose every byte could be
// written otherwise.
func TestWhatModelsTellOfThemselvesPasses(t *testing.T) {
	const text = "{ \"meta\": {\"tags\":{\"b\":1.50, \"a\" : [true,null]},\n\"metrics\":[{\"key\":\"m\",\"type\":\"COUNTER\",\"value\":1e0}]," +
		"\"requestPath\":{\"ranker\":\"shop/ranker:0.1\",\"ranker\":\"twice\"},\"routing\":{\"eg\":-1}, \"puid\":\"\\u0061\"},\"data\":{\"ndarray\":[[9007199254740993]]}} \n"
	for _, chunked := range []bool{false, true} {
		v := backend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Seldon-Puid", "a")
			if chunked {
				io.WriteString(w, text[:9])
				http.NewResponseController(w).Flush()
				io.WriteString(w, text[9:])
				return
			}
			io.WriteString(w, text)
		})
		g := testGateway(t, Options{})
		r := routeTo(onlyCandidate(), v, v)
		r.Answers = []experiment.Answer{{Metric: "tagged", Sum: ".meta.tags.b", Sample: experiment.Whole}}
		swap(t, g, r)
		url, client := serving(t, g)
		a := ask(t, client, "POST", url+predictions, `{"data":{"ndarray":[[1]]}}`, "X-User-Id", "anna")
		if a.body != text || a.Header.Get("Seldon-Puid") != "a" {
			t.Errorf("chunked %t: %q, want %q", chunked, a.body, text)
		}
	}
}

func TestSeldonCalls(t *testing.T) {
	for target, want := range map[string]seldonCall{
		"/api/v1.0/predictions":                    seldonPrediction,
		"/seldon/ns/dep/api/v0.1/predictions?a=/b": seldonPrediction,
		"/api/v1.0/feedback":                       seldonFeedback,
		"/seldon/ns/dep/api/v0.1/feedback?":        seldonFeedback,
		"/api/v1.0/feedback/":                      notSeldon,
		"/api/v2.0/feedback":                       notSeldon,
		"/feedback":                                notSeldon,
		"/":                                        notSeldon,
		"*":                                        notSeldon,
		"/x?/api/v1.0/feedback":                    notSeldon,
	} {
		if got := seldonCallOf(target); got != want {
			t.Errorf("%s is %d, want %d", target, got, want)
		}
	}
}

// FuzzFeedback compares what is read of a feedback with what encoding/json
// reads, and checks that whatever it says names a version that there is.
func FuzzFeedback(f *testing.F) {
	for _, text := range []string{
		`{"request":{"data":{"ndarray":[[1,2]]}},"response":{"meta":{"puid":"abc","routing":{"ranker":1}},"data":{"ndarray":[[0.9]]}},"reward":1.0,"truth":{"data":{"ndarray":[[1]]}}}`,
		`{"response":{"meta":{"tags":{"headgate-version":"v2","headgate-exposure":"AQ"},"requestPath":{"clf":"localhost:5000/a:v2"}}}}`,
		`{"request":{"meta":{"puid":"\ud800\u0000"}},"response":"{\"meta\":{\"puid\":\"x\"}}"}`,
		`[{"response":{"meta":{"puid":"x"}}}]`, `"{\"response\":1}"`, ` {"response":{"meta":null},"request":[]}`, `{}`, ``,
		`{"response":{"meta":{"routing":{"ranker":1e0,"shop/ranker":99999999999999999999},"requestPath":[]}}}`,
	} {
		f.Add([]byte(text))
	}
	versions := []version{{name: "v1"}, {name: "v2", model: "clf"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		in := lookup{exchange: &fakeExchange{body: body, whole: true}, maxBody: 1 << 20}
		whole, _ := in.whole()
		got := readFeedback(whole)
		if v := got.inRequestPath(versions); v < -1 || v >= len(versions) {
			t.Errorf("%q: version %d", body, v)
		}
		if v := got.inRouting("shop/ranker"); v < -1 {
			t.Errorf("%q: routing %d", body, v)
		}
		if whole == nil {
			if got.puid+got.requestPuid+got.version+got.exposure != "" || got.request != nil {
				t.Errorf("%q: %+v of no JSON", body, got)
			}
			return
		}
		if want, ok := plainFeedback(whole); ok {
			have := [4]string{got.puid, got.requestPuid, got.version, got.exposure}
			if have != want {
				t.Errorf("%q: read %q, want %q", body, have, want)
			}
		}
	})
}

// plainFeedback reads a feedback by encoding/json; not ok where texts can be
// read in two ways.
func plainFeedback(body []byte) (out [4]string, ok bool) {
	if bytes.IndexByte(body, '\\') >= 0 || !utf8.Valid(body) || hasTwins(body) {
		return out, false // Escapes and what is no Unicode are for others to compare.
	}
	var whole any
	if json.Unmarshal(body, &whole) != nil {
		return out, false
	}
	at := func(v any, path ...string) any {
		for _, name := range path {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		return v
	}
	for i, path := range [][]string{
		{"response", "meta", "puid"},
		{"request", "meta", "puid"},
		{"response", "meta", "tags", tagVersion},
		{"response", "meta", "tags", tagExposure},
	} {
		out[i], _ = at(whole, path...).(string)
	}
	return out, true
}

// hasTwins says whether one of the names that matter comes twice.
func hasTwins(body []byte) bool {
	for _, name := range []string{`"response"`, `"request"`, `"meta"`, `"puid"`, `"tags"`, `"` + tagVersion + `"`, `"` + tagExposure + `"`} {
		if bytes.Count(body, []byte(name)) > 1 {
			return true
		}
	}
	return false
}
