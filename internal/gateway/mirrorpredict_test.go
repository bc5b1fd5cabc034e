// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// newPredicted mirrors everything from the first backend to the others, and
// reads what all of them predict.
func newPredicted(t *testing.T, change func(r *experiment.Route), backends ...string) *mirrored {
	t.Helper()
	return newMirrored(t, func(r *experiment.Route) {
		r.Predictions = predictingRoute(backends...).Predictions
		if change != nil {
			change(r)
		}
	}, backends...)
}

// cells waits until all answers were read, and gives what is counted.
func (m *mirrored) cells(t *testing.T) []experiment.Cell {
	t.Helper()
	m.over()
	allHeard(m.Gateway)
	return sealAll(t, m.Gateway, m.route)
}

// byVersion are the predictions of each version.
func (m *mirrored) byVersion() map[int][]experiment.Prediction {
	out := map[int][]experiment.Prediction{}
	for _, p := range m.predicted.byTime() {
		out[p.Version] = append(out[p.Version], p)
	}
	return out
}

func TestAShadowsAnswersArePredictions(t *testing.T) {
	old := saying(t, `{"predictions":[{"label":"cat","score":0.25}]}`, "X-Model-Hash", "one")
	young := saying(t, `{"predictions":[{"label":"dog","score":0.75}]}`, "X-Model-Hash", "two")
	m := newPredicted(t, func(r *experiment.Route) { r.Segments = twoSegments() }, old, young)
	a := m.ask(t, "POST", kservePath, `{"instances":[{"age":null}]}`, "X-Request-Id", "r", "X-Tier", "plus")
	cells := m.cells(t)
	got := m.byVersion()
	if len(got[0]) != 1 || len(got[1]) != 1 {
		t.Fatalf("rows %+v, want one of each", got)
	}
	told, err := testKey(t).Open(m.route.Experiment, a.Header.Get(headerExposure))
	if err != nil {
		t.Fatal(err)
	}
	want := got[0][0]
	if want.Exposure != told || want.Mirrored || want.Class != "cat" {
		t.Errorf("the baseline's row is %+v", want)
	}
	want.Version, want.Class, want.Score, want.Mirrored = 1, "dog", ptr(.75), true
	if diff := gocmp.Diff(want, got[1][0]); diff != "" {
		t.Errorf("the copy's row (-want +got):\n%s", diff)
	}
	for version, says := range []struct {
		class, digest string
		score         float64
	}{{"cat", "one", .25}, {"dog", "two", .75}} {
		if c := count(cells, version, experiment.CellClasses).Categories; c.Of(says.class) != 1 || c.Total() != 1 {
			t.Errorf("classes of version %d: %v", version, c)
		}
		if diff := gocmp.Diff(negatives(says.score), count(cells, version, experiment.CellScores).Scores); diff != "" {
			t.Errorf("scores of version %d (-want +got):\n%s", version, diff)
		}
		if c := count(cells, version, experiment.CellDigest+"x-model-hash").Categories; c.Of(says.digest) != 1 || c.Total() != 1 {
			t.Errorf("digests of version %d: %v", version, c)
		}
	}
	for _, metric := range []string{string(experiment.NullFeatures), string(experiment.InvalidOutput), string(experiment.OutputSize), string(experiment.MeanScore)} {
		of, copied := count(cells, 0, metric), count(cells, 1, metric)
		if of.Counts.N == 0 || copied.Counts != of.Counts {
			t.Errorf("%s of the copy %+v, of the original %+v", metric, copied.Counts, of.Counts)
		}
	}
	for _, c := range cells {
		if c.Version == 1 && (c.Metric == experiment.CellRequests || c.Metric == experiment.CellExposures) {
			t.Errorf("a copy is counted as a request: %+v", c)
		}
	}
	if n := metric(t, m.reg, "headgate_gateway_predictions_total", "version", "v2", "result", "read"); n != 1 {
		t.Errorf("%v of v2 read, want 1", n)
	}
}

