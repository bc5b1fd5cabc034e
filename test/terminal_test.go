// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// openTerminal makes a pseudo-terminal of 100 by 40: what the program sees and
// what the person sees.
func openTerminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	var n, unlock int32
	size := struct{ rows, columns, x, y uint16 }{40, 100, 0, 0}
	for request, arg := range map[uintptr]unsafe.Pointer{
		syscall.TIOCGPTN: unsafe.Pointer(&n), syscall.TIOCSPTLCK: unsafe.Pointer(&unlock), syscall.TIOCSWINSZ: unsafe.Pointer(&size),
	} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(arg)); errno != 0 {
			t.Fatalf("ioctl %x: %v", request, errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return program, person
}

// shown collects what the person sees.
type shown struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shown) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits for a text on the screen.
func (s *shown) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q was never shown:\n%q", text, s.String())
		}
	}
}

// onTerminal starts a command on a terminal.
func onTerminal(t *testing.T, cmd *exec.Cmd) (*shown, *os.File) {
	t.Helper()
	program, person := openTerminal(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &shown{}
	go func() { _, _ = io.Copy(s, person) }() // Ends with the terminal.
	return s, person
}

// TestDemoOnATerminal wants a live view that is redrawn in place, in colour,
// and a report in its place at the end.
func TestDemoOnATerminal(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t), "demo", "--candidate", "failing")
	screen, _ := onTerminal(t, cmd)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, screen)
	}
	for _, want := range []string{"\x1b[2K", "A\x1b[J", "\x1b[1;31mROLLED BACK", "Because", "DECISIONS"} {
		screen.until(t, want)
	}
}

// TestWatchOnATerminal wants the other screen while it is live, q to quit, and
// the last frame on the normal screen.
func TestWatchOnATerminal(t *testing.T) {
	s := newSite(t)
	s.start()
	defer s.interrupt(2 * time.Second)
	s.ready()
	cmd := exec.CommandContext(t.Context(), s.binary, "watch", "--data", "d")
	cmd.Dir = s.dir
	screen, keyboard := onTerminal(t, cmd)
	const enter, leave = "\x1b[?1049h", "\x1b[?1049l"
	screen.until(t, enter)
	screen.until(t, "q quits")
	if _, err := keyboard.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%q", err, screen)
	}
	screen.until(t, leave)
	_, after, _ := strings.Cut(screen.String(), leave)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(after, "stage 1 of 2") && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, after, _ = strings.Cut(screen.String(), leave)
	}
	if !strings.Contains(after, "stage 1 of 2") {
		t.Errorf("the last frame is not on the normal screen: %q", after)
	}
}
