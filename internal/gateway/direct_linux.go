// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// direct is a TCP connection whose reads and writes do not tell the scheduler
// that a system call begins and ends. They never block, so it has nothing to
// do; told of each, it watches them every 20 µs, which costs more than
// assigning a unit. At most one goroutine may read and one write at a time.
type direct struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
	// both is the step of a Read that writes first, what is held; sent says
	// that it has.
	both       func(fd uintptr) bool
	held, sent bool
}

// transfer is one direction of a connection: what its next step works on and
// how it went.
type transfer struct {
	step  func(fd uintptr) bool // made once: it is called through an interface
	p     []byte
	n     int
	errno syscall.Errno
}

// directly makes a connection direct, where it is a TCP connection.
func directly(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	d := &direct{TCPConn: tcp, raw: raw}
	d.in.step, d.out.step, d.both = d.in.read, d.out.write, d.writeAndRead
	return d
}

// Read implements net.Conn.
func (d *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	d.in.p, d.in.n, d.in.errno = p, 0, 0
	step := d.in.step
	if d.held {
		step = d.both
	}
	err := d.raw.Read(step)
	if d.held {
		err = d.letGo(err)
	}
	d.in.p = nil
	switch {
	case err != nil:
		return 0, err
	case d.in.errno != 0:
		return 0, os.NewSyscallError("read", d.in.errno)
	case d.in.n == 0:
		return 0, io.EOF
	}
	return d.in.n, nil
}

// hold writes p with the next Read, in one step with waiting for the answer,
// which saves a read that would find nothing. p must stay as it is until then.
// The other side must not have ended its half before: that is only seen once it
// sends more, or at the deadline.
func (d *direct) hold(p []byte) {
	d.out.p, d.out.n, d.out.errno = p, 0, 0
	d.held, d.sent = true, false
}

// writeAndRead is the step of a Read with something to write. The scheduler
// notes what arrives from when the Read began; nothing was written before, so
// no answer is missed.
func (d *direct) writeAndRead(fd uintptr) bool {
	if d.sent {
		return d.in.read(fd)
	}
	if !d.out.write(fd) || d.out.errno != 0 {
		return true
	}
	d.sent = true
	return false
}

// letGo ends a Read with something to write, which ended with err. What there
// was no room for is written now, and the answer read after it.
func (d *direct) letGo(err error) error {
	rest, errno := d.out.p[d.out.n:], d.out.errno
	d.held, d.out.p = false, nil
	switch {
	case err != nil:
	case errno != 0:
		err = os.NewSyscallError("write", errno)
	case !d.sent:
		if _, err = d.Write(rest); err == nil {
			err = d.raw.Read(d.in.step)
		}
	}
	return err
}

// Write implements net.Conn.
func (d *direct) Write(p []byte) (int, error) {
	d.out.p, d.out.n, d.out.errno = p, 0, 0
	err := d.raw.Write(d.out.step)
	d.out.p = nil
	if err == nil && d.out.errno != 0 {
		err = os.NewSyscallError("write", d.out.errno)
	}
	return d.out.n, err
}

// read reads once; false waits until there is something to read.
func (t *transfer) read(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&t.p[0])), uintptr(len(t.p)))
		switch errno {
		case 0:
			t.n = int(n)
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
}

// write writes what is left; false waits until there is room for more.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) {
		rest := t.p[t.n:]
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)))
		switch errno {
		case 0:
			t.n += int(n)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// plain is the connection as the system knows it: any number of goroutines may
// write to it.
func plain(conn net.Conn) net.Conn {
	if d, ok := conn.(*direct); ok {
		return d.TCPConn
	}
	return conn
}

// together writes p with the next read, where the connection can do so; else at
// once.
func together(conn net.Conn, p []byte) error {
	if d, ok := conn.(*direct); ok {
		d.hold(p)
		return nil
	}
	_, err := conn.Write(p)
	return err
}
