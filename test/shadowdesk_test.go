// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/test/servers"
)

// desk is a help desk's two models, and a run that stands in front of them.
type desk struct {
	t      *testing.T
	site   *site
	v1, v2 string // base URLs
	bodies [][]byte
	wants  []string // v1's own answers
	sent   atomic.Int64
}

var deskLine = regexp.MustCompile(`^(v[12]) (http://\S+)` + ticketsPath + `$`)

// newDesk builds the programs, starts the models, and asks v1 for its answers.
func newDesk(t *testing.T) *desk {
	t.Helper()
	s := &site{t: t, binary: build(t), dir: t.TempDir(), traffic: servers.FreeAddr(t), api: servers.FreeAddr(t)}
	s.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	d := &desk{t: t, site: s}
	program := filepath.Join(s.dir, "shadow")
	made := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/shadow")
	made.Dir = ".." // It belongs to the product's module.
	made.Env = append(made.Environ(), "CGO_ENABLED=0")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	lines, err := exec.CommandContext(t.Context(), program, "-requests", fmt.Sprint(shadowTickets)).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(lines) {
		d.bodies = append(d.bodies, bytes.TrimSpace(line))
	}
	d.models(program)
	for _, body := range d.bodies {
		answer, err := d.predict(d.v1, body)
		if err != nil {
			t.Fatal(err)
		}
		d.wants = append(d.wants, answer)
	}
	return d
}

// models starts both models; they end with the test.
func (d *desk) models(program string) {
	d.t.Helper()
	cmd := exec.Command(program, "-v1", "127.0.0.1:0", "-v2", "127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // It was killed: the error says so.
	})
	lines := bufio.NewScanner(out)
	for (d.v1 == "" || d.v2 == "") && lines.Scan() {
		switch m := deskLine.FindStringSubmatch(lines.Text()); {
		case m == nil:
			d.t.Fatalf("the models say %q", lines.Text())
		case m[1] == "v1":
			d.v1 = m[2]
		default:
			d.v2 = m[2]
		}
	}
	if d.v1 == "" || d.v2 == "" {
		d.t.Fatalf("the models do not say where they are: %v", lines.Err())
	}
}

// predict asks for a prediction, and gives the answer if it is one.
func (d *desk) predict(base string, body []byte) (string, error) {
	res, err := d.site.client.Post(base+ticketsPath, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s: %s", res.Status, answer)
	}
	return string(answer), err
}