// TestACopysRowHasTheIDOfTheOriginal: what a candidate calls the request nobody
// knows.
func TestACopysRowHasTheIDOfTheOriginal(t *testing.T) {
	body := func(puid string) string { return fmt.Sprintf(`{"data":{"ndarray":["a"]},"meta":{"puid":%q}}`, puid) }
	for name, tc := range map[string]struct {
		tells []string
		body  string
		want  string
	}{
		"by the baseline's header": {[]string{"Seldon-Puid", "head"}, body("body"), "head"},
		"by the baseline's body":   {nil, body("body"), "body"},
		"not at all":               {nil, `{"data":{"ndarray":["a"]}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := newPredicted(t, nil, saying(t, tc.body, tc.tells...), saying(t, body("own"), "Seldon-Puid", "own"))
			m.ask(t, "POST", seldonPath, `{}`)
			m.cells(t)
			want := uint64(0)
			if tc.want != "" {
				want = testKey(t).HashUnit(tc.want)
			}
			for version, rows := range m.byVersion() {
				if len(rows) != 1 || rows[0].Request != want {
					t.Errorf("version %d: rows %+v, want one with request %x", version, rows, want)
				}
			}
			if len(m.byVersion()) != 2 {
				t.Errorf("rows of %d versions", len(m.byVersion()))
			}
		})
	}
}

func TestCopiesAreReadWhereTheirOriginalsAre(t *testing.T) {
	model := saying(t, `{"predictions":["a"]}`)
	m := newPredicted(t, func(r *experiment.Route) { r.Predictions.Sample = experiment.Whole / 2 }, model, model)
	for i := range 100 {
		m.ask(t, "POST", kservePath, `{}`, "X-Request-Id", fmt.Sprint(i))
	}
	m.cells(t)
	requests := map[int]map[uint64]bool{0: {}, 1: {}}
	for version, rows := range m.byVersion() {
		for _, r := range rows {
			requests[version][r.Request] = true
		}
	}
	if n := len(requests[0]); n < 20 || n > 80 {
		t.Errorf("%d of 100 in the sample of a half", n)
	}
	if diff := gocmp.Diff(requests[0], requests[1]); diff != "" {
		t.Errorf("other requests are read (-baseline +candidate):\n%s", diff)
	}
}

func TestWhatAShadowSaysBadly(t *testing.T) {
	old := saying(t, `{"predictions":["a"]}`)
	for name, tc := range map[string]struct {
		candidate http.HandlerFunc
		result    string // of v2; empty is that nothing is read
		rows      int
	}{
		"no JSON":     {tells(200, "application/json", "{{"), "invalid", 0},
		"text":        {tells(200, "text/html", "<p>"), "invalid", 0},
		"nothing":     {tells(200, "application/json", ""), "empty", 0},
		"null":        {tells(200, "application/json", `{"predictions":[null]}`), "null", 0},
		"a coding":    {tells(200, "application/json", `{"predictions":["a"]}`, "Content-Encoding", "br"), "unfit", 0},
		"packed":      {tells(200, "application/json", packed(t, `{"predictions":["a"]}`), "Content-Encoding", "gzip"), "read", 1},
		"an error":    {tells(500, "application/json", `{"predictions":["a"]}`), "", 0},
		"not to find": {tells(404, "application/json", `{"predictions":["a"]}`), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newPredicted(t, nil, old, backend(t, tc.candidate))
			m.ask(t, "POST", kservePath, `{}`, "Accept-Encoding", "gzip, br")
			m.cells(t)
			if got := m.byVersion()[1]; len(got) != tc.rows {
				t.Errorf("rows %+v, want %d", got, tc.rows)
			}
			want, results := 0., 0.
			if tc.result != "" {
				want = metric(t, m.reg, "headgate_gateway_predictions_total", "version", "v2", "result", tc.result)
				results = 1
			}
			if all := metric(t, m.reg, "headgate_gateway_predictions_total", "version", "v2"); want != results || all != results {
				t.Errorf("%v %s of %v, want %v", want, tc.result, all, results)
			}
		})
	}
}

func TestShadowsExplanationsAreCounted(t *testing.T) {
	const path = "/v1/models/m:explain"
	for name, tc := range map[string]struct {
		candidate string
		want      stats.Counts
		timed     int64
	}{
		"answered": {saying(t, `{"explanations":[]}`), stats.Counts{N: 1}, 1},
		"failed":   {backend(t, tells(500, "application/json", "{}")), stats.Counts{N: 1, X: 1}, 0},
		"dead":     {closedPort(t), stats.Counts{N: 1, X: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newPredicted(t, nil, saying(t, `{"explanations":[]}`), tc.candidate)
			m.ask(t, "POST", path, `{}`)
			cells := m.cells(t)
			if got := count(cells, 1, string(experiment.FailedExplanations)).Counts; got != tc.want {
				t.Errorf("failed %+v, want %+v", got, tc.want)
			}
			if got := count(cells, 1, string(experiment.ExplanationTime)).Units.N; got != tc.timed {
				t.Errorf("%d timed, want %d", got, tc.timed)
			}
			if rows := m.byVersion(); len(rows) != 0 {
				t.Errorf("an explanation is a prediction: %+v", rows)
			}
		})
	}
}

// TestAnAnswerAfterItsWindowCountsInTheNext: windows do not wait for shadows.
func TestAnAnswerAfterItsWindowCountsInTheNext(t *testing.T) {
	release := make(chan struct{})
	slow := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-release
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"predictions":["dog"]}`)
	})
	m := newPredicted(t, nil, saying(t, `{"predictions":["cat"]}`), slow)
	m.ask(t, "POST", kservePath, `{}`)
	settled(m.client)
	allHeard(m.Gateway)
	now := time.Now().Add(time.Hour)
	first, err := m.Seal(m.route.Experiment, 1, 1, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	m.over()
	second, err := m.Seal(m.route.Experiment, 1, 1, first.To, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := count(first.Cells, 0, experiment.CellClasses).Categories, count(first.Cells, 1, experiment.CellClasses).Categories; a.Total() != 1 || b.Total() != 0 {
		t.Errorf("the sealed window has %v and %v", a, b)
	}
	if got := count(second.Cells, 1, experiment.CellClasses).Categories; got.Of("dog") != 1 {
		t.Errorf("what comes after that is %v, want the dog", got)
	}
	for _, c := range second.Cells {
		if c.Window != first.To {
			t.Errorf("it is in window %d, want the first open one, %d", c.Window, first.To)
		}
	}
	if rows := m.byVersion()[1]; len(rows) != 1 || rows[0].Window != m.byVersion()[0][0].Window {
		t.Errorf("its row is %+v, want the window of the request", rows)
	}
}

func TestOverheardAnswersArePredictions(t *testing.T) {
	model := saying(t, `{"predictions":["cat"]}`)
	heard := func(m *mirrored, version int, id, class string) {
		m.Overhear(&Overheard{
			Experiment: m.route.Experiment, Epoch: 1, Phase: 1, Window: 2, At: m.route.PhaseStart.Add(2 * m.route.Window), Version: version,
			ID: id, Unit: testKey(t).HashUnit(id), Copied: version != 0, Path: kservePath, Body: fmt.Appendf(nil, `{"predictions":[%q]}`, class),
		})
	}
	others := func(r *experiment.Route) { r.Mirror.ByEvents = true }
	t.Run("of both where requests go elsewhere", func(t *testing.T) {
		m := newPredicted(t, others, model, model)
		heard(m, 0, "r", "cow")
		heard(m, 1, "r", "dog")
		m.Overhear(&Overheard{Experiment: m.route.Experiment, Epoch: 1, Phase: 9, Version: 1, Body: []byte(`{"predictions":["ox"]}`)})
		m.Overhear(&Overheard{Experiment: m.route.Experiment, Epoch: 1, Phase: 1, Version: 9, Body: []byte(`{"predictions":["ox"]}`)})
		cells := m.cells(t)
		if a, b := count(cells, 0, experiment.CellClasses).Categories, count(cells, 1, experiment.CellClasses).Categories; a.Of("cow") != 1 || b.Of("dog") != 1 || a.Total()+b.Total() != 2 {
			t.Errorf("classes %v and %v", a, b)
		}
		got := m.byVersion()
		if len(got[0]) != 1 || len(got[1]) != 1 {
			t.Fatalf("rows %+v", got)
		}
		if p := got[1][0]; p.Class != "dog" || !p.Mirrored || p.Window != 2 || p.Request != testKey(t).HashUnit("r") || p.Request != got[0][0].Request || !p.At.Equal(got[0][0].At) || got[0][0].Mirrored {
			t.Errorf("rows %+v", got)
		}
		for _, c := range cells {
			if c.Metric == experiment.CellRequests {
				t.Errorf("a request that nobody made: %+v", c)
			}
		}
	})
	t.Run("of the candidate where the gateway hears the baseline", func(t *testing.T) {
		m := newPredicted(t, others, model, model)
		m.ask(t, "POST", kservePath, `{}`, "X-Request-Id", "r")
		heard(m, 0, "r", "cat")
		heard(m, 1, "r", "dog")
		m.cells(t)
		if got := m.byVersion(); len(got[0]) != 1 || len(got[1]) != 1 || got[0][0].Request != got[1][0].Request {
			t.Errorf("rows %+v", got)
		}
	})
}
