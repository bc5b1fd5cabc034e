// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/test/servers"
)

// TestSoakBoundariesAgainstHAProxy sends the same bytes through HAProxy and through
// the gateway to the same kind of model server, and compares the requests that
// arrive there. Where both let a request pass, it is the same one: method,
// target, body. Where one refuses, the gateway may be the stricter, and never
// lets more pass, but for what laxer lists. make soak sends twenty times as
// many inputs.
func TestSoakBoundariesAgainstHAProxy(t *testing.T) {
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("there is no haproxy to compare with: install the Debian package haproxy")
	}
	theirs := newRecorder(t)
	theirs.proxy = startHAProxy(t, haproxy, theirs.model)
	ours := newRecorder(t)
	a := newAlone(t, 5*time.Second)
	err = a.serve(experiment.Route{
		Experiment: "team/boundaries",
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Versions:   []experiment.Version{{Name: "v1", Backend: "http://" + ours.model}},
		Epoch:      1, Phase: 1, PhaseStart: time.Now(), Window: time.Minute,
		Slots: experiment.SlotsOf(experiment.Baseline(1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	a.serves()
	ours.proxy = a.traffic

	inputs := boundaryInputs(t)
	var same, stricter, both, known int
	for n, in := range inputs {
		h, g := theirs.sees(in, hasty), ours.sees(in, hasty)
		i := alike(h, g)
		if i < len(g) { // A busy machine may have kept HAProxy longer than it was waited for.
			h, g = theirs.sees(in, patient), ours.sees(in, patient)
			i = alike(h, g)
		}
		switch why := laxer(in); {
		case i == len(g) && i == len(h):
			same++
			both += i
		case i == len(g):
			stricter++
			both += i
		case why != "" && i == len(h): // A request that is another one is never excused.
			known++
		default:
			t.Errorf("input %d: %q\nHAProxy passes %q\nthe gateway    %q", n, in, h, g)
		}
	}
	t.Logf("%d inputs: the same from %d, the gateway stricter in %d, laxer for a known reason in %d; %d requests that both pass are the same", len(inputs), same, stricter, known, both)
	if both < len(inputs)/3 {
		t.Error("most inputs are refused, so little was compared")
	}
	a.ends()
}

// alike is how many requests are the same, from the first on.
func alike(a, b []string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// laxer is why an input may get further here than at HAProxy, or nothing.
func laxer(in string) string {
	for _, e := range []struct {
		why     string
		pattern *regexp.Regexp
	}{
		{"HAProxy checks the key of an offer of WebSocket; the gateway leaves that to the model server", regexp.MustCompile(`(?i)\nupgrade:[ \t]*websocket`)},
		{"HAProxy wants the host of a target in absolute form in Host, too; RFC 9112, section 3.2.2, has the target's count, and neither goes any further here", regexp.MustCompile(`[A-Z]+ http://`)},
		{"HAProxy wants no body in HTTP/1.0 with a method that has none by custom", regexp.MustCompile(`(GET|HEAD|DELETE) \S+ HTTP/1\.0`)},
		{"HAProxy refuses octets that are not ASCII in a target; they pass here as they are", regexp.MustCompile(`[A-Z]+ \S*[^\x00-\x7f]\S* HTTP/1`)},
		{"HAProxy refuses a trailer that would frame a message, if it is malformed; the gateway drops it, whatever it says", regexp.MustCompile(`(?is)transfer-encoding:.*\n0+(;[^\n]*)?\r\n([^\r\n]+\r\n)*(content-length|transfer-encoding|host):`)},
	} {
		if e.pattern.MatchString(in) {
			return e.why
		}
	}
	return ""
}

// startHAProxy gives the address of an HAProxy in front of a model server. It
// is configured as it comes, with the time-outs that it asks for.
func startHAProxy(t *testing.T, haproxy, model string) string {
	t.Helper()
	address := servers.FreeAddr(t)
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  timeout http-request 5s
frontend traffic
  bind %s
  default_backend model
backend model
  server model %s
`, address, model)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It was killed: the error says so.
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// recorder is a model server that writes down what arrives through a proxy.
type recorder struct {
	t            *testing.T
	model, proxy string
	fences       int

	mu       sync.Mutex
	under    int
	arrived  []string
	finished chan struct{}
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{t: t, finished: make(chan struct{}, 1)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.model = ln.Addr().String()
	s := &http.Server{Handler: r}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return r
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.under++
	r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.under--
	if err == nil { // Else the proxy broke off: nobody takes it for a request.
		r.arrived = append(r.arrived, fmt.Sprintf("%s %s %q", req.Method, originForm(req.RequestURI), body))
	}
	select {
	case r.finished <- struct{}{}:
	default:
	}
}

// originForm takes the host off a target: HAProxy passes it on, the gateway
// does not.
func originForm(target string) string {
	rest, ok := strings.CutPrefix(target, "http://")
	if !ok {
		return target
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// How long a proxy must be silent before a client that it has not answered in
// full ends its side: HAProxy drops the requests that it still holds then.
const (
	hasty   = 20 * time.Millisecond
	patient = time.Second
)

// theEnd is what follows each input: a request after which the connection ends.
// Where the boundaries are not what they seem, it shows.
const theEnd = "GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

// sees sends bytes to the proxy, waits until it has ended the connection, and
// gives the requests that arrived. A request after it, on a connection of its
// own, sees to it that nothing is still on its way.
func (r *recorder) sees(in string, silence time.Duration) []string {
	r.t.Helper()
	r.talk(in+theEnd, silence)
	r.fences++
	fence := fmt.Sprintf("/fence/%d", r.fences)
	r.talk("GET "+fence+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", patient)
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		i := slices.IndexFunc(r.arrived, func(s string) bool { return strings.HasPrefix(s, "GET "+fence+" ") })
		if i >= 0 && r.under == 0 {
			seen := slices.Delete(r.arrived, i, i+1)
			r.arrived = nil
			r.mu.Unlock()
			return seen
		}
		r.mu.Unlock()
		select {
		case <-r.finished:
		case <-deadline:
			r.t.Fatalf("%q: the request after it never arrived", in)
		}
	}
}

// talk sends bytes and reads until the other side has ended; it ends its own
// when nothing more comes.
func (r *recorder) talk(in string, silence time.Duration) {
	conn, err := net.Dial("tcp", r.proxy)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, in) // Whoever has refused may be gone.
	answer := make([]byte, 4096)
	for err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		_, err = conn.Read(answer)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	_ = conn.(*net.TCPConn).CloseWrite() // As above.
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, conn) // A reset ends it as well.
}

// corpusLine is a line of a Go fuzz corpus file.
var corpusLine = regexp.MustCompile(`(?m)^\[\]byte\((".*")\)$`)

// corpus reads what the parser's own fuzzing has kept.
func corpus(t *testing.T) (out []string) {
	t.Helper()
	files, err := filepath.Glob("../internal/gateway/h1/testdata/fuzz/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if m := corpusLine.FindStringSubmatch(lines.Text()); m != nil {
				if text, err := strconv.Unquote(m[1]); err == nil {
					out = append(out, text)
				}
			}
		}
		_ = f.Close() // It was read.
	}
	return out
}
