// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProgramsArePinnedByTheirModules(t *testing.T) {
	keys := make(map[string]string)
	for _, p := range programs() {
		dir, err := moduleDir(t.Context(), p.module)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), p.path+"\n") {
			t.Errorf("%s/go.mod does not name the tool %s", p.module, p.path)
		}
		key, err := p.key(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := keys[key]; ok {
			t.Errorf("%s and %s have the same key", p.name, other)
		}
		keys[key] = p.name
	}
	dir, err := moduleDir(t.Context(), "apiserver")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\tk8s.io/kubernetes "+kubernetesVersion+" ") {
		t.Errorf("apiserver/go.mod requires another version than %s, which the API server says it is", kubernetesVersion)
	}
}

func TestKeyChangesWithWhatIsBuilt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(p program) string {
		t.Helper()
		key, err := p.key(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	write("go.mod", "module m\n\ngo 1.26.0\n")
	write("go.sum", "")
	p := program{"a", "m", "m/a", ""}
	first := key(p)
	if again := key(p); again != first {
		t.Errorf("the same has keys %s and %s", first, again)
	}
	if flags := key(program{"a", "m", "m/a", "-X a=b"}); flags == first {
		t.Error("other flags have the same key")
	}
	write("go.sum", "a v1.0.0 h1:x\n")
	if sums := key(p); sums == first {
		t.Error("other sums have the same key")
	}
}

func TestGivenProgramIsTaken(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HEADGATE_TEST_BIN", dir)
	file := filepath.Join(dir, "etcd")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Binary(t.Context(), "etcd"); got != file || err != nil {
		t.Errorf("it is %s, %v, want %s", got, err, file)
	}
	if _, err := Binary(t.Context(), "nothing"); err == nil || !strings.Contains(err.Error(), "there are etcd, kube-apiserver") {
		t.Errorf("an unknown program is %v", err)
	}
}

func TestLockLetsOneBuild(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("a second lock says %v", err)
	}
	unlock()
	second, err := lock(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	second()
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	line := strings.Repeat("x", 999) + "\n"
	for range 1000 {
		if n, err := log.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = log.Write([]byte("the end"))
	if got := log.last(10); got != "xx\nthe end" {
		t.Errorf("it ends with %q", got)
	}
	if len(log.text) > 3*tailBytes {
		t.Errorf("it keeps %d bytes", len(log.text))
	}
}
