// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// asProgram makes the test binary be the program.
const asProgram = "HEADGATE_GATEWAY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestItLinksNoMoreThanItNeeds keeps the program lean: it runs beside every
// model. The metrics library links database/sql, but no driver.
func TestItLinksNoMoreThanItNeeds(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Fields(string(out))
	if len(list) < 50 {
		t.Fatalf("only %d packages: %v", len(list), list)
	}
	for _, pkg := range list {
		for _, heavy := range []string{
			"k8s.io/", "sigs.k8s.io/", "github.com/prometheus/prometheus", "modernc.org/", "github.com/jackc/",
			"github.com/spf13/cobra", "charm.land/", "testing",
		} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("it links %s", pkg)
			}
		}
	}
}

// said is what a program has said so far.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// program starts the program; it ends with the test at the latest.
func program(t *testing.T, args ...string) (*exec.Cmd, *said) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out := &said{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// patience is how long a test waits for what should happen at once.
const patience = time.Minute

func TestCommandLine(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"version":             {[]string{"--version"}, 0, "headgate-gateway dev\n"},
		"help":                {[]string{"--help"}, 0, "--snapshot FILE [flags]"},
		"a flag unknown":      {[]string{"--lisen", "x"}, 2, "-lisen"},
		"an argument":         {[]string{"snapshot.json"}, 2, "takes no arguments"},
		"an address unusable": {[]string{"--listen", "300.0.0.1:1", "--data", t.TempDir()}, 1, "hint: choose another port"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, out := program(t, tc.args...)
			_ = cmd.Run() // The code tells.
			if got := cmd.ProcessState.ExitCode(); got != tc.code || !strings.Contains(out.String(), tc.want) {
				t.Errorf("exit code %d, want %d; it says %q, want %q", got, tc.code, out, tc.want)
			}
		})
	}
}

// TestLife runs the program as Kubernetes would: it follows its file, is killed
// and serves the last snapshot again though the file is gone,
// and drains when it is told to end.
func TestLife(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-finish
		}
		_, _ = io.WriteString(w, r.Header.Get("X-Headgate-Version"))
	}))
	t.Cleanup(model.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "snapshot.json")
	publish := func(sequence, version int) {
		t.Helper()
		shares := make(experiment.Shares, 2)
		shares[version] = experiment.Whole
		text, err := json.Marshal(&experiment.Snapshot{Sequence: uint64(sequence), Routes: []experiment.Route{{
			Experiment: "team/models", Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
			Versions: []experiment.Version{{Name: "v1", Backend: model.URL}, {Name: "v2", Backend: model.URL}},
			Epoch:    1, Phase: sequence, PhaseStart: time.Now(), Window: time.Minute, Slots: experiment.SlotsOf(shares),
		}}})
		if err == nil {
			err = os.WriteFile(file+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--snapshot", file, "--data", filepath.Join(dir, "data")}

	publish(1, 0)
	cmd, out := program(t, args...)
	address, admin := begin(t, cmd, out)
	becomes(t, address, "v1", out)
	publish(2, 1)
	becomes(t, address, "v2", out)
	kept(t, admin, 2)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed: the error says so.

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	cmd, out = program(t, args...)
	address, _ = begin(t, cmd, out)
	becomes(t, address, "v2", out)

	answered := make(chan string, 1)
	go func() { answered <- ask(address, "/slow") }()
	<-begun
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still takes connections")
		}
	}
	close(finish)
	if got := <-answered; got != "v2" {
		t.Errorf("the request under way was answered %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, out)
	}
}

// serving is how the program says where it listens.
var serving = regexp.MustCompile(`msg=serving traffic=http://(\S+) admin=http://(\S+)`)

// begin starts a program and gives the addresses of its traffic and its admin,
// which it has chosen itself: nobody else can take them before it does.
func begin(t *testing.T, cmd *exec.Cmd, out *said) (address, admin string) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // It has ended, if all is well.
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if m := serving.FindStringSubmatch(out.String()); m != nil {
			return m[1], m[2]
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not say where it listens:\n%s", out)
		}
	}
}

// ask gives what a unit is answered, or what went wrong.
func ask(address, path string) string {
	req, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-User-Id", "anna")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.Status, err)
	}
	return string(body)
}

// kept waits until the snapshot would outlive the program.
func kept(t *testing.T, admin string, sequence uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var state struct {
			Sequence uint64
			Saved    bool
		}
		text := ask(admin, "/v1/snapshot")
		if json.Unmarshal([]byte(text), &state) == nil && state.Sequence == sequence && state.Saved {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("snapshot %d is not kept: %s", sequence, text)
		}
	}
}

// becomes asks until the answer is what it should become.
func becomes(t *testing.T, address, want string, out *said) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got := ask(address, "/")
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it answers %q, want %q\n%s", got, want, out)
		}
	}
}
