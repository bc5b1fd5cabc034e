// SPDX-License-Identifier: Apache-2.0

package h1

import (
	"bytes"
	"io"
)

// maxChunkLine bounds a chunk's size line with its extensions; maxTrailers a
// body's trailer section.
const (
	maxChunkLine = 256
	maxTrailers  = 16 << 10
)

// Body reads the body that follows a head, unframed. io.EOF is the body's end
// as the head or the chunks say it; io.ErrUnexpectedEOF says that it broke off,
// ErrMalformed that its framing is wrong.
type Body struct {
	// Trailers are the field lines after a chunked body, each with its CRLF,
	// once the body has been read; those that would change a message's framing
	// or routing are dropped.
	Trailers []byte

	src     *Reader
	left    int64 // of the body, or of the chunk; -1 until the connection ends
	chunked bool
	begun   bool
	err     error
}

// Body makes b the body of h, which was read from src.
func (h *Head) Body(src *Reader, b *Body) {
	*b = Body{src: src, left: h.Length, chunked: h.Chunked, Trailers: b.Trailers[:0]}
	switch {
	case h.Chunked:
		b.left = 0
	case h.Length == 0:
		b.err = io.EOF
	}
}

// Done reports whether the body has been read to its end.
func (b *Body) Done() bool { return b.err == io.EOF }

// Left is how many bytes are to come, -1 where that is not known.
func (b *Body) Left() int64 {
	switch {
	case b.err != nil:
		return 0
	case b.chunked:
		return -1
	default:
		return b.left
	}
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.chunked && b.left == 0 {
		if b.err = b.chunk(); b.err != nil {
			return 0, b.err
		}
	}
	if b.left >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.src.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case err == io.EOF && b.left < 0: // The body ends with the connection.
		b.err = io.EOF
	case err == io.EOF && n == 0:
		b.err = io.ErrUnexpectedEOF
	case err != nil && err != io.EOF:
		b.err = err
	case b.left == 0 && !b.chunked:
		b.err = io.EOF
	}
	if n > 0 && b.err == io.EOF {
		return n, nil // The next read says it.
	}
	return n, b.err
}

// chunk reads up to the data of the next chunk; io.EOF after the last.
func (b *Body) chunk() error {
	if b.begun {
		end, err := b.src.line(2)
		if err != nil {
			return err
		}
		if len(end) != 0 {
			return ErrMalformed
		}
	}
	b.begun = true
	line, err := b.src.line(maxChunkLine)
	if err != nil {
		return err
	}
	if b.left, err = chunkSize(line); err != nil {
		return err
	}
	if b.left > 0 {
		return nil
	}
	for left := maxTrailers; ; {
		line, err := b.src.line(left)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if left -= len(line) + 2; left <= 0 || !ok || !IsToken(name) || !isText(value) {
			return ErrMalformed
		}
		var f Head
		if field := (Field{Name: name, Value: trim(value)}); f.know(&field) == nil && !field.Hop {
			b.Trailers = append(append(b.Trailers, line...), "\r\n"...)
		}
	}
}

// chunkSize reads the hexadecimal size of a chunk; extensions are passed over.
func chunkSize(line []byte) (int64, error) {
	n, digits := int64(0), 0
	for ; digits < len(line); digits++ {
		c := lower(line[digits])
		switch {
		case '0' <= c && c <= '9':
			n = 16*n + int64(c-'0')
		case 'a' <= c && c <= 'f':
			n = 16*n + int64(c-'a'+10)
		case c == ';' && digits > 0 && isText(line[digits:]):
			return n, nil
		default:
			return 0, ErrMalformed
		}
		if digits == 15 {
			return 0, ErrMalformed
		}
	}
	if digits == 0 {
		return 0, ErrMalformed
	}
	return n, nil
}

// End makes the body one that has been read to its end.
func (b *Body) End() { b.left, b.err = 0, io.EOF }
