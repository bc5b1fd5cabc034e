// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutesCarryWhatIsReadFromAnswers(t *testing.T) {
	p := &Plan{
		Versions: []Version{{Name: "v1", Backend: "http://a"}, {Name: "v2", Backend: "http://b"}},
		Metrics: []Metric{
			{Name: "errors", Builtin: &BuiltinMetric{Kind: ErrorRate}},
			{Name: "share", Output: &OutputMetric{Sum: ".a", Count: ".n", Sample: 1000}},
			{Name: "queue", Response: &ResponseMetric{Header: "x-queue", Sample: Whole}},
			{Name: "tokens", Response: &ResponseMetric{Value: ".tokens", Sample: 5000}, Trusted: true},
		},
		Window: 1,
	}
	r := RouteOf(p, &State{Slots: SlotsOf(Baseline(2))})
	want := []Answer{
		{Metric: "share", Sum: ".a", Count: ".n", Sample: 1000},
		{Metric: "queue", Header: "x-queue", Sample: Whole},
		{Metric: "tokens", Sum: ".tokens", Sample: 5000},
	}
	if d := cmp.Diff(want, r.Answers); d != "" {
		t.Error(d)
	}
	s := Snapshot{Sequence: 1, Routes: []Route{r}}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for i, sample := range []Share{0, 1000, Whole, 5000} {
		m := &p.Metrics[i]
		if m.Sample() != sample || m.OfAnswers() != (i > 0) || m.SelfReported() != (m.Name == "queue") {
			t.Errorf("%s: sample %d, of answers %v, self-reported %v", m.Name, m.Sample(), m.OfAnswers(), m.SelfReported())
		}
	}
	for name, bad := range map[string]Answer{
		"nothing":              {Metric: "a", Sample: 1},
		"two sources":          {Metric: "a", Sum: ".", Header: "x", Sample: 1},
		"a count of a header":  {Metric: "a", Header: "x", Count: ".", Sample: 1},
		"no sample":            {Metric: "a", Sum: "."},
		"more than all of all": {Metric: "a", Sum: ".", Sample: Whole + 1},
	} {
		s.Routes[0].Answers = []Answer{bad}
		if err := s.Check(); CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), "want either a sum") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Answers = nil
	if b, err := json.Marshal(r); err != nil || strings.Contains(string(b), "answers") {
		t.Errorf("a route without metrics of answers is %s, %v", b, err)
	}
}
