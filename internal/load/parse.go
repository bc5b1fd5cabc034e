// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxData bounds the bodies that are kept in memory, in bytes.
const MaxData = 64 << 20

// maxLines bounds what very short bodies take beside their bytes.
const maxLines = 2_000_000

// ParseHeader reads a header as curl's -H takes it: "Name: value", or "Name;"
// for an empty value. Its errors do not repeat the value, which may be secret.
func ParseHeader(s string) (name, value string, err error) {
	const hint = "write it as 'Name: value'"
	name, value, ok := strings.Cut(s, ":")
	switch bare, empty := strings.CutSuffix(strings.TrimRight(s, " \t"), ";"); {
	case ok && strings.Trim(value, " \t") == "":
		return "", "", invalid("--header", "write 'Name;' to send it empty", "%s has no value", quoteName(name))
	case !ok && empty:
		name = bare
	case !ok:
		return "", "", invalid("--header", hint, "%d bytes without a colon", len(s))
	}
	name = strings.Trim(name, " \t")
	value = strings.Trim(value, " \t")
	if err := checkHeader("--header", name, value); err != nil {
		return "", "", err
	}
	return textproto.CanonicalMIMEHeaderKey(name), value, nil
}

// checkHeader refuses what cannot be sent, or would contradict what is sent.
func checkHeader(path, name, value string) error {
	const hint = "write it as 'Name: value'"
	switch {
	case !isToken(name):
		return invalid(path, hint, "%s is no name of a header", quoteName(name))
	case slices.Contains([]string{"Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade"}, textproto.CanonicalMIMEHeaderKey(name)):
		return invalid(path, "leave it out", "%s follows from the request and cannot be set", quoteName(name))
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return invalid(path, "send printable text", "the value of %s has a control character", quoteName(name))
	}
	return nil
}

// quoteName shows the name of a header, unless it is too long to be one.
func quoteName(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("a text of %d bytes", len(s))
	}
	return strconv.Quote(s)
}

// isToken says whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// ParseOutcome reads EVENT[=VALUE][:SHARE][@DELAY], such as purchase=12.5:30%@2s.
// The value is 1, the share 1 and the delay 0 by default.
func ParseOutcome(s string) (Outcome, error) {
	const hint = "write it as EVENT[=VALUE][:SHARE][@DELAY], such as purchase=12.5:30%@2s"
	fail := func(format string, args ...any) (Outcome, error) {
		return Outcome{}, invalid("--outcome", hint, format, args...)
	}
	x := Outcome{Value: 1, Every: 1}
	rest, delay, ok := strings.Cut(s, "@")
	var err error
	if ok {
		if x.Delay, err = time.ParseDuration(delay); err != nil || x.Delay < 0 || x.Delay > maxDelay {
			return fail("the delay %q is not a time from 0 to %s", clipText(delay), maxDelay)
		}
	}
	rest, share, ok := strings.Cut(rest, ":")
	if ok {
		if x.Every, err = parseShare(share); err != nil {
			return fail("the share %q is not above 0 and at most 1", clipText(share))
		}
	}
	event, value, ok := strings.Cut(rest, "=")
	if ok {
		x.Value, err = strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(x.Value) || math.IsInf(x.Value, 0) {
			return fail("the value %q is not a finite number", clipText(value))
		}
	}
	if x.Event = event; event == "" || strings.TrimSpace(event) != event {
		return fail("the event %q is empty or has blanks around it", clipText(event))
	}
	return x, nil
}

func parseShare(s string) (float64, error) {
	number, isPercent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if isPercent {
		f /= 100
	}
	if err != nil || !(f > 0 && f <= 1) {
		return 0, fmt.Errorf("no share: %q", s)
	}
	return f, nil
}

// clipText keeps an error readable, whatever was typed.
func clipText(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// ReadBody reads one body of at most MaxData bytes.
func ReadBody(path string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxData+1))
	if err != nil {
		return nil, invalid(path, "is it readable?", "%v", err)
	}
	if len(b) > MaxData {
		return nil, invalid(path, "send less", "more than %d bytes", MaxData)
	}
	return b, nil
}

// Line is a body and where it stands in its file, from 1.
type Line struct {
	Number int
	Body   []byte
}

// ReadLines reads bodies from JSON lines, one each. Blank lines are left out.
func ReadLines(path string, r io.Reader) ([][]byte, error) {
	lines, err := ReadNumbered(path, r)
	if err != nil {
		return nil, err
	}
	bodies := make([][]byte, len(lines))
	for i := range lines {
		bodies[i] = lines[i].Body
	}
	return bodies, nil
}

// ReadNumbered is ReadLines with the number of each line. The bodies share
// memory that is as large as the file.
func ReadNumbered(path string, r io.Reader) ([]Line, error) {
	const hint = "put one JSON text on each line"
	all, err := ReadBody(path, r)
	if err != nil {
		return nil, err
	}
	var lines []Line
	n := 0
	for line := range bytes.Lines(all) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return nil, invalid(path, hint, "line %d is not JSON", n)
		}
		if len(lines) == maxLines {
			return nil, invalid(path, "send fewer", "more than %d lines", maxLines)
		}
		lines = append(lines, Line{n, line[:len(line):len(line)]})
	}
	if len(lines) == 0 {
		return nil, invalid(path, hint, "no bodies in it")
	}
	return lines, nil
}
