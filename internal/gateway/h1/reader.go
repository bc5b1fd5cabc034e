// SPDX-License-Identifier: Apache-2.0

package h1

import (
	"bytes"
	"errors"
	"io"
)

// The errors of reading. Whatever else a read returns is the connection's own.
var (
	// ErrTooLarge says that a head exceeds its limit.
	ErrTooLarge = errors.New("h1: head too large")
	// ErrMalformed says that a message is not HTTP/1.1 as RFC 9112 has it, or
	// could be read in two ways.
	ErrMalformed = errors.New("h1: malformed message")
	// ErrUnsupported says that a message asks for a transfer coding other than
	// chunked.
	ErrUnsupported = errors.New("h1: unsupported transfer coding")
	// ErrVersion says that a message is neither HTTP/1.1 nor HTTP/1.0.
	ErrVersion = errors.New("h1: unsupported version")
)

// Reader buffers a connection's bytes. It is not safe for concurrent use.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is read from src and not yet taken
}

// NewReader reads from src through a buffer of the given size, which grows only
// for heads and prefixes, up to their limits.
func NewReader(src io.Reader, size int) *Reader {
	return &Reader{src: src, buf: make([]byte, size)}
}

// Reset makes the reader read from src, with nothing buffered.
func (b *Reader) Reset(src io.Reader) { b.src, b.r, b.w = src, 0, 0 }

// Buffered is what was read from the source and not taken yet.
func (b *Reader) Buffered() []byte { return b.buf[b.r:b.w] }

// Discard takes n buffered bytes.
func (b *Reader) Discard(n int) { b.r += n }

// fill reads once, making room by growing up to limit bytes after r. It never
// moves bytes within one array: slices of the buffer stay what they are.
func (b *Reader) fill(limit int) error {
	if b.w == len(b.buf) {
		size := min(max(2*len(b.buf), 512), b.r+limit)
		if size <= len(b.buf) {
			return ErrTooLarge
		}
		bigger := make([]byte, size)
		copy(bigger[b.r:], b.buf[b.r:b.w])
		b.buf = bigger
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Await blocks until a byte is buffered. It is where a connection idles: what
// was taken before is forgotten, and slices of it are no longer valid.
func (b *Reader) Await() error {
	if b.r == b.w {
		b.r, b.w = 0, 0
		return b.fill(len(b.buf))
	}
	if b.r > 0 {
		copy(b.buf, b.buf[b.r:b.w])
		b.r, b.w = 0, b.w-b.r
	}
	return nil
}

var endOfHead = []byte("\r\n\r\n")

// head gives the bytes of the next head, its empty line included, and takes
// them. One empty line before it is passed over (RFC 9112, section 2.2).
// io.EOF says that nothing came; io.ErrUnexpectedEOF that it broke off.
func (b *Reader) head(limit int) ([]byte, error) {
	if err := b.Await(); err != nil {
		return nil, err
	}
	seen, skipped := 0, false
	for {
		if !skipped && b.w-b.r >= 2 && b.buf[b.r] == '\r' && b.buf[b.r+1] == '\n' {
			b.r += 2
			skipped = true
		}
		from := max(b.r, b.r+seen-3)
		if i := bytes.Index(b.buf[from:b.w], endOfHead); i >= 0 {
			end := from + i + len(endOfHead)
			h := b.buf[b.r:end:end]
			b.r = end
			if len(h) > limit {
				return nil, ErrTooLarge
			}
			return h, nil
		}
		if seen = b.w - b.r; seen >= limit {
			return nil, ErrTooLarge
		}
		if err := b.fill(limit); err != nil {
			if err == io.EOF && seen > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// HasHead reports whether a whole head is buffered.
func (b *Reader) HasHead() bool { return bytes.Contains(b.Buffered(), endOfHead) }

// Prefix buffers up to n bytes more without taking them; fewer only with an
// error of the source.
func (b *Reader) Prefix(n int) ([]byte, error) {
	for b.w-b.r < n {
		if err := b.fill(n); err != nil {
			return b.Buffered(), err
		}
	}
	return b.buf[b.r : b.r+n], nil
}

// Detach leaves what was taken so far in a buffer of its own: slices of it stay
// valid whatever is read next.
func (b *Reader) Detach() {
	rest := b.Buffered()
	b.buf = make([]byte, max(len(b.buf), len(rest)))
	b.r, b.w = 0, copy(b.buf, rest)
}

// Read takes buffered bytes, or reads straight from the source.
func (b *Reader) Read(p []byte) (int, error) {
	if b.r == b.w {
		return b.src.Read(p)
	}
	n := copy(p, b.buf[b.r:b.w])
	b.r += n
	return n, nil
}

// line takes a line of a chunked body, without its CRLF. Slices of a head that
// came before are not valid after it.
func (b *Reader) line(limit int) ([]byte, error) {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	seen := 0
	for {
		if i := bytes.IndexByte(b.buf[b.r+seen:b.w], '\n'); i >= 0 {
			end := b.r + seen + i
			l := b.buf[b.r:end]
			b.r = end + 1
			if len(l) == 0 || l[len(l)-1] != '\r' {
				return nil, ErrMalformed
			}
			return l[:len(l)-1], nil
		}
		if seen = b.w - b.r; seen >= limit {
			return nil, ErrMalformed
		}
		if b.r > 0 && b.w == len(b.buf) {
			copy(b.buf, b.buf[b.r:b.w]) // Of what was taken, nothing is in use any more.
			b.r, b.w = 0, b.w-b.r
		}
		if err := b.fill(limit); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// Unread puts bytes back in the place of all that is buffered.
func (b *Reader) Unread(p []byte) { b.buf, b.r, b.w = p, 0, len(p) }
