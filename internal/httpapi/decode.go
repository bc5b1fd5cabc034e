// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// batch is a decoded body.
type batch struct {
	// experiment is nil when the body does not name one.
	experiment *string
	outcomes   []experiment.UnitOutcome
	// bare bodies are one outcome, without a list around it.
	bare bool
}

const outcomesExample = `{"outcomes": [{"token": "…", "event": "…"}]}`

var (
	outcomeFields = []string{"token", "unit", "request", "event", "value", "label", "key", "time"}
	batchFields   = append([]string{"experiment", "outcomes"}, outcomeFields...)
)

// decode reads a body strictly: one JSON object, known fields, each once, of
// the right type. Every error is CodeInvalid and says where. What outcomes
// must be beyond that, the recorder checks.
func decode(body []byte) (batch, error) {
	d, err := newDecoder(body, outcomesExample)
	if err != nil {
		return batch{}, err
	}
	var b batch
	bare := experiment.UnitOutcome{Value: 1}
	listed, first := false, ""
	err = d.object("", "the body", batchFields, func(name string) (err error) {
		switch name {
		case "experiment":
			var id string
			id, err = d.text(name)
			b.experiment = &id
		case "outcomes":
			listed = true
			b.outcomes, err = d.outcomes()
		default:
			first = name
			err = d.outcomeField(name, name, &bare)
		}
		return err
	})
	switch {
	case err != nil:
		return batch{}, err
	case listed && first != "":
		return batch{}, experiment.InvalidAt(first, "stands beside outcomes").
			WithHint("put it into each of the outcomes")
	case listed && len(b.outcomes) == 0:
		return batch{}, experiment.InvalidAt("outcomes", "is empty").WithHint("send at least one outcome")
	case !listed && first == "":
		return batch{}, experiment.InvalidAt("outcomes", "is missing").
			WithHint("send %s", outcomesExample)
	case !listed:
		b.outcomes, b.bare = []experiment.UnitOutcome{bare}, true
	}
	return b, nil
}

// checkJSON reports what makes a body no JSON value at all, by line and
// column.
func checkJSON(body []byte, example string) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return experiment.Errorf(experiment.CodeInvalid, "the body is empty").WithHint("send %s", example)
	}
	if !utf8.Valid(body) {
		return experiment.Errorf(experiment.CodeInvalid, "the body is not UTF-8").WithHint("encode it as UTF-8")
	}
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	if err == nil {
		return nil
	}
	at := len(body)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(int(s.Offset), len(body))
	}
	before := body[:max(at-1, 0)]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return experiment.Errorf(experiment.CodeInvalid, "the body is not JSON: line %d, column %d: %s", line, column, err.Error()).
		WithHint("send one JSON object; numbers are finite, strings are in double quotes")
}

// decoder walks JSON that is known to be well formed. Example is what the body
// could look like.
type decoder struct {
	*json.Decoder
	example string
}

func newDecoder(body []byte, example string) (decoder, error) {
	if err := checkJSON(body, example); err != nil {
		return decoder{}, err
	}
	d := decoder{json.NewDecoder(bytes.NewReader(body)), example}
	d.UseNumber()
	return d, nil
}

// object reads an object and calls field for each of its names, which must be
// among known and come once.
func (d decoder) object(path, what string, known []string, field func(name string) error) error {
	if err := d.open('{', path, what, "an object"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(known))
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return broken(err)
		}
		name, _ := t.(string)
		at := join(path, name)
		switch {
		case !slices.Contains(known, name):
			return unknownField(path, name, known)
		case seen[name]:
			return experiment.InvalidAt(at, "stands twice").WithHint("send it once")
		}
		seen[name] = true
		if err := field(name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return broken(err)
}

func (d decoder) open(want json.Delim, path, what, kind string) error {
	t, err := d.Token()
	if err != nil {
		return broken(err)
	}
	if t == want {
		return nil
	}
	if path == "" {
		e := experiment.Errorf(experiment.CodeInvalid, "%s is %s: want %s", what, kindOf(t), kind)
		return e.WithHint("send %s", d.example)
	}
	return wrongType(path, t, kind)
}

