// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// requestsOf are the requests of load.lua.
func requestsOf(address string) [][]byte {
	all := make([][]byte, 5000)
	for i := range all {
		all[i] = fmt.Appendf(nil, "POST /v1/models/m:predict HTTP/1.1\r\nHost: %s\r\nX-User-Id: user-%d\r\nContent-Type: application/octet-stream\r\nContent-Length: 200\r\n\r\n%s",
			address, i+1, strings.Repeat("x", 200))
	}
	return all
}

// pollFD is struct pollfd.
type pollFD struct {
	fd              int32
	events, revents int16
}

const pollIn = 1

// pacer sends requests at fixed moments, whether or not those before were
// answered, from one thread that waits for moments and answers at once. wrk
// cannot do so: it sends when it gets an answer.
type pacer struct {
	requests [][]byte
	fds      []pollFD
	free     []int       // connections that wait for nothing
	since    []time.Time // when what a connection waits for was due
	got      [][]byte    // what a connection has received of an answer
	buf      []byte
	took     []span
	waiting  []time.Time // moments for which no connection was free
	sent     int
}

// pace prints the 99th and 50th percentile of the time from a request's moment
// to its answer, in nanoseconds, how many requests were answered and how many of
// these count. One for which a connection is free is timed from when it is sent:
// that this thread was late is not the proxy's fault. Nor is it that a host takes
// processors away: what was under way meanwhile, or came while that was caught up
// with, does not count, if this process may have witnesses.
func pace(address string, rate float64, conns int, long time.Duration) error {
	debug.SetGCPercent(-1) // It would hold up requests, and witnesses hold it up.
	runtime.GOMAXPROCS(runtime.NumCPU() + mostWitnesses)
	runtime.LockOSThread()
	const setTimerSlack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1000, 0) // Without it, moments are less exact.
	p := &pacer{requests: requestsOf(address), since: make([]time.Time, conns), got: make([][]byte, conns), buf: make([]byte, 16<<10)}
	for i := range conns {
		fd, err := connect(address)
		if err != nil {
			return err
		}
		p.fds = append(p.fds, pollFD{fd: int32(fd), events: pollIn})
		p.free = append(p.free, i)
	}
	watching := witnesses()
	foremost(pacerPriority)
	err := p.run(time.Duration(float64(time.Second)/rate), long)
	var stalls []span
	for _, w := range watching {
		stalls = append(stalls, w.end()...)
	}
	if err != nil {
		return err
	}
	calm := undisturbed(p.took, stalls)
	at := func(q float64) int64 {
		if len(calm) == 0 {
			return 0
		}
		return int64(calm[int(q*float64(len(calm)-1))])
	}
	fmt.Println(at(.99), at(.5), len(p.took), len(calm))
	return nil
}

// undisturbed are the durations, in order, of what overlaps no stall.
func undisturbed(took, stalls []span) (calm []time.Duration) {
	for _, t := range took {
		if !slices.ContainsFunc(stalls, t.overlaps) {
			calm = append(calm, t.to.Sub(t.from))
		}
	}
	slices.Sort(calm)
	return calm
}

// connect gives the descriptor of a connection.
func connect(address string) (int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	return fd, os.NewSyscallError("connect", syscall.Connect(fd, &syscall.SockaddrInet4{Port: n, Addr: [4]byte(net.ParseIP(host).To4())}))
}

func (p *pacer) run(every, long time.Duration) error {
	due := time.Now()
	for end := due.Add(long); ; {
		now := time.Now()
		if now.After(end) {
			return nil
		}
		for ; !due.After(now); due = due.Add(every) {
			if len(p.free) == 0 {
				p.waiting = append(p.waiting, due)
			} else if err := p.send(now); err != nil {
				return err
			}
		}
		wait := due.Sub(now)
		if len(p.free) == 0 {
			wait = end.Sub(now) // Nothing can be sent before an answer comes.
		}
		if err := p.poll(wait); err != nil {
			return err
		}
	}
}

// send sends the next request on a free connection; its time runs from start.
func (p *pacer) send(start time.Time) error {
	c := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.since[c], p.got[c] = start, p.got[c][:0]
	p.sent++
	request := p.requests[p.sent%len(p.requests)]
	n, err := raw(syscall.SYS_WRITE, p.fds[c].fd, request)
	if err == nil && n < len(request) {
		err = io.ErrShortWrite
	}
	return err
}

// poll waits for answers, at most so long, and takes them.
func (p *pacer) poll(atMost time.Duration) error {
	if err := ppoll(p.fds, atMost); err != nil {
		return err
	}
	for c := range p.fds {
		if p.fds[c].revents == 0 {
			continue
		}
		n, err := raw(syscall.SYS_READ, p.fds[c].fd, p.buf)
		if err != nil || n == 0 {
			return fmt.Errorf("a connection ended: %w", cmp.Or(err, io.ErrUnexpectedEOF))
		}
		if len(p.got[c]) == 0 && !bytes.HasPrefix(p.buf[:n], []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("the proxy answers %.64q", p.buf[:n])
		}
		p.got[c] = append(p.got[c], p.buf[:n]...)
		if !answered(p.got[c]) {
			continue
		}
		p.took = append(p.took, span{p.since[c], time.Now()})
		p.free = append(p.free, c)
		if len(p.waiting) > 0 {
			start := p.waiting[0]
			p.waiting = p.waiting[1:]
			if err := p.send(start); err != nil {
				return err
			}
		}
	}
	return nil
}

// answered says whether the backends' whole answer is there.
func answered(b []byte) bool {
	_, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	return ok && len(body) >= answer
}

// idle opens connections, sends one request on each and says "idle"; they stay
// until standard input ends.
func idle(address string, conns int) error {
	p := &pacer{requests: requestsOf(address), since: make([]time.Time, conns), got: make([][]byte, conns), buf: make([]byte, 16<<10)}
	for i := range conns {
		fd, err := connect(address)
		if err != nil {
			return err
		}
		p.fds, p.free = append(p.fds, pollFD{fd: int32(fd), events: pollIn}), append(p.free, i)
		for err = p.send(time.Now()); err == nil && len(p.free) == 0; {
			err = p.poll(time.Second)
		}
		if err != nil {
			return err
		}
	}
	fmt.Println("idle")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
