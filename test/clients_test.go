// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/test/servers"
)

// engines are the gateway's engines, by what has curl speak to each: HTTP/1.1
// is served by fast, HTTP/2 by full.
var engines = map[string]string{"fast": "--http1.1", "full": "--http2-prior-knowledge"}

// curl is the client curl, in front of a gateway.
type curl struct {
	t       *testing.T
	program string
	gateway *gatewayProcess
	// sent counts the requests.
	sent atomic.Int64
}

// curled is what curl printed.
type curled struct {
	status int
	header http.Header
	body   string
}

// ask has curl send a request by an engine; more are curl's own arguments.
func (c *curl) ask(engine, path string, more ...string) curled {
	c.t.Helper()
	c.sent.Add(1)
	args := append([]string{"--silent", "--show-error", "--include", "--max-time", "60", "--path-as-is", engines[engine]}, more...)
	cmd := exec.CommandContext(c.t.Context(), c.program, append(args, "http://"+c.gateway.traffic+path)...)
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("curl %s %s: %v: %s", more, path, err, told.String())
	}
	return c.read(engine, out)
}

// read takes apart what curl printed: heads, of which the last is the answer's,
// and the body.
func (c *curl) read(engine string, out []byte) (a curled) {
	c.t.Helper()
	proto := map[string]string{"fast": "HTTP/1.1 ", "full": "HTTP/2 "}[engine]
	for a.status < 200 {
		line, _, ok := bytes.Cut(out, []byte("\r\n"))
		if _, err := fmt.Sscanf(string(line), proto+"%d", &a.status); err != nil || !ok {
			c.t.Fatalf("engine %s answered %q, want %s: %v", engine, line, proto, err)
		}
		head, body, _ := bytes.Cut(out, []byte("\r\n\r\n"))
		_, fields, _ := bytes.Cut(head, []byte("\r\n"))
		h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(fields), "\r\n\r\n"...)))).ReadMIMEHeader()
		if err != nil {
			c.t.Fatalf("%q: %v", head, err)
		}
		a.header, out = http.Header(h), body
	}
	a.body = string(out)
	return a
}

// predict asks in the words of a protocol.
func (c *curl) predict(engine string, p protocol, more ...string) curled {
	c.t.Helper()
	return c.ask(engine, p.path, append([]string{"-X", p.method, "--data-binary", p.body}, more...)...)
}

// by says what is wrong with a prediction that a version should have made.
func (a curled) by(p protocol, version string) error {
	sum := sha256.Sum256([]byte(p.body))
	for _, want := range []struct{ what, got, want string }{
		{"status", fmt.Sprint(a.status), "200"},
		{"the model that answered", a.header.Get("X-Model"), version},
		{"the version named", a.header.Get("X-Headgate-Version"), version},
		{"what the model was told", a.header.Get("X-Asked-As"), "shop/ranker/" + version},
		{"the content type", a.header.Get("Content-Type"), p.kind},
		{"the path asked for", a.header.Get("X-Asked-Path"), p.path},
		{"the body's hash", a.header.Get("X-Asked-Body"), hex.EncodeToString(sum[:])},
	} {
		if want.got != want.want {
			return fmt.Errorf("%s is %q, want %q: %+v", want.what, want.got, want.want, a)
		}
	}
	if says := fmt.Sprintf(p.says, version); !strings.Contains(a.body, says) {
		return fmt.Errorf("it says %q, want %q in it", a.body, says)
	}
	return nil
}

// exposed says whether the answer has an exposure's token.
func (a curled) exposed() bool { return len(a.header.Get("X-Headgate-Exposure")) == 64 }

// rankers is an experiment of two models, with half of the units each.
func rankers(backends ...string) experiment.Route {
	r := experiment.Route{
		Experiment: "shop/ranker", Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Epoch: 1, PhaseStart: time.Now(), Window: time.Minute, Slots: experiment.SlotsOf(experiment.Shares{5000, 5000}),
	}
	for i, b := range backends {
		r.Versions = append(r.Versions, experiment.Version{Name: fmt.Sprintf("v%d", i+1), Backend: b})
	}
	return r
}

// feature is what a gateway does for a protocol, whichever it is.
type feature struct {
	route func(r *experiment.Route)
	check func(t *testing.T, c *curl, engine string, p protocol)
}

