// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pair is a direct connection and its other side, with little room between.
func pair(t *testing.T) (*direct, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	if err := errors.Join(near.(*net.TCPConn).SetWriteBuffer(4<<10), near.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	return directly(near).(*direct), far.(*net.TCPConn)
}

func TestHeldRequestIsWrittenBeforeItsAnswerIsRead(t *testing.T) {
	for name, size := range map[string]int{"at once": 100, "in parts, where there is no room": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			d, far := pair(t)
			request, got := bytes.Repeat([]byte("r"), size), make(chan []byte, 1)
			go func() {
				b := make([]byte, size)
				io.ReadFull(far, b)
				got <- b
				far.Write([]byte("answer"))
			}()
			if err := together(d, request); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 16)
			n, err := d.Read(b)
			if string(b[:n]) != "answer" || err != nil {
				t.Fatalf("read %q, %v", b[:n], err)
			}
			if !bytes.Equal(request, <-got) {
				t.Error("another request was written than was held")
			}
			far.Write([]byte("more"))
			if n, err := d.Read(b); string(b[:n]) != "more" || err != nil {
				t.Errorf("the read after it: %q, %v", b[:n], err)
			}
		})
	}
}

func TestHeldRequestFailsAsItsConnectionDoes(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(d *direct, far *net.TCPConn)
		want  func(err error) bool
	}{
		"deadline before":  {func(d *direct, _ *net.TCPConn) { d.SetDeadline(time.Unix(1, 0)) }, timedOut},
		"deadline after":   {func(d *direct, _ *net.TCPConn) { d.SetDeadline(time.Now().Add(20 * time.Millisecond)) }, timedOut},
		"closed here":      {func(d *direct, _ *net.TCPConn) { d.Close() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"closed there":     {func(_ *direct, far *net.TCPConn) { far.Close() }, func(err error) bool { return err == io.EOF || isReset(err) }},
		"reset from there": {func(_ *direct, far *net.TCPConn) { far.SetLinger(0); far.Close() }, isReset},
	} {
		t.Run(name, func(t *testing.T) {
			d, far := pair(t)
			tc.spoil(d, far)
			err := together(d, []byte("request"))
			if err == nil {
				_, err = d.Read(make([]byte, 16))
			}
			if !tc.want(err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func TestDirectEndsAsOthersDo(t *testing.T) {
	d, far := pair(t)
	if n, err := d.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing: %d, %v", n, err)
	}
	far.Write([]byte("end"))
	far.CloseWrite()
	if b, err := io.ReadAll(d); string(b) != "end" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	much := make([]byte, 64<<20)
	go func() {
		far.Read(make([]byte, 1)) // Something of it came.
		d.SetWriteDeadline(time.Unix(1, 0))
	}()
	if n, err := d.Write(much); !timedOut(err) || n == 0 || n == len(much) {
		t.Errorf("a write that nobody reads: %d, %v", n, err)
	}
}

// TestWhatIsLeftBehindAnAnswerIsNobodysAnswer has a model send more than its
// answer: the next request goes out on another connection.
func TestWhatIsLeftBehindAnAnswerIsNobodysAnswer(t *testing.T) {
	if engine == "full" {
		t.Skip("net/http may take it for the next answer: it looks only while the connection idles")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for b := make([]byte, 4<<10); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers")
				}
			}()
		}
	}()
	g := testGateway(t, Options{})
	swap(t, g, routeTo(experiment.Baseline(1), "http://"+ln.Addr().String()))
	url, client := serving(t, g)
	for i := range 5 {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != "mine" {
			t.Fatalf("request %d is answered %q, %v", i, body, err)
		}
	}
	settled(client)
}
