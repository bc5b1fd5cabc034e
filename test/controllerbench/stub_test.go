// SPDX-License-Identifier: Apache-2.0

package controllerbench

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// scrape is how often the stub's series have a sample.
const scrape = 15 * time.Second

// stub answers as a Prometheus would that scrapes healthy versions: counters
// that grow evenly, whatever is selected.
type stub struct {
	asked atomic.Int64
}

// newStub serves one and gives its URL.
func newStub(t *testing.T) (*stub, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }() // Until it is closed.
	t.Cleanup(func() { _ = server.Close() })
	return s, "http://" + ln.Addr().String()
}

var rangeOf = regexp.MustCompile(`^(last_over_time\()?([a-z_]+)\{(.*)\}\[(\d+)ms\]\)?$`)

// rate is how many requests a second a version has, and how many of them are
// what a selector counts.
func rate(metric, matchers string) float64 {
	const requests = 100
	switch {
	case strings.Contains(matchers, "grpc_response_status"):
		return 0
	case strings.Contains(matchers, `"5.."`), metric == "model_wrong_total", metric == "model_slow_total":
		return requests / 100
	}
	return requests
}

// ServeHTTP answers queries of raw samples.
func (s *stub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.asked.Add(1)
	query := req.URL.Query()
	m := rangeOf.FindStringSubmatch(query.Get("query"))
	at, err := strconv.ParseFloat(query.Get("time"), 64)
	if m == nil || err != nil {
		http.Error(w, "the stub does not know this query: "+query.Get("query"), http.StatusBadRequest)
		return
	}
	over, _ := strconv.ParseFloat(m[4], 64) // Digits.
	var series []string
	for le, part := range map[string]float64{"": 1, "250": .995, "+Inf": 1} {
		if (le != "") != strings.HasSuffix(m[2], "_bucket") {
			continue
		}
		if r := part * rate(m[2], m[3]); r > 0 {
			series = append(series, samples(m[2], le, r, at-over/1000, at, m[1] != ""))
		}
	}
	kind := "matrix"
	if m[1] != "" {
		kind = "vector"
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[%s]}}`, kind, strings.Join(series, ","))
}

// samples writes one series.
func samples(metric, le string, rate, from, to float64, newest bool) string {
	const begin = 1.7e9 // Counters began to count long ago.
	var b strings.Builder
	fmt.Fprintf(&b, `{"metric":{"__name__":%q,"pod":"a","le":%q},`, metric, le)
	step := scrape.Seconds()
	last := math.Floor(to/step) * step
	pair := func(at float64) string { return fmt.Sprintf(`[%.3f,"%.0f"]`, at, math.Floor(rate*(at-begin))) }
	if newest {
		return b.String() + `"value":` + pair(last) + "}"
	}
	b.WriteString(`"values":[`)
	for at := math.Floor(from/step)*step + step; at <= last; at += step {
		if !strings.HasSuffix(b.String(), "[") {
			b.WriteByte(',')
		}
		b.WriteString(pair(at))
	}
	return b.String() + "]}"
}
