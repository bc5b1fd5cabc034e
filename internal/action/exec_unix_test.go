// SPDX-License-Identifier: Apache-2.0

//go:build unix

package action

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestACommandIsKilledWithAllThatItStarted(t *testing.T) {
	needsShell(t)
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancelCause(t.Context())
	started := make(chan int)
	go func() {
		for { // The file is there as soon as the child's child is.
			text, _ := os.ReadFile(file)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				cancel(errCalledOff)
				started <- pid
				return
			}
		}
	}()
	a := shell(`sleep 60 & echo $! > "` + file + `.new"; mv "` + file + `.new" "` + file + `"; wait`)
	_, err := newRunner(t, Options{Laptop: true, AllowExec: true}).once(ctx, &job{task: task(0, a), try: 1})
	pid := <-started
	if err == nil || !strings.Contains(err.Error(), "did not end in time") {
		t.Error(err)
	}
	// It is gone soon, or waits for its new parent to notice; if nobody had killed
	// it, it would sleep on.
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// zombie says whether a process has ended and nobody asked how.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}
