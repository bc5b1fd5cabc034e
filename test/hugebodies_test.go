// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	hugeBody = 100 << 20
	// hugeGrowth is how much more memory the gateway may have while huge bodies
	// pass than with small ones, in bytes.
	hugeGrowth = 16 << 20
)

// newStore is a model server that takes huge bodies and gives the same one, and
// the hash of what it has.
func newStore(t *testing.T) (url, file, hash string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8([32]byte{1}), hugeBody); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if _, err := io.Copy(sum, r.Body); err != nil {
			return // The gateway broke off: the client says so.
		}
		w.Header().Set("X-Got", hex.EncodeToString(sum.Sum(nil)))
		if r.URL.Path != "/huge" {
			return
		}
		f, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = f.Close() }()
		if r.URL.RawQuery == "length" {
			w.Header().Set("Content-Length", fmt.Sprint(hugeBody))
		}
		_, _ = io.Copy(struct{ io.Writer }{w}, f) // The client says if it did not get it.
	}))
	t.Cleanup(s.Close)
	return s.URL, file, hex.EncodeToString(sum.Sum(nil))
}

// TestHugeBodies sends bodies of 100 MB through headgate-gateway, up, down and
// both, all at the same time, and watches the memory of its process.
func TestHugeBodies(t *testing.T) {
	store, file, hash := newStore(t)
	nothing := sha256.Sum256(nil)
	for engine := range engines {
		c := &curl{t: t, program: program(t, "curl"), gateway: newGatewayProcess(t)}
		r := rankers(store)
		r.Slots = experiment.SlotsOf(experiment.Baseline(1))
		c.gateway.serve(r)
		for range 50 {
			c.ask(engine, "/", "-H", "X-User-Id: anna", "--data-binary", "small")
		}
		t.Run(engine, func(t *testing.T) {
			c.t = t
			before, _ := c.gateway.resident()
			c.gateway.forgetPeak()
			var all sync.WaitGroup
			for name, tc := range map[string]struct {
				path  string
				stdin bool
				args  []string
				got   string
				gives bool
			}{
				"up":                     {"/up", false, []string{"-T", file}, hash, false},
				"up, of unknown length":  {"/up", true, []string{"-T", "-"}, hash, false},
				"down":                   {"/huge?length", false, nil, hex.EncodeToString(nothing[:]), true},
				"down, in chunks":        {"/huge", false, nil, hex.EncodeToString(nothing[:]), true},
				"up and then down again": {"/huge", false, []string{"-T", file, "-H", "Expect:"}, hash, true},
			} {
				all.Go(func() {
					got, body, err := c.stream(engine, tc.path, file, tc.stdin, tc.args...)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					want := hex.EncodeToString(nothing[:])
					if tc.gives {
						want = hash
					}
					if got != tc.got || body != want {
						t.Errorf("%s: the model got %s and the client %s, want %s and %s", name, got, body, tc.got, want)
					}
				})
			}
			all.Wait()
			_, peak := c.gateway.resident()
			t.Logf("engine %s: %.1f MiB resident, at most %.1f MiB while five bodies of 100 MB passed", engine, float64(before)/(1<<20), float64(peak)/(1<<20))
			if peak-before > hugeGrowth {
				t.Errorf("it grew by %d KiB, want at most %d", (peak-before)>>10, hugeGrowth>>10)
			}
		})
	}
}

// stream has curl send a request whose bodies nobody keeps: it gives the hash
// of what the model got and of what the client got.
func (c *curl) stream(engine, path, file string, stdin bool, more ...string) (got, body string, err error) {
	head := filepath.Join(c.t.TempDir(), "head")
	args := append([]string{"--silent", "--show-error", "--fail", "--max-time", "300", engines[engine], "-D", head, "-H", "X-User-Id: anna"}, more...)
	cmd := exec.CommandContext(c.t.Context(), c.program, append(args, "http://"+c.gateway.traffic+path)...)
	sum := sha256.New()
	var told bytes.Buffer
	cmd.Stdout, cmd.Stderr = sum, &told
	if stdin {
		f, err := os.Open(file)
		if err != nil {
			return "", "", err
		}
		defer func() { _ = f.Close() }()
		cmd.Stdin = struct{ io.Reader }{f} // A pipe: nobody can tell its length.
	}
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("%w: %s", err, told.String())
	}
	text, err := os.ReadFile(head)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "X-Got") {
			got = strings.TrimSpace(value)
		}
	}
	return got, hex.EncodeToString(sum.Sum(nil)), nil
}
