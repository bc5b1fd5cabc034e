// SPDX-License-Identifier: Apache-2.0

package h1

import (
	"bytes"
	"errors"
	"io"
)

// MaxFields bounds the fields of one head.
const MaxFields = 128

// Field is one header field; both are slices of the reader's buffer.
type Field struct {
	Name, Value []byte
	// Hop says that the field is for this connection alone and is not passed
	// on.
	Hop bool
}

// Head is the parsed head of a message. It is reused from one message to the
// next; its slices are valid until the reader awaits the next one.
type Head struct {
	// Raw is the head as it came.
	Raw []byte
	// Method and Target are a request's, Status and Reason an answer's.
	Method, Target []byte
	Status         int
	Reason         []byte
	// Minor is 0 or 1, of HTTP/1.
	Minor  int
	Fields []Field
	// Host is the Host field's value, nil if there is none.
	Host []byte
	// Length is the body's length, -1 if it is not said. Chunked says that the
	// body is chunked. Said is what Content-Length says, -1 without one: the
	// answer to a HEAD says a length and has no body.
	Length  int64
	Chunked bool
	Said    int64
	// Close says that the connection ends after this message.
	Close bool
	// Upgrade says that the sender offers another protocol; Expect that it
	// awaits 100 (Continue).
	Upgrade bool
	Expect  bool

	keepAlive bool
	hasLength bool
	hops      [][]byte // names in Connection
}

// ReadRequest reads and checks a request's head of at most limit bytes. io.EOF
// says that the connection ended between messages.
func (h *Head) ReadRequest(b *Reader, limit int) error {
	raw, err := b.head(limit)
	if err != nil {
		return err
	}
	h.reset(raw)
	line, rest := cutLine(raw)
	method, line, ok := bytes.Cut(line, space)
	target, version, ok2 := bytes.Cut(line, space)
	if !ok || !ok2 || !IsToken(method) || !isTarget(target) {
		return ErrMalformed
	}
	h.Method, h.Target = method, target
	if err := h.version(version); err != nil {
		return err
	}
	if err := h.fields(rest); err != nil {
		return err
	}
	if h.Host == nil && h.Minor == 1 {
		return ErrMalformed
	}
	if h.Chunked && (h.hasLength || h.Minor == 0) {
		return ErrMalformed // Two framings, or one that HTTP/1.0 does not have.
	}
	if !h.Chunked && !h.hasLength {
		h.Length = 0
	}
	return nil
}

// ReadResponse reads and checks an answer's head. toHEAD says that the request
// was HEAD, whose answer has no body whatever its fields say.
func (h *Head) ReadResponse(b *Reader, limit int, toHEAD bool) error {
	raw, err := b.head(limit)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	h.reset(raw)
	line, rest := cutLine(raw)
	version, line, ok := bytes.Cut(line, space)
	if !ok || len(line) < 3 || len(line) > 3 && line[3] != ' ' {
		return ErrMalformed
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return ErrMalformed
		}
		h.Status = 10*h.Status + int(c-'0')
	}
	h.Reason = line[min(4, len(line)):]
	if h.Status < 100 || h.Status > 599 || !isText(h.Reason) {
		return ErrMalformed
	}
	if err := h.version(version); err != nil {
		return err
	}
	if err := h.fields(rest); err != nil {
		return err
	}
	switch {
	case toHEAD || h.Status < 200 || h.Status == 204 || h.Status == 304:
		h.Length, h.Chunked = 0, false
	case h.Chunked && h.hasLength:
		// Transfer-Encoding overrides (RFC 9112, section 6.3), and a sender
		// that says both is not trusted with another request.
		h.Length, h.Close = -1, true
	case !h.Chunked && !h.hasLength:
		h.Close = true // The body ends with the connection.
	}
	return nil
}

func (h *Head) reset(raw []byte) {
	*h = Head{Raw: raw, Fields: h.Fields[:0], hops: h.hops[:0], Length: -1, Said: -1}
}

var space = []byte(" ")

// cutLine cuts off the first line, without its CRLF. There is always one: a
// head ends with an empty line.
func cutLine(raw []byte) (line, rest []byte) {
	i := bytes.Index(raw, endOfHead[:2])
	return raw[:i], raw[i+2:]
}

