// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// gatewayProcess is headgate-gateway as it is released, in a process of its own.
type gatewayProcess struct {
	t              *testing.T
	cmd            *exec.Cmd
	snapshot       string
	sequence       uint64
	traffic, admin string
	ended          chan struct{}
}

var servingLine = regexp.MustCompile(`msg=serving traffic=http://(\S+) admin=http://(\S+)`)

// newGatewayProcess builds and starts the program; it serves nothing yet.
func newGatewayProcess(t *testing.T) *gatewayProcess {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "headgate-gateway")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "./cmd/headgate-gateway")
	cmd.Dir = ".." // The program belongs to the product's module.
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := &gatewayProcess{t: t, snapshot: filepath.Join(dir, "snapshot.json"), ended: make(chan struct{})}
	p.cmd = exec.Command(binary, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--snapshot", p.snapshot)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := servingLine.FindStringSubmatch(lines.Text()); m != nil {
			p.traffic, p.admin = m[1], m[2]
			break
		}
	}
	if p.traffic == "" {
		t.Fatalf("it says nowhere where it serves: %v", lines.Err())
	}
	go func() {
		defer close(p.ended)
		_, _ = io.Copy(io.Discard, log) // Until the process ends.
	}()
	return p
}

// end has it drain and wants it to end well.
func (p *gatewayProcess) end() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("headgate-gateway: %v", err)
	}
}

// serve has it serve a route, and waits until it does. Each route is a phase of
// its own.
func (p *gatewayProcess) serve(r experiment.Route) {
	p.t.Helper()
	p.sequence++
	r.Phase = int(p.sequence)
	text, err := json.Marshal(experiment.Snapshot{Sequence: p.sequence, Routes: []experiment.Route{r}})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.snapshot+".new", text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(p.snapshot+".new", p.snapshot); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); p.metrics().sum("headgate_gateway_snapshot_sequence") != float64(p.sequence); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("snapshot %d is not served", p.sequence)
		}
	}
}

func (p *gatewayProcess) metrics() series {
	p.t.Helper()
	return scrape(p.t, http.DefaultClient, p.admin)
}

// scrape reads the metrics of a process at an address.
func scrape(t *testing.T, client *http.Client, address string) series {
	t.Helper()
	res, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	s, err := readSeries(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counted is how many requests it has counted, in all of its accounts.
func (s series) counted() (n float64) {
	for _, account := range []string{"requests", "client_aborts", "cut", "unassigned", "refused"} {
		n += s.sum("headgate_gateway_" + account + "_total")
	}
	return n
}

// settle waits until it has counted as many requests as were sent: a client has
// its answer a moment before.
func (p *gatewayProcess) settle(sent float64) {
	p.t.Helper()
	var n float64
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n = p.metrics().counted(); n == sent {
			return
		}
	}
	p.t.Errorf("%v requests were sent, %v are counted", sent, n)
}

// resident is what the process has in memory now and had at most since
// forgetPeak, in bytes.
func (p *gatewayProcess) resident() (now, peak int64) {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("this system does not say how much memory a process has: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			now = kib << 10
		case name == "VmHWM":
			peak = kib << 10
		}
	}
	return now, peak
}

// forgetPeak has the system measure the most that the process had anew.
func (p *gatewayProcess) forgetPeak() {
	p.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		p.t.Skipf("this system does not forget the most that a process had: %v", err)
	}
}

// program is the path of a program that a test needs, or the end of the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s to be a client: apt-get install %s", name, name)
	}
	return path
}