func (d decoder) outcomes() ([]experiment.UnitOutcome, error) {
	if err := d.open('[', "outcomes", "outcomes", "a list"); err != nil {
		return nil, err
	}
	var list []experiment.UnitOutcome
	for d.More() {
		if len(list) == experiment.MaxOutcomes {
			return nil, experiment.InvalidAt("outcomes", "has more than %d entries", experiment.MaxOutcomes).
				WithHint("send them in several requests")
		}
		path := "outcomes[" + strconv.Itoa(len(list)) + "]"
		o := experiment.UnitOutcome{Value: 1}
		err := d.object(path, path, outcomeFields, func(name string) error {
			return d.outcomeField(join(path, name), name, &o)
		})
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	_, err := d.Token()
	return list, broken(err)
}

func (d decoder) outcomeField(path, name string, o *experiment.UnitOutcome) (err error) {
	switch name {
	case "token":
		o.Token, err = d.text(path)
	case "unit":
		o.Unit, err = d.text(path)
	case "request":
		o.Request, err = d.text(path)
	case "event":
		o.Event, err = d.text(path)
	case "label":
		o.Label, err = d.text(path)
	case "key":
		o.Key, err = d.text(path)
	case "value":
		o.Value, err = d.number(path)
	case "time":
		o.At, err = d.time(path)
	}
	return err
}

// text reads a string that is not empty: an empty one is a mistake of the
// sender wherever it may stand, and must not pass for a field left out.
func (d decoder) text(path string) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", broken(err)
	}
	s, ok := t.(string)
	switch {
	case !ok:
		return "", wrongType(path, t, "a string")
	case s == "":
		return "", experiment.InvalidAt(path, "is an empty string").WithHint("give it a value, or leave it out")
	}
	return s, nil
}

func (d decoder) number(path string) (float64, error) {
	t, err := d.Token()
	if err != nil {
		return 0, broken(err)
	}
	n, ok := t.(json.Number)
	if s, isText := t.(string); isText {
		return 0, experiment.InvalidAt(path, "is the string %s: want a number", quote(s)).WithHint("send a number, without quotes")
	}
	if !ok {
		return 0, wrongType(path, t, "a number")
	}
	f, err := n.Float64()
	if err != nil {
		return 0, experiment.InvalidAt(path, "%s does not fit a 64-bit floating-point number", clip(n.String())).
			WithHint("send a finite number")
	}
	return f, nil
}

func (d decoder) time(path string) (time.Time, error) {
	s, err := d.text(path)
	if err != nil {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.IsZero() {
		return time.Time{}, experiment.InvalidAt(path, "%s is not a time as in RFC 3339", quote(s)).
			WithHint("write it like 2026-01-31T12:00:00Z, or leave it out for the time of arrival")
	}
	return at, nil
}

func wrongType(path string, got json.Token, want string) error {
	return experiment.InvalidAt(path, "is %s: want %s", kindOf(got), want).
		WithHint("send %s", want)
}

// kindOf says what a token is. Strings and numbers are not shown: they may be
// ids.
func kindOf(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case bool:
		return "the boolean " + strconv.FormatBool(t)
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case json.Delim:
		if t == '[' {
			return "a list"
		}
		return "an object"
	default:
		return "something else"
	}
}

// broken wraps what cannot happen after checkJSON; were it to, the body would
// still be refused and not misread.
func broken(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return experiment.Errorf(experiment.CodeInvalid, "the body is not JSON: it ends too early")
	default:
		return experiment.Errorf(experiment.CodeInvalid, "the body is not JSON: %w", err)
	}
}

func join(path, name string) string {
	if path == "" {
		return clip(name)
	}
	return path + "." + clip(name)
}

func unknownField(path, name string, known []string) error {
	err := experiment.InvalidAt(join(path, name), "is not a field that is known here")
	if near := suggest.Closest(name, known); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err.WithHint("known are %s", strings.Join(known, ", "))
}
