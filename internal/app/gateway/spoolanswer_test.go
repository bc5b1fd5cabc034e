// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// TestABatchIsWrittenAsJSON reads what is written row by row, compressed and
// plain, as whoever keeps it does.
func TestABatchIsWrittenAsJSON(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSpool(DefaultSpool, newWindows(nil, time.Now, registry), registry)
	score := 0.25
	e := experiment.Exposure{Experiment: "team/\"models\"", Epoch: 1, Phase: 2, Window: 3, Version: 1, Propensity: 5000, Unit: 1 << 63, At: begin}
	s.filling.Seals = []experiment.Seal{{Source: experiment.SourceGateway, Epoch: 1, To: 2, Cells: []experiment.Cell{cell(1)}}}
	for i := range 3 {
		s.expose(e, 257)
		s.pair(&experiment.Pair{ID: fmt.Sprint(i), Version: 1, At: begin, Compared: []experiment.Compared{{Value: 1, Baseline: "<cat>"}}})
		s.predict(&experiment.Prediction{Exposure: e, Class: "a&b", Score: &score})
	}
	want := *s.next(0)
	server := httptest.NewServer(http.HandlerFunc(s.batches))
	defer server.Close()
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{DisableCompression: !compressed}
			defer transport.CloseIdleConnections()
			res, err := (&http.Client{Transport: transport}).Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if res.Uncompressed != compressed {
				t.Errorf("compressed is %v", res.Uncompressed)
			}
			var got experiment.Batch
			if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestARowThatIsNoJSONIsLeftOut and counted: it would stand in the way of all
// that come after it.
func TestARowThatIsNoJSONIsLeftOut(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSpool(DefaultSpool, newWindows(nil, time.Now, registry), registry)
	bad := math.NaN()
	for _, score := range []*float64{&bad, nil, &bad, nil} {
		s.predict(&experiment.Prediction{Score: score})
	}
	w := httptest.NewRecorder()
	s.batches(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/batches", nil))
	var got experiment.Batch
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Predictions) != 2 {
		t.Errorf("%v: %s", err, w.Body)
	}
	if n := count(t, registry, "headgate_gateway_spool_dropped_total"); n != 2 {
		t.Errorf("%d rows are counted as dropped, want 2", n)
	}
}

// TestPairsOfManyMetricsFillABatchSooner bounds a batch's bytes by the rows'
// size.
func TestPairsOfManyMetricsFillABatchSooner(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSpool(DefaultSpool, newWindows(nil, time.Now, registry), registry)
	compared := make([]experiment.Compared, 24)
	for i := range compared {
		text := string(bytes.Repeat([]byte("x"), experiment.MaxClass))
		compared[i] = experiment.Compared{Value: math.Pi, Baseline: text, Candidate: text}
	}
	for range batchRows {
		s.pair(&experiment.Pair{ID: "id", Compared: compared})
	}
	rows := 0
	for b := s.next(0); b != nil; b = s.next(b.Sequence) {
		rows += len(b.Pairs)
		var out bytes.Buffer
		if writeBatch(&out, b); out.Len() > 2<<20 {
			t.Errorf("batch %d of %d pairs has %d bytes", b.Sequence, len(b.Pairs), out.Len())
		}
	}
	if rows != batchRows {
		t.Errorf("%d rows, want %d", rows, batchRows)
	}
}

func cell(window int64) experiment.Cell {
	return experiment.Cell{
		CellKey:  experiment.CellKey{Window: window, Metric: experiment.CellRequests},
		Evidence: experiment.Evidence{Counts: stats.Counts{N: 1}},
	}
}

// TestManyCellsAreDividedAmongBatches: in whole windows, in order, with nothing
// left out.
func TestManyCellsAreDividedAmongBatches(t *testing.T) {
	seal := func(name string, windows ...int) experiment.Seal {
		s := experiment.Seal{Experiment: name, Source: experiment.SourceGateway, From: 5, To: 5 + int64(len(windows))}
		for i, n := range windows {
			for range n {
				s.Cells = append(s.Cells, cell(5+int64(i)))
			}
		}
		return s
	}
	for name, tc := range map[string]struct {
		seals []experiment.Seal
		want  []string
	}{
		"none":                          {nil, nil},
		"windows without cells":         {[]experiment.Seal{seal("a", 0, 0)}, []string{"a 5-7 0"}},
		"few":                           {[]experiment.Seal{seal("a", 3, 4), seal("b", 5)}, []string{"a 5-7 7; b 5-6 5"}},
		"two experiments that are many": {[]experiment.Seal{seal("a", 1500), seal("b", 1500)}, []string{"a 5-6 1500", "b 5-6 1500"}},
		"many windows":                  {[]experiment.Seal{seal("a", 1000, 1000, 1000, 0, 1000, 100)}, []string{"a 5-7 2000", "a 7-10 2000", "a 10-11 100"}},
		"one great window":              {[]experiment.Seal{seal("a", 5000)}, []string{"a 5-6 5000"}},
		"great windows":                 {[]experiment.Seal{seal("a", 5000, 3000, 1, 1)}, []string{"a 5-6 5000", "a 6-7 3000", "a 7-9 2"}},
		"exactly full":                  {[]experiment.Seal{seal("a", batchCells), seal("b", 0)}, []string{"a 5-6 2048; b 5-6 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, run := range inRuns(tc.seals) {
				text := ""
				for i, s := range run {
					if i > 0 {
						text += "; "
					}
					text += fmt.Sprintf("%s %d-%d %d", s.Experiment, s.From, s.To, len(s.Cells))
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkBatch is the gateway's cost of a row that is taken over.
func BenchmarkBatch(b *testing.B) {
	registry := prometheus.NewRegistry()
	s := newSpool(DefaultSpool, newWindows(nil, time.Now, registry), registry)
	for i := range batchRows / 2 {
		at := begin.Add(time.Duration(i) * 137 * time.Microsecond)
		s.expose(experiment.Exposure{Experiment: "team/models", Epoch: 1, Phase: 2, Version: 1, Propensity: 5000, Unit: uint64(i) * 0x9e3779b97f4a7c15, At: at}, 0)
		s.pair(&experiment.Pair{
			Experiment: "team/models", Epoch: 1, Phase: 2, Version: 1, ID: fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15), At: at,
			Compared: []experiment.Compared{{Value: 1, Baseline: "cat", Candidate: "cat"}},
		})
	}
	batch := s.next(0)
	for name, encoding := range map[string]string{"plain": "", "gzip": "gzip"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/batches", nil)
			r.Header.Set("Accept-Encoding", encoding)
			size := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				s.batches(w, r)
				size = w.Body.Len()
			}
			rows := float64(rowsOf(batch))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
			b.ReportMetric(float64(size)/rows, "B/row")
		})
	}
}
