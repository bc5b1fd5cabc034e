// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

func compiled(t testing.TB, pairs ...experiment.PairsMetric) *Metrics {
	t.Helper()
	var metrics []experiment.Metric
	for i := range pairs {
		metrics = append(metrics, experiment.Metric{Name: "m", Pairs: &pairs[i]})
	}
	m, err := Compile(metrics, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answered is an answer of a body, which is JSON or any other text.
func answered(body string) *Answer {
	a := &Answer{Status: 200, Took: 10 * time.Millisecond, Text: []byte(body)}
	if v, err := prediction.Decode(a.Text); err == nil {
		a.Value = v
	}
	return a
}

func value(x float64) experiment.Compared { return experiment.Compared{Value: x} }
func classes(x float64, baseline, candidate string) experiment.Compared {
	return experiment.Compared{Value: x, Baseline: baseline, Candidate: candidate}
}

// rounded allows for rounding alone.
var rounded = cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-12 })

func TestCompare(t *testing.T) {
	type P = experiment.PairsMetric
	class, number, vector := P{Compare: experiment.CompareClass}, P{Compare: experiment.CompareNumber}, P{Compare: experiment.CompareVector}
	ranking, text, whole := P{Compare: experiment.CompareRanking}, P{Compare: experiment.CompareText}, P{Compare: experiment.CompareJSON}
	with := func(p P, change func(*P)) P { change(&p); return p }
	picking := func(p P, expression string) P { p.Value = expression; return p }
	const chat = `{"id":"%","choices":[{"message":{"content":"%"}}]}`
	message := func(id, text string) string {
		return strings.Replace(strings.Replace(chat, "%", id, 1), "%", text, 1)
	}
	for name, tc := range map[string]struct {
		metric              P
		baseline, candidate string
		want                experiment.Compared
	}{
		"class: same":                      {class, `{"predictions":["cat"]}`, `{"predictions":["cat"]}`, classes(1, "cat", "cat")},
		"class: other":                     {class, `{"predictions":["cat"]}`, `{"predictions":["dog"]}`, classes(0, "cat", "dog")},
		"class: by the greatest score":     {class, `{"predictions":[[0.1,0.9]]}`, `{"predictions":[[0.2,0.8]]}`, classes(1, "1", "1")},
		"class: 1 is 1.0":                  {class, `{"predictions":[1]}`, `{"predictions":[1.0]}`, classes(1, "1", "1")},
		"class: across protocols":          {class, `{"predictions":[1]}`, `{"outputs":[{"name":"o","datatype":"BYTES","shape":[1],"data":["1"]}]}`, classes(1, "1", "1")},
		"class: none on one side":          {class, `{"predictions":["cat"]}`, `{"predictions":[0.5]}`, blank},
		"class: an invalid candidate":      {class, `{"predictions":["cat"]}`, `{"error":"x"}`, blank},
		"class: an empty candidate":        {class, `{"predictions":["cat"]}`, `{"predictions":[]}`, blank},
		"class: a body that is no JSON":    {class, `{"predictions":["cat"]}`, `cat`, blank},
		"class: the mean of a batch":       {class, `{"predictions":["a","b","c","d"]}`, `{"predictions":["a","b","x","d"]}`, classes(0.75, "a", "a")},
		"class: rows without are left out": {class, `{"predictions":[null,"b","c"]}`, `{"predictions":["a","b","x"]}`, classes(0.5, "b", "b")},
		"class: rows of one side count 0":  {class, `{"predictions":["a","b","c","d"]}`, `{"predictions":["a"]}`, classes(0.25, "a", "a")},
		"class: picked":                    {picking(class, ".a.label"), `{"a":{"label":1.0}}`, `{"a":{"label":"1"}}`, classes(1, "1", "1")},
		"class: one is picked for each":    {picking(class, ".[].l"), `[{"l":"x"},{"l":"y"}]`, `[{"l":"x"},{"l":"z"}]`, classes(0.5, "x", "x")},
		"class: picked in vain":            {picking(class, ".a.label"), `{"a":{"label":"x"}}`, `{}`, blank},
		"class: picked an object":          {picking(class, ".a"), `{"a":{"label":"x"}}`, `{"a":"x"}`, blank},
		"class: the expression fails":      {picking(class, ".a.b"), `{"a":1}`, `{"a":1}`, blank},
		"class: long ones are shortened":   {class, `{"predictions":["` + strings.Repeat("x", 70) + `"]}`, `{"predictions":["y"]}`, classes(0, strings.Repeat("x", 64), "y")},

		"number: same":                 {number, `{"predictions":[0.5]}`, `{"predictions":[5e-1]}`, value(1)},
		"number: other":                {number, `{"predictions":[0.5]}`, `{"predictions":[0.50001]}`, value(0)},
		"number: within the tolerance": {with(number, func(p *P) { p.Tolerance = 0.1 }), `{"predictions":[90.0]}`, `{"predictions":[100.0]}`, value(1)},
		"number: beyond the tolerance": {with(number, func(p *P) { p.Tolerance = 0.1 }), `{"predictions":[89.9]}`, `{"predictions":[100.0]}`, value(0)},
		"number: of other sign":        {with(number, func(p *P) { p.Tolerance = 0.5 }), `{"predictions":[-0.5]}`, `{"predictions":[0.5]}`, value(0)},
		"number: two zeros":            {number, `{"predictions":[0.0]}`, `{"predictions":[-0.0]}`, value(1)},
		"number: picked":               {picking(number, ".usage.tokens"), `{"usage":{"tokens":12}}`, `{"usage":{"tokens":12.0}}`, value(1)},
		"number: a text is none":       {picking(number, ".p"), `{"p":"0.5"}`, `{"p":0.5}`, blank},
		"number: null is none":         {number, `{"predictions":[null]}`, `{"predictions":[0.5]}`, blank},

		"vector: same":                   {vector, `{"predictions":[[0.25,0.75]]}`, `{"predictions":[[0.25,0.75]]}`, value(1)},
		"vector: half of the components": {vector, `{"predictions":[[0.25,0.75]]}`, `{"predictions":[[0.25,0.5]]}`, value(0.5)},
		"vector: within the tolerance":   {with(vector, func(p *P) { p.Tolerance = 0.1 }), `{"predictions":[[0.4,0.6,0.5]]}`, `{"predictions":[[0.3,0.7,0.39]]}`, value(2. / 3)},
		"vector: of unequal lengths":     {vector, `{"predictions":[[1,2]]}`, `{"predictions":[[1,2,3]]}`, value(0)},
		"vector: embeddings":             {vector, `{"data":[{"embedding":[0.5,-0.25]}]}`, `{"data":[{"embedding":"AAAAPwAAgL4="}]}`, value(1)},
		"vector: picked":                 {picking(vector, ".p"), `{"p":[1,2]}`, `{"p":[1,3]}`, value(0.5)},
		"vector: picked for each":        {picking(vector, ".[].p"), `[{"p":[1,2]},{"p":[1,2]}]`, `[{"p":[1,3]},{"p":[1,2]}]`, value(0.75)},
		"vector: picked one by one":      {picking(vector, ".p[]"), `{"p":[1,2]}`, `{"p":[1,2,3]}`, value(0)},
		"vector: with a null":            {picking(vector, ".p"), `{"p":[1,null]}`, `{"p":[1,2]}`, blank},
		"vector: empty":                  {picking(vector, ".p"), `{"p":[]}`, `{"p":[]}`, blank},

		"ranking: overlap":                      {with(ranking, func(p *P) { p.K = 3 }), `{"predictions":[["a","b","c","d"]]}`, `{"predictions":[["c","x","a","b"]]}`, value(2. / 3)},
		"ranking: short lists":                  {with(ranking, func(p *P) { p.K = 10 }), `{"predictions":[["a","b"]]}`, `{"predictions":[["b","a"]]}`, value(1)},
		"ranking: RBO":                          {with(ranking, func(p *P) { p.By = experiment.RBO }), `{"predictions":[["a","b","c"]]}`, `{"predictions":[["c","b","a"]]}`, value(0.855)},
		"ranking: tau":                          {with(ranking, func(p *P) { p.By = experiment.Tau }), `{"predictions":[["a","b","c"]]}`, `{"predictions":[["a","c","b"]]}`, value(2. / 3)},
		"ranking: tau of what both rank":        {with(ranking, func(p *P) { p.By = experiment.Tau }), `{"predictions":[["a","x","b"]]}`, `{"predictions":[["b","y","a"]]}`, value(0)},
		"ranking: tau of one":                   {with(ranking, func(p *P) { p.By = experiment.Tau }), `{"predictions":[["a","b"]]}`, `{"predictions":[["a","c"]]}`, blank},
		"ranking: of scores":                    {with(ranking, func(p *P) { p.K = 2 }), `{"predictions":[[0.1,0.5,0.4]]}`, `{"predictions":[[0.2,0.1,0.7]]}`, value(0.5)},
		"ranking: of scores by name":            {with(ranking, func(p *P) { p.K = 1 }), `{"predictions":[{"scores":{"a":0.1,"b":0.9}}]}`, `{"predictions":[{"scores":{"b":0.9,"c":0.1}}]}`, value(1)},
		"ranking: picked":                       {picking(ranking, "[.items[].id]"), `{"items":[{"id":1},{"id":2}]}`, `{"items":[{"id":2.0},{"id":3}]}`, value(0.5)},
		"ranking: picked one by one":            {picking(ranking, ".items[].id"), `{"items":[{"id":1},{"id":2}]}`, `{"items":[{"id":2.0},{"id":3}]}`, value(0.5)},
		"ranking: what comes again counts once": {picking(ranking, "."), `["a","a","b"]`, `["a","b"]`, value(1)},
		"ranking: of objects":                   {picking(ranking, "."), `[{"id":1}]`, `[{"id":1}]`, blank},
		"ranking: none":                         {ranking, `{"predictions":["a"]}`, `{"predictions":["a"]}`, blank},

		"text: white space aside":    {text, message("1", "Hello  there\\n"), message("2", "Hello\\tthere"), value(1)},
		"text: other words":          {text, message("1", "Hello there"), message("1", "Hello you"), value(0)},
		"text: words run together":   {text, message("1", "Hello there"), message("1", "Hellothere"), value(0)},
		"text: one is longer":        {text, message("1", "Hello"), message("1", "Hello there"), value(0)},
		"text: of predictions":       {text, `{"id":"1","outputs":[{"name":"o","datatype":"BYTES","shape":[1],"data":["cat"]}]}`, `{"id":"2","outputs":[{"name":"o","datatype":"BYTES","shape":[1],"data":["cat"]}]}`, value(1)},
		"text: the whole answer":     {text, "<p>a\n b</p>", "<p>a b</p> ", value(1)},
		"text: another whole answer": {text, "<p>a</p>", "<p>b</p>", value(0)},
		"text: the whole of a JSON":  {text, `{"x":0.5}`, `{"x": 0.5}`, value(0)},
		"text: picked":               {picking(text, ".t"), `{"t":" a b"}`, `{"t":"a  b"}`, value(1)},
		"text: nothing on one side":  {text, message("1", "Hello"), message("1", ""), blank},
		"text: of no body":           {text, "", "", value(1)},

		"json: same":                      {whole, `{"a":1,"b":[1.0,"x",null,true]}`, ` {"b":[1,"x",null,true],"a":1e0}`, value(1)},
		"json: another number":            {whole, `{"a":9007199254740993}`, `{"a":9007199254740992}`, value(0)},
		"json: another order":             {whole, `[1,2]`, `[2,1]`, value(0)},
		"json: one name more":             {whole, `{"a":1}`, `{"a":1,"b":null}`, value(0)},
		"json: another name":              {whole, `{"a":1}`, `{"b":1}`, value(0)},
		"json: another type":              {whole, `{"a":1}`, `{"a":"1"}`, value(0)},
		"json: another text":              {whole, `["x",false]`, `["x",true]`, value(0)},
		"json: another length":            {whole, `[1]`, `[1,2]`, value(0)},
		"json: a list and none":           {whole, `[1]`, `{"a":1}`, value(0)},
		"json: a null and none":           {whole, `{"a":null}`, `{"a":false}`, value(0)},
		"json: picked":                    {picking(whole, ".a"), `{"a":{"x":1},"id":1}`, `{"id":2,"a":{"x":1.0}}`, value(1)},
		"json: picked and missing":        {picking(whole, ".a"), `{"id":1}`, `{"id":2}`, blank},
		"json: picked and missing in one": {picking(whole, ".a"), `{"a":1}`, `{"id":2}`, value(0)},
		"json: picked for each":           {picking(whole, ".[]"), `[1,2]`, `[1,3,4]`, value(1. / 3)},
		"json: no JSON":                   {whole, `{"a":1}`, `a`, blank},
	} {
		t.Run(name, func(t *testing.T) {
			m, b, c := compiled(t, tc.metric), answered(tc.baseline), answered(tc.candidate)
			if diff := cmp.Diff([]experiment.Compared{tc.want}, m.Compare(t.Context(), b, c), rounded); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			back := tc.want
			back.Baseline, back.Candidate = tc.want.Candidate, tc.want.Baseline
			if diff := cmp.Diff([]experiment.Compared{back}, m.Compare(t.Context(), c, b), rounded); diff != "" {
				t.Errorf("the other way around (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]*Answer{answered(tc.baseline), answered(tc.candidate)}, []*Answer{b, c}); diff != "" {
				t.Errorf("an answer was changed:\n%s", diff)
			}
		})
	}
}

func TestFailuresAndLatency(t *testing.T) {
	m := compiled(t,
		experiment.PairsMetric{Compare: experiment.CompareFailures},
		experiment.PairsMetric{Compare: experiment.CompareLatency, Tolerance: 0.5},
		experiment.PairsMetric{Compare: experiment.CompareClass},
		experiment.PairsMetric{Compare: experiment.CompareJSON},
	)
	took := func(d time.Duration) *Answer { a := answered(`{"predictions":["cat"]}`); a.Took = d; return a }
	failed := &Answer{Failed: true, Status: 503, Took: time.Second, Value: "x", Text: []byte(`"x"`)}
	same := []experiment.Compared{classes(1, "cat", "cat"), value(1)}
	for name, tc := range map[string]struct {
		baseline, candidate *Answer
		want                []experiment.Compared
	}{
		"both answer, as fast":           {took(100), took(100), append([]experiment.Compared{value(0), value(0)}, same...)},
		"as slow as is let pass":         {took(100), took(150), append([]experiment.Compared{value(0), value(0)}, same...)},
		"slower":                         {took(100), took(151), append([]experiment.Compared{value(0), value(1)}, same...)},
		"the time of one is not known":   {took(100), took(0), append([]experiment.Compared{value(0), blank}, same...)},
		"the other's time is not known":  {took(0), took(100), append([]experiment.Compared{value(0), blank}, same...)},
		"the candidate alone fails":      {took(100), failed, []experiment.Compared{value(1), blank, blank, blank}},
		"the baseline alone fails":       {failed, took(100), []experiment.Compared{value(0), blank, blank, blank}},
		"both fail":                      {failed, failed, []experiment.Compared{blank, blank, blank, blank}},
		"there is no candidate's answer": {took(100), nil, []experiment.Compared{value(1), blank, blank, blank}},
		"the bodies are too large":       {&Answer{Took: 1}, &Answer{Took: 1}, []experiment.Compared{value(0), value(0), blank, blank}},
	} {
		if diff := cmp.Diff(tc.want, m.Compare(t.Context(), tc.baseline, tc.candidate)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestThePathTellsTheProtocol(t *testing.T) {
	m := compiled(t, experiment.PairsMetric{Compare: experiment.CompareClass})
	a := answered(`{"results":["cat"]}`)
	if got := m.Compare(t.Context(), a, a)[0]; got != blank {
		t.Errorf("without a path: %+v", got)
	}
	a.Path = "/v1/models/m:classify"
	if got := m.Compare(t.Context(), a, a)[0]; got != classes(1, "cat", "cat") {
		t.Errorf("with a path: %+v", got)
	}
}

func TestThePlansReaderReads(t *testing.T) {
	reader, err := prediction.New(&experiment.Predictions{Class: ".verdict", Score: ".p"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Compile([]experiment.Metric{
		{Name: "outcome", Outcomes: &experiment.OutcomesMetric{}},
		{Name: "class", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		{Name: "latency", Builtin: &experiment.BuiltinMetric{}},
		{Name: "score", Pairs: &experiment.PairsMetric{Compare: experiment.CompareNumber}},
	}, reader)
	if err != nil || m.Len() != 2 {
		t.Fatalf("%v, %d metrics", err, m.Len())
	}
	got := m.Compare(t.Context(), answered(`{"verdict":"yes","p":1}`), answered(`{"verdict":"no","p":1}`))
	if diff := cmp.Diff([]experiment.Compared{classes(0, "yes", "no"), value(1)}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimeRunsOut(t *testing.T) {
	m := compiled(t, experiment.PairsMetric{Compare: experiment.CompareFailures}, experiment.PairsMetric{Compare: experiment.CompareJSON, Value: "last(repeat(1))"}, experiment.PairsMetric{Compare: experiment.CompareClass, Value: "def f: f; f"})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if diff := cmp.Diff([]experiment.Compared{value(0), blank, blank}, m.Compare(ctx, answered(`{}`), answered(`{}`))); diff != "" {
		t.Error(diff)
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		in            experiment.PairsMetric
		message, hint string
	}{
		"nothing to compare":         {experiment.PairsMetric{}, `metric "m": "" is nothing to compare`, "take failures, latency, class, number, vector, ranking, text or json"},
		"an unknown similarity":      {experiment.PairsMetric{Compare: experiment.CompareRanking, By: "ndcg"}, `metric "m": rankings are not compared by "ndcg"`, "take overlap, rbo or tau"},
		"no places":                  {experiment.PairsMetric{Compare: experiment.CompareRanking, K: -1}, `metric "m": k is -1`, "give the number of places that count, or leave it out"},
		"a negative tolerance":       {experiment.PairsMetric{Compare: experiment.CompareNumber, Tolerance: -0.1}, `metric "m": the tolerance is -0.1`, "a tolerance is 0 or more"},
		"a tolerance that is none":   {experiment.PairsMetric{Compare: experiment.CompareNumber, Tolerance: math.NaN()}, `metric "m": the tolerance is NaN`, "a tolerance is 0 or more"},
		"a value of latencies":       {experiment.PairsMetric{Compare: experiment.CompareLatency, Value: ".a"}, `metric "m": value has no meaning for latency`, "leave value out"},
		"an expression that is none": {experiment.PairsMetric{Compare: experiment.CompareClass, Value: "now"}, `metric "m": value: the expression uses now`, "the same answer must give the same number, anywhere and at any time"},
	} {
		_, err := Compile([]experiment.Metric{{Name: "m", Pairs: &tc.in}}, nil)
		if err == nil || err.Error() != tc.message || experiment.HintOf(err) != tc.hint || experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%s: %v (hint %q), want %q (hint %q)", name, err, experiment.HintOf(err), tc.message, tc.hint)
		}
	}
}