// declare writes the experiment, with some texts replaced.
func (s *site) declare(text string, replace ...string) {
	s.t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			s.t.Fatalf("the experiment does not say %q", replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	if err := os.WriteFile(filepath.Join(s.dir, "experiment.yaml"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// deskView is what is read of a view.
type deskView struct {
	Condition string `json:"condition"`
	Verdict   struct {
		Outcome, Version, Code, Sentence string
	} `json:"verdict"`
	Versions []struct {
		Name     string
		Share    float64
		Requests int64
	} `json:"versions"`
	Findings []struct {
		Version, Role, Metric, Slice, Status string
		Estimate                             float64
		N                                    int64
	} `json:"findings"`
	Agreements []struct {
		Classes []string
		Counts  [][]int64
		Pairs   int64
	} `json:"agreements"`
}

func (d *desk) view() (v deskView) {
	d.t.Helper()
	if err := d.site.get("/v1/experiment", &v); err != nil {
		d.t.Fatalf("%v\n%s", err, d.site.out.String())
	}
	return v
}

func (s *site) get(path string, v any) error {
	res, err := s.client.Get("http://" + s.api + path)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(v)
}

// serves waits until the run answers.
func (d *desk) serves() {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var v deskView
		err := d.site.get("/v1/experiment", &v)
		if err == nil && v.Condition == "running" {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("not ready: %+v, %v\n%s", v, err, d.site.out.String())
		}
	}
}

// askUntil asks for predictions as users do until it is enough, then for some
// more. Every answer must be what v1 says.
func (d *desk) askUntil(atMost time.Duration, enough func() bool) {
	d.t.Helper()
	var done atomic.Bool
	var users sync.WaitGroup
	var next atomic.Int64
	for range shadowAskers {
		users.Go(func() {
			for !done.Load() && !d.t.Failed() {
				d.ask(int(next.Add(1)))
			}
		})
	}
	for deadline := time.Now().Add(atMost); !d.t.Failed() && !enough(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Errorf("after %s it is not enough:\n%s", atMost, d.site.out.String())
		}
	}
	done.Store(true)
	users.Wait()
	for range 200 {
		d.ask(int(next.Add(1)))
	}
	if d.t.Failed() {
		d.t.FailNow()
	}
}

// ask asks the n-th question.
func (d *desk) ask(n int) {
	n %= len(d.bodies)
	answer, err := d.predict("http://"+d.site.traffic, d.bodies[n])
	d.sent.Add(1)
	if err != nil || answer != d.wants[n] {
		d.t.Errorf("%s: answered %q, %v, want %q", d.bodies[n], answer, err, d.wants[n])
	}
}

// scrape reads the run's metrics.
func (s *site) scrape() series {
	s.t.Helper()
	return scrape(s.t, s.client, s.api)
}

// settles waits until every copy has come to its end, and every pair is stored
// or counted as left out: too many to compare, or too late for its window. (On a
// machine that has time for it, there are none.)
func (d *desk) settles() {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		m := d.site.scrape()
		sent, pairs := copiesSent(m), m.sum("headgate_gateway_pairs_total")
		stored, out := m.sum("headgate_ledger_pairs_total"), leftOut(m)
		if pairs > 0 && pairs == sent && stored+out == sent {
			d.t.Logf("%v requests to copy, %v copies sent, %v pairs stored, %v left out", m.sum("headgate_gateway_copies_total"), sent, stored, out)
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%v copies were sent; there are %v pairs, %v stored, %v left out", sent, pairs, stored, out)
		}
	}
}

// leftOut are the pairs that the ledger is not to have.
func leftOut(m series) float64 {
	return m.sum("headgate_gateway_pairs_total", `"dropped"`) + m.sum("headgate_gateway_pairs_total", `"untaken"`) + m.sum("headgate_ledger_pairs_late_total")
}

// copiesSent are the copies that a candidate answered or failed.
func copiesSent(m series) (n float64) {
	for _, result := range []string{"answered", "failed", "timeout", "flooded"} {
		n += m.sum("headgate_gateway_copies_total", `result="`+result+`"`)
	}
	return n
}

// rows wants the ledger's file to have a row for each copy that was sent, by
// whether it failed, but for the pairs that were left out. The run has ended.
func (d *desk) rows(m series) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(d.site.dir, "d", shadowFiles, "ledger.db")+"?mode=ro")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var n, failed, ids float64
	row := db.QueryRowContext(d.t.Context(), `SELECT count(*), sum(failed), count(DISTINCT id) FROM pairs`)
	if err := row.Scan(&n, &failed, &ids); err != nil {
		d.t.Fatal(err)
	}
	sent, out := copiesSent(m), leftOut(m)
	unanswered := sent - m.sum("headgate_gateway_copies_total", `result="answered"`)
	if n != sent-out || ids != n || failed > unanswered || out == 0 && failed != unanswered {
		d.t.Errorf("the ledger has %v pairs of %v requests, %v of them failed; %v copies were sent, %v not answered, %v left out", n, ids, failed, sent, unanswered, out)
	}
}

// replays wants the journal to give the same decisions again.
func (d *desk) replays() {
	run := func(args ...string) []byte {
		cmd := exec.CommandContext(d.t.Context(), d.site.binary, args...)
		cmd.Dir = d.site.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			d.t.Fatalf("headgate %v: %v\n%s", args, err, out)
		}
		return out
	}
	journal := write(d.t, "journal.ndjson", string(run("export", shadowID, "--data", "d")))
	d.t.Logf("%s", bytes.TrimSpace(run("replay", journal)))
}