// features are by name.
func features(dead string) map[string]feature {
	candidate := func(r *experiment.Route) { r.Slots = experiment.SlotsOf(experiment.Shares{0, experiment.Whole}) }
	return map[string]feature{
		"a unit keeps its version":         {func(*experiment.Route) {}, checkSticky},
		"a cookie is issued once":          {func(r *experiment.Route) { r.Assignment.Unit = experiment.Unit{Cookie: "uid"} }, checkCookie},
		"testers and bots are no units":    {func(r *experiment.Route) { setPicks(&r.Assignment) }, checkPicks},
		"who has no unit is refused":       {func(r *experiment.Route) { r.Assignment.RejectMissing = true }, checkRejected},
		"versions have names of their own": {func(r *experiment.Route) { candidate(r); r.Versions[1].Model = "ranker-2" }, checkRenamed},
		"the baseline answers for a dead candidate": {func(r *experiment.Route) {
			candidate(r)
			r.Versions[1].Backend = dead
		}, checkFallback},
		"bodies come as clients like to send them": {candidate, checkUploads},
		"feedback goes back to who predicted":      {func(*experiment.Route) {}, checkFeedback},
	}
}

// TestProtocolsByFeatures asks headgate-gateway with curl: each feature, in each
// protocol, by each engine. In the end every request is counted once.
func TestProtocolsByFeatures(t *testing.T) {
	c := &curl{t: t, program: program(t, "curl"), gateway: newGatewayProcess(t)}
	one, two := newModel(t, "v1"), newModel(t, "v2")
	all := features("http://" + servers.FreeAddr(t))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := rankers(one, two)
		all[name].route(&r)
		c.gateway.serve(r)
		for _, engine := range slices.Sorted(maps.Keys(engines)) {
			for _, p := range protocols() {
				t.Run(name+"/"+engine+"/"+p.name, func(t *testing.T) {
					c.t = t
					all[name].check(t, c, engine, p)
				})
			}
		}
	}
	c.gateway.settle(float64(c.sent.Load()))
	t.Logf("%d requests by curl", c.sent.Load())
}

func checkSticky(t *testing.T, c *curl, engine string, p protocol) {
	other := map[string]string{"fast": "full", "full": "fast"}[engine]
	seen := map[string]bool{}
	for i := 0; i < 20 && len(seen) < 2; i++ {
		unit := fmt.Sprintf("X-User-Id: user-%d", i)
		first := c.predict(engine, p, "-H", unit)
		version := first.header.Get("X-Model")
		for _, a := range []curled{first, c.predict(engine, p, "-H", unit), c.predict(other, p, "-H", unit)} {
			if err := a.by(p, version); err != nil {
				t.Error(err)
			}
			if !a.exposed() {
				t.Errorf("no exposure: %v", a.header)
			}
		}
		seen[version] = true
	}
	if !seen["v1"] || !seen["v2"] {
		t.Errorf("20 units met %v, want both versions", seen)
	}
}

func checkCookie(t *testing.T, c *curl, engine string, p protocol) {
	jar := filepath.Join(t.TempDir(), "jar")
	first := c.predict(engine, p, "--cookie-jar", jar)
	version := first.header.Get("X-Model")
	if err := first.by(p, version); err != nil {
		t.Error(err)
	}
	set := first.header.Values("Set-Cookie")
	if len(set) != 1 || !strings.HasPrefix(set[0], "uid=") || strings.Contains(set[0], version) || !strings.Contains(set[0], "HttpOnly") {
		t.Errorf("Set-Cookie is %q, want one of the unit, not of the version", set)
	}
	for range 3 {
		a := c.predict(engine, p, "--cookie", jar, "--cookie-jar", jar)
		if err := a.by(p, version); err != nil {
			t.Error(err)
		}
		if set := a.header.Values("Set-Cookie"); len(set) > 0 || !a.exposed() {
			t.Errorf("Set-Cookie is %q again, exposed %t", set, a.exposed())
		}
	}
}

func setPicks(a *experiment.Assignment) {
	a.Overrides = []experiment.Override{{Header: "x-api-version", Value: "blue", Version: 1}}
	a.Exclude = []experiment.Exclusion{{Header: "user-agent", Contains: []string{"bot"}}}
}

