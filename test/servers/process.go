// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	startLimit = 2 * time.Minute  // a server that does not answer by then is broken
	stopLimit  = 20 * time.Second // one that has not ended by then is killed
	pauseLimit = 30 * time.Second // and one that does not stand still by then is broken
	pollEvery  = 10 * time.Millisecond
)

// wanted skips a test that nobody asked for.
func wanted(tb testing.TB) {
	tb.Helper()
	if os.Getenv("HEADGATE_E2E") != "1" {
		tb.Skip("runs real servers; set HEADGATE_E2E=1")
	}
	if os.Getenv("HEADGATE_SERVERS") == "none" {
		tb.Skip("the real servers could not be built here")
	}
}

// process is a running server.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *tail
	ended chan struct{}
	err   error // how it ended; to be read after ended
}

// start starts a server that dies with the test program.
func start(name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// run starts a program for the length of a test and waits until it is ready.
func run(tb testing.TB, name string, cmd *exec.Cmd, ready func(context.Context) error) *process {
	tb.Helper()
	p, err := start(name, cmd)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.tell(tb)
		p.stop()
	})
	if err := p.await(tb.Context(), ready); err != nil {
		tb.Fatal(err)
	}
	return p
}

// await waits until the server is ready.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	go func() {
		select {
		case <-p.ended:
			lost(fmt.Errorf("it ended: %w", endErr(p.err)))
		case <-ctx.Done():
		}
	}()
	if err := poll(ctx, pollEvery, ready); err != nil {
		return fmt.Errorf("wait for %s: %w\n%s", p.name, err, p.log.last(8<<10))
	}
	return nil
}

// endErr words an end without an error.
func endErr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// stop has the server end, also one that is stopped by a signal, and kills it
// when it takes too long.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		p.kill()
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// signal sends a signal to the process, and to no other that took its number.
func (p *process) signal(sig os.Signal) {
	_ = p.cmd.Process.Signal(sig) // An error says that it has ended.
}

// pause has the process stand still, and waits until all of its threads do: one
// that waits for a processor takes its signal when it gets one, and meanwhile
// the others may go on.
func (p *process) pause() error {
	p.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(pauseLimit); ; time.Sleep(time.Millisecond) {
		var is unix.Siginfo
		// WNOWAIT leaves what there is to be told to whoever waits for its end.
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, &is, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case err == nil && is.Signo != 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("pause %s: %w", p.name, err)
		case time.Now().After(deadline):
			return fmt.Errorf("pause %s: it goes on after %v", p.name, pauseLimit)
		}
	}
}

// tell logs the end of what the server wrote until now if the test failed.
func (p *process) tell(tb testing.TB) {
	if tb.Failed() {
		tb.Logf("%s wrote at the end:\n%s", p.name, p.log.last(4<<10))
	}
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 64 << 10

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if over := len(t.text) - tailBytes; over > tailBytes { // Seldom, so that little is copied.
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(text), nil
}

func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-n):])
}

// poll calls try until it succeeds or ctx ends, and then says what try said
// last. One call has five seconds.
func poll(ctx context.Context, every time.Duration, try func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := try(one)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// answers says whether a GET of the URL is answered with 200.
func answers(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, res.Status)
	}
	return nil
}