func (h *Head) version(v []byte) error {
	switch string(v) {
	case "HTTP/1.1":
		h.Minor = 1
	case "HTTP/1.0":
		h.Minor = 0
	default:
		if bytes.HasPrefix(v, []byte("HTTP/")) {
			return ErrVersion
		}
		return ErrMalformed
	}
	return nil
}

// fields parses the field lines up to the empty one.
func (h *Head) fields(raw []byte) error {
	for len(raw) > 2 {
		var line []byte
		line, raw = cutLine(raw)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !IsToken(name) {
			return ErrMalformed // A folded line begins with a blank, no token.
		}
		if len(h.Fields) == MaxFields {
			return ErrTooLarge
		}
		value = trim(value)
		if !isText(value) {
			return ErrMalformed
		}
		f := Field{Name: name, Value: value}
		if err := h.know(&f); err != nil {
			return err
		}
		h.Fields = append(h.Fields, f)
	}
	h.Close = h.Close || h.Minor == 0 && !h.keepAlive
	for _, name := range h.hops {
		for i := range h.Fields {
			if EqualFold(h.Fields[i].Name, name) {
				h.Fields[i].Hop = true
			}
		}
	}
	return nil
}

// know takes in a field that means something to the connection. Names are told
// apart by length first, because most fields mean nothing here.
func (h *Head) know(f *Field) error {
	switch len(f.Name) {
	case 2:
		f.Hop = fold(f.Name, "te")
	case 4:
		if fold(f.Name, "host") {
			if h.Host != nil || !isHost(f.Value) {
				return ErrMalformed
			}
			h.Host, f.Hop = f.Value, true
		}
	case 6:
		h.Expect = h.Expect || fold(f.Name, "expect")
		f.Hop = fold(f.Name, "expect")
	case 7:
		h.Upgrade = h.Upgrade || fold(f.Name, "upgrade")
		f.Hop = fold(f.Name, "upgrade")
	case 10:
		if fold(f.Name, "connection") {
			f.Hop = true
			h.connection(f.Value)
		}
		f.Hop = f.Hop || fold(f.Name, "keep-alive")
	case 14:
		if fold(f.Name, "content-length") {
			f.Hop = true
			return h.length(f.Value)
		}
	case 16:
		f.Hop = fold(f.Name, "proxy-connection")
	case 17:
		if fold(f.Name, "transfer-encoding") {
			f.Hop = true
			return h.coding(f.Value)
		}
	case 18:
		f.Hop = fold(f.Name, "proxy-authenticate")
	case 19:
		f.Hop = fold(f.Name, "proxy-authorization")
	}
	return nil
}

// connection reads the options of a Connection field.
func (h *Head) connection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte(",")) {
		switch option = trim(option); {
		case fold(option, "close"):
			h.Close = true
		case fold(option, "keep-alive"):
			h.keepAlive = true
		case len(option) > 0:
			h.hops = append(h.hops, option)
		}
	}
}

// length reads Content-Length; a second one may only say the same.
func (h *Head) length(value []byte) error {
	n, err := decimal(value)
	if err != nil || h.hasLength && n != h.Length {
		return ErrMalformed
	}
	h.Length, h.Said, h.hasLength = n, n, true
	return nil
}

func (h *Head) coding(value []byte) error {
	if h.Chunked {
		return ErrMalformed
	}
	if !fold(value, "chunked") {
		return ErrUnsupported
	}
	h.Chunked = true
	return nil
}

var errNumber = errors.New("h1: not a length")

// decimal reads a length: digits only, and no more than anybody has.
func decimal(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 18 {
		return 0, errNumber
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = 10*n + int64(c-'0')
	}
	return n, nil
}

// Get is the value of the first field of that name, nil if there is none. The
// name is compared without regard to case.
func (h *Head) Get(name string) []byte {
	for i := range h.Fields {
		if len(h.Fields[i].Name) == len(name) && fold(h.Fields[i].Name, name) {
			return h.Fields[i].Value
		}
	}
	return nil
}