func checkPicks(t *testing.T, c *curl, engine string, p protocol) {
	for i := range 6 {
		unit := fmt.Sprintf("X-User-Id: user-%d", i)
		tester, bot := c.predict(engine, p, "-H", unit, "-H", "x-api-version: blue"), c.predict(engine, p, "-H", unit, "-A", "Search-Bot/2")
		if err := tester.by(p, "v2"); err != nil || tester.exposed() {
			t.Errorf("a tester: exposed %t, %v", tester.exposed(), err)
		}
		if err := bot.by(p, "v1"); err != nil || bot.exposed() {
			t.Errorf("a bot: exposed %t, %v", bot.exposed(), err)
		}
	}
}

func checkRejected(t *testing.T, c *curl, engine string, p protocol) {
	a := c.predict(engine, p)
	if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"code":"invalid"`) || a.header.Get("X-Model") != "" {
		t.Errorf("without a unit: %+v, want 400 by the gateway", a)
	}
	if a := c.predict(engine, p, "-H", "X-User-Id: anna"); a.by(p, a.header.Get("X-Model")) != nil {
		t.Errorf("with a unit: %+v", a)
	}
}

func checkRenamed(t *testing.T, c *curl, engine string, p protocol) {
	a := c.predict(engine, p, "-H", "X-User-Id: anna")
	asked := p
	if p.asPath != "" {
		asked.path = p.asPath
	}
	if p.asBody != "" {
		asked.body = p.asBody
	}
	if err := a.by(asked, "v2"); err != nil {
		t.Error(err)
	}
}

func checkFallback(t *testing.T, c *curl, engine string, p protocol) {
	for range 3 {
		a := c.predict(engine, p, "-H", "X-User-Id: anna")
		if err := a.by(p, "v1"); err != nil || !a.exposed() {
			t.Errorf("exposed %t, %v", a.exposed(), err)
		}
	}
}

func checkUploads(t *testing.T, c *curl, engine string, p protocol) {
	long := p
	long.body += strings.Repeat(" ", 300<<10) // White space, in JSON as in text.
	file := write(t, "body", long.body)
	ways := map[string][]string{
		"with its length":   {"--data-binary", "@" + file},
		"after 100 is said": {"--data-binary", "@" + file, "-H", "Expect: 100-continue"},
	}
	if engine == "fast" { // HTTP/2 has no chunks.
		ways["in chunks"] = []string{"--data-binary", "@" + file, "-H", "Transfer-Encoding: chunked"}
		ways["in chunks after 100 is said"] = append(ways["in chunks"], "-H", "Expect: 100-continue")
	}
	for name, args := range ways {
		a := c.ask(engine, p.path, append([]string{"-X", p.method, "-H", "X-User-Id: anna"}, args...)...)
		if err := a.by(long, "v2"); err != nil {
			t.Errorf("%s: %.500s", name, err)
		}
	}
}

// checkFeedback sends feedback to where a protocol has it.
func checkFeedback(t *testing.T, c *curl, engine string, p protocol) {
	if p.name != "Seldon v1" {
		t.Skip("only Seldon's protocol has feedback")
	}
	feed := strings.TrimSuffix(p.path, "predictions") + "feedback"
	seen := map[string]bool{}
	for i := range 12 {
		puid := fmt.Sprintf("%s-%d", engine, i)
		a := c.predict(engine, p, "-H", fmt.Sprintf("X-User-Id: user-%d", i), "-H", "Seldon-Puid: "+puid)
		version := a.header.Get("X-Model")
		if err := a.by(p, version); err != nil {
			t.Error(err)
		}
		if want := `"meta":{"puid":"` + puid + `","tags":{"a":1.50},"metrics":[{"key":"m","type":"GAUGE","value":1e0}],"requestPath":`; !strings.Contains(a.body, want) {
			t.Errorf("the answer is %s, want in it %s", a.body, want)
		}
		seen[version] = true
		for what, about := range map[string]string{
			"the answer":   `{"response":` + a.body + `,"reward":1}`,
			"the id":       `{"response":{"meta":{"puid":"` + puid + `"}},"reward":0.5}`,
			"the exposure": `{"response":{"meta":{"tags":{"headgate-exposure":"` + a.header.Get("X-Headgate-Exposure") + `"}}}}`,
		} {
			b := c.ask(engine, feed, "--data-binary", about)
			if got := b.header.Get("X-Model"); b.status != http.StatusOK || got != version || b.body != about || b.exposed() {
				t.Errorf("feedback with %s went to %q, the prediction to %q: %+v", what, got, version, b)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("only %v predicted", seen)
	}
}

// write writes a file of a test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
