// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is what /proc counts processor time in; Linux has it so everywhere.
const tick = 10 * time.Millisecond

// family lists a process and all that came from it.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // The pattern is a good one.
	for _, name := range stats {
		if id, fields, err := readStat(name); err == nil {
			parent, _ := strconv.Atoi(fields[1]) // A number, says proc(5).
			children[parent] = append(children[parent], id)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// readStat gives the fields behind the name, from the state on: field 3 of
// proc(5) is the first.
func readStat(name string) (pid int, fields []string, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, nil, err
	}
	head, rest, ok := strings.Cut(string(text), " (")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return 0, nil, fmt.Errorf("%s is not as expected", name)
	}
	fields = strings.Fields(rest[end+2:])
	pid, err = strconv.Atoi(head)
	if err == nil && len(fields) < 20 {
		err = fmt.Errorf("%s is too short", name)
	}
	return pid, fields, err
}

// cpuOf is the processor time that a process and its children have used.
func cpuOf(pid int) time.Duration {
	var sum time.Duration
	for _, id := range family(pid) {
		_, fields, err := readStat(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			continue // It has ended.
		}
		for _, field := range fields[11:13] { // utime, stime
			ticks, _ := strconv.ParseInt(field, 10, 64)
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}

// rssOf is the resident memory of a process and its children, in bytes.
func rssOf(pid int) int64 {
	var sum int64
	for _, id := range family(pid) {
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", id))
		if err != nil {
			continue // As above.
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				sum += kb << 10
			}
		}
		_ = f.Close()
	}
	return sum
}

// house starts processes and ends them all.
type house struct {
	dir     string
	pin     bool // to processors, which needs taskset
	running []*exec.Cmd
}

// command prepares a program on a processor.
func (h *house) command(ctx context.Context, cpu int, name string, args ...string) *exec.Cmd {
	if h.pin {
		args = append([]string{"-c", strconv.Itoa(cpu), name}, args...)
		name = "taskset"
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "HOME="+h.dir, "XDG_CONFIG_HOME="+h.dir, "XDG_DATA_HOME="+h.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return cmd
}

// start starts a server and waits until it answers. What it says is in LABEL.log.
func (h *house) start(ctx context.Context, cpu int, label, address, name string, args ...string) (pid int, err error) {
	log, err := os.Create(filepath.Join(h.dir, label+".log"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	cmd := h.command(ctx, cpu, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	h.running = append(h.running, cmd)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return cmd.Process.Pid, conn.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			return 0, fmt.Errorf("%s does not listen on %s: %w\n%s", label, address, err, said)
		}
	}
}

// end ends everything that was started, by process id.
func (h *house) end() {
	for _, cmd := range h.running {
		pids := family(cmd.Process.Pid)
		_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended by itself.
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(2 * time.Second):
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			<-done
		}
	}
	h.running = nil
}

// freePort is an address on loopback that nobody listens on.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// have says which of the programs are not installed.
func have(names ...string) error {
	var errs []error
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
