// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wrkScript sends the requests of 500 units.
const wrkScript = `
wrk.method = "POST"
wrk.body = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}'
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  wrk.headers["X-User-Id"] = "user-" .. (n % 500)
  return wrk.format(nil, "/v2/models/ranker/infer")
end
`

var wrkRequests = regexp.MustCompile(`(\d+) requests in`)

// TestWrk has wrk ask gateways as fast as it can: every answer is a 2xx, and
// every request is counted.
func TestWrk(t *testing.T) {
	wrk := program(t, "wrk")
	const connections = 16
	r := rankers(newModel(t, "v1"), newModel(t, "v2"))
	r.Phase = 1
	script := write(t, "load.lua", wrkScript)
	fast, full := newGatewayProcess(t), newAlone(t, 30*time.Second, "-full")
	fast.serve(r)
	if err := full.serve(r); err != nil {
		t.Fatal(err)
	}
	full.serves()
	for engine, g := range map[string]struct {
		traffic string
		metrics func() series
	}{"fast": {fast.traffic, fast.metrics}, "full": {full.traffic, full.metrics}} {
		t.Run(engine, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), wrk, "-t1", "-c"+strconv.Itoa(connections), "-d2s", "--timeout", "30s", "-s", script, "http://"+g.traffic).CombinedOutput()
			if err != nil {
				t.Fatalf("wrk: %v\n%s", err, out)
			}
			m := wrkRequests.FindSubmatch(out)
			if m == nil || strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
				t.Fatalf("wrk says:\n%s", out)
			}
			answered, err := strconv.ParseFloat(string(m[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			// Its last answers may not be counted yet, and it leaves while its
			// last requests are under way.
			s := g.metrics()
			for deadline := time.Now().Add(time.Minute); s.counted() < answered && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				s = g.metrics()
			}
			if n := s.counted(); n < answered || n > answered+connections {
				t.Errorf("wrk has %v answers, the gateway counts %v requests", answered, n)
			}
			for _, version := range []string{"v1", "v2"} {
				if n := s.sum("headgate_gateway_requests_total", `"2xx"`, `"`+version+`"`); n < answered/3 {
					t.Errorf("%s answered %v of %v", version, n, answered)
				}
			}
			t.Logf("engine %s: %v requests in 2 s, %v counted", engine, answered, s.counted())
		})
	}
	full.ends()
}
