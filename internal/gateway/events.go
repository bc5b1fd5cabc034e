// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"mime"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/prediction"
)

const (
	// maxEventTail is how much is kept of the end of a stream of events, where
	// only its last one matters.
	maxEventTail = 64 << 10
	// maxChoices bounds the texts that are put together from a stream.
	maxChoices = 64
)

// isEvents says whether a content type is that of server-sent events.
func isEvents(contentType string) bool {
	if contentType == "text/event-stream" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "text/event-stream"
}

// events reads the data of server-sent events (HTML, section 9.2.6), one event
// after the other. The last one counts without the empty line that should end
// it, too: the connection's end is as good.
type events struct{ rest, data []byte }

// next gives the data of the next event that has some.
func (e *events) next() ([]byte, bool) {
	e.data = e.data[:0]
	lines := 0
	for len(e.rest) > 0 {
		line := e.line()
		if len(line) == 0 {
			if lines > 0 {
				return e.data, true
			}
			continue
		}
		data, ok := bytes.CutPrefix(line, []byte("data"))
		if !ok || len(data) > 0 && data[0] != ':' {
			continue // A comment, or a field that has nothing to say.
		}
		if lines++; lines > 1 {
			e.data = append(e.data, '\n')
		}
		e.data = append(e.data, bytes.TrimPrefix(bytes.TrimPrefix(data, []byte(":")), []byte(" "))...)
	}
	return e.data, lines > 0
}

// line takes a line without its end, which is any of LF, CR and CRLF.
func (e *events) line() []byte {
	i := bytes.IndexAny(e.rest, "\r\n")
	if i < 0 {
		line := e.rest
		e.rest = nil
		return line
	}
	line := e.rest[:i]
	if e.rest[i] == '\r' && i+1 < len(e.rest) && e.rest[i+1] == '\n' {
		i++
	}
	e.rest = e.rest[i+1:]
	return line
}

// isDone says whether data is how OpenAI's protocol ends a stream.
func isDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }

// lastEvent is the data of the last event that holds something; nil is none. Of
// a stream that was cut at its beginning, what is left of the first line there
// does not count.
func lastEvent(body []byte, cut bool) []byte {
	e := events{rest: body}
	if cut {
		e.line()
	}
	var last []byte
	for data, ok := e.next(); ok; data, ok = e.next() {
		if len(data) > 0 && !isDone(data) {
			last = append(last[:0], data...)
		}
	}
	return last
}

// hasUsage says whether an event tells how many tokens were used: in streams
// only the last one does, and only if the client asked for it.
func hasUsage(value any) bool {
	object, _ := value.(map[string]any)
	_, ok := object["usage"].(map[string]any)
	return ok
}

// joined puts the texts of a stream of OpenAI's protocol together: the answer as
// it would have been without streaming. It is the last event's value where the
// stream is something else, and false where an event is no JSON. redact sees
// every event first.
func joined(body []byte, redact func(any) any) (any, bool) {
	e := events{rest: body}
	var last any
	var choices []*choice
	for data, ok := e.next(); ok; data, ok = e.next() {
		if len(data) == 0 || isDone(data) {
			continue
		}
		value, err := prediction.Decode(data)
		if err != nil {
			return nil, false
		}
		last = redact(value)
		choices = appendChoices(choices, last)
	}
	if len(choices) == 0 {
		return last, last != nil
	}
	object := map[string]any{}
	if end, ok := last.(map[string]any); ok {
		for _, name := range []string{"id", "model", "usage"} {
			if v, ok := end[name]; ok {
				object[name] = v
			}
		}
	}
	list := make([]any, len(choices))
	for i, c := range choices {
		list[i] = c.value(i)
	}
	object["choices"] = list
	return object, true
}

// choice is one text of a stream. A chat's comes in messages.
type choice struct {
	text     strings.Builder
	chat     bool
	finished any
}

// appendChoices adds what an event tells of each choice.
func appendChoices(choices []*choice, event any) []*choice {
	object, _ := event.(map[string]any)
	list, _ := object["choices"].([]any)
	for _, part := range list {
		part, _ := part.(map[string]any)
		n := 0
		if number, ok := part["index"].(json.Number); ok {
			i, err := number.Int64()
			if err != nil || i < 0 || i >= maxChoices {
				continue
			}
			n = int(i)
		}
		for len(choices) <= n {
			choices = append(choices, new(choice))
		}
		choices[n].add(part)
	}
	return choices
}

func (c *choice) add(part map[string]any) {
	if delta, ok := part["delta"].(map[string]any); ok {
		c.chat = true
		piece, _ := delta["content"].(string)
		c.text.WriteString(piece)
	}
	piece, _ := part["text"].(string)
	c.text.WriteString(piece)
	if why := part["finish_reason"]; why != nil {
		c.finished = why
	}
}

// value is the choice as answers without streaming have it.
func (c *choice) value(index int) any {
	v := map[string]any{"index": json.Number(strconv.Itoa(index)), "finish_reason": c.finished}
	if c.chat {
		v["message"] = map[string]any{"role": "assistant", "content": c.text.String()}
	} else {
		v["text"] = c.text.String()
	}
	return v
}
