// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

// echoer is a baseline that costs next to nothing and is late for nothing but the
// load: one thread answers requests with bodies of echoed bytes with the first of
// these.
type echoer struct {
	fds  []pollFD // the first listens
	got  [][]byte // what came of a request, by descriptor
	buf  []byte
	head []byte
}

// echoed is how long the bodies of requests to an echoer are.
const echoed = 200

// echo serves until standard input ends, and says where.
func echo() error {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	fmt.Println("http://" + ln.Addr().String())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // However it ends.
		os.Exit(0)
	}()
	e := &echoer{
		fds: []pollFD{{fd: int32(file.Fd()), events: pollIn}}, got: make([][]byte, 1), buf: make([]byte, 16<<10),
		head: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", answer),
	}
	foremost(echoPriority)
	for {
		if err := ppoll(e.fds, time.Minute); err != nil {
			return err
		}
		if e.fds[0].revents != 0 {
			if err := e.accept(); err != nil {
				return err
			}
		}
		// From the end, since some leave.
		for i := len(e.fds) - 1; i > 0; i-- {
			if e.fds[i].revents != 0 && !e.serve(i) {
				_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(e.fds[i].fd), 0, 0)
				e.fds, e.got = slices.Delete(e.fds, i, i+1), slices.Delete(e.got, i, i+1)
			}
		}
	}
}

func (e *echoer) accept() error {
	fd, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(e.fds[0].fd), 0, 0, syscall.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("accept4", errno)
	}
	on := 1
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, uintptr(unsafe.Pointer(&on)), 4, 0)
	e.fds, e.got = append(e.fds, pollFD{fd: int32(fd), events: pollIn}), append(e.got, nil)
	return nil
}

// serve takes what has come on a connection; false is that it is over.
func (e *echoer) serve(i int) bool {
	n, err := raw(syscall.SYS_READ, e.fds[i].fd, e.buf)
	if err != nil || n == 0 {
		return false
	}
	e.got[i] = append(e.got[i], e.buf[:n]...)
	_, body, ok := bytes.Cut(e.got[i], []byte("\r\n\r\n"))
	if !ok || len(body) < echoed {
		return true
	}
	out := append(e.head[:len(e.head):len(e.head)], body[:answer]...)
	e.got[i] = e.got[i][:0]
	_, err = raw(syscall.SYS_WRITE, e.fds[i].fd, out)
	return err == nil
}

// ppoll waits for something to read, at most so long.
func ppoll(fds []pollFD, atMost time.Duration) error {
	wait := syscall.NsecToTimespec(int64(atMost))
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
	if errno != 0 && !errors.Is(errno, syscall.EINTR) {
		return os.NewSyscallError("ppoll", errno)
	}
	return nil
}

// raw reads or writes without a word to Go's runtime: a thread that comes before
// all others must not wait for one that it does not let run.
func raw(what uintptr, fd int32, buf []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(what, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
