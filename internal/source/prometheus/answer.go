// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/source/remote"
)

// sample is a value at a time in Unix milliseconds.
type sample struct {
	at    int64
	value float64
}

// UnmarshalJSON reads [seconds, "value"].
func (s *sample) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	seconds, value, ok := bytes.Cut(bytes.TrimSuffix(bytes.TrimPrefix(b, []byte("[")), []byte("]")), []byte(","))
	if !ok || len(b) == 0 || b[0] != '[' {
		return errors.New("a sample is no pair")
	}
	at, err := strconv.ParseFloat(string(bytes.TrimSpace(seconds)), 64)
	if err != nil || math.Abs(at) > 1e11 || math.IsNaN(at) {
		return errors.New("a sample's time is no number of seconds")
	}
	value = bytes.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return errors.New("a sample's value is no text")
	}
	v, err := strconv.ParseFloat(string(value[1:len(value)-1]), 64)
	if err != nil {
		return errors.New("a sample's value is no number")
	}
	s.at, s.value = int64(math.Round(at*1000)), v
	return nil
}

// series is one series of an answer, its samples in order of time.
type series struct {
	labels  map[string]string
	samples []sample
}

// key identifies the series.
func (s *series) key() string {
	names := make([]string, 0, len(s.labels))
	for name := range s.labels {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		b.WriteString(strconv.Quote(name) + "=" + strconv.Quote(s.labels[name]) + ",")
	}
	return b.String()
}

// answer is what the server said.
type answer struct {
	Status    string   `json:"status"`
	Error     string   `json:"error"`
	ErrorType string   `json:"errorType"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
	series []series
}

// anyNumber is what a question for one number may be answered with: a vector or
// a scalar.
const anyNumber = "vector or scalar"

// parse reads an answer of a kind: matrix, vector or anyNumber. It gives what it
// could read even with an error.
func parse(body []byte, kind string) (answer, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}, errors.New("the answer is not the JSON that Prometheus answers with")
	}
	if a.Status != "success" {
		return a, nil
	}
	if kind == anyNumber && a.Data.Type == "scalar" {
		var one sample
		if err := json.Unmarshal(a.Data.Result, &one); err != nil {
			return a, fmt.Errorf("read the answer's number: %w", err)
		}
		a.series = []series{{samples: []sample{one}}}
		return a, nil
	}
	if a.Data.Type != kind && (kind != anyNumber || a.Data.Type != "vector") {
		return a, fmt.Errorf("the answer is a %q, a %s was asked for", remote.Short(a.Data.Type), kind)
	}
	var rows []struct {
		Metric     map[string]string `json:"metric"`
		Value      *sample           `json:"value"`
		Values     []sample          `json:"values"`
		Histogram  json.RawMessage   `json:"histogram"`
		Histograms json.RawMessage   `json:"histograms"`
	}
	if err := json.Unmarshal(a.Data.Result, &rows); err != nil {
		return a, fmt.Errorf("read the answer's series: %w", err)
	}
	for _, row := range rows {
		if row.Histogram != nil || row.Histograms != nil {
			return a, errors.New("the answer has native histograms; select the series of a classic one")
		}
		if row.Value != nil {
			row.Values = append(row.Values, *row.Value)
		}
		if !slices.IsSortedFunc(row.Values, func(x, y sample) int { return cmp.Compare(x.at, y.at) }) {
			return a, errors.New("a series' samples are not in order of time")
		}
		a.series = append(a.series, series{labels: row.Metric, samples: row.Values})
	}
	return a, nil
}
