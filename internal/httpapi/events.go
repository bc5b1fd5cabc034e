// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Listener takes what model servers' loggers tell. It never waits: loggers hold
// up their model server while their sink does. False is that it was dropped.
type Listener interface {
	Listen(experiment string, e *experiment.Event) (taken bool, err error)
}

// Bounds of a request with events.
const (
	// MaxEvents is how many events one request may carry.
	MaxEvents = 256
	// MaxEventsBody bounds its body, in bytes.
	MaxEventsBody = 8 << 20
)

// Events answers POST /v1/events, where KServe's and Seldon's request loggers
// send CloudEvents 1.0: one in binary mode (attributes in Ce- headers, the
// payload as body), one in structured mode (application/cloudevents+json), or a
// list of those (application/cloudevents-batch+json). The parameter experiment
// names the experiment where there are several, version who answered where the
// event does not say: a logger URL of its own for each version is the surest
// way.
//
// The answer is 202 with how many events were taken and dropped; other kinds of
// events are ignored. Nothing is on disk yet then: a logger does not wait, and
// half a pair is worth nothing.
func Events(listener Listener, experiments func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, "POST", r.Method == http.MethodPost) {
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxEventsBody))
		if err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				writeFailure(w, http.StatusRequestEntityTooLarge, Failure{
					Code: experiment.CodeInvalid, Message: "the body is too large", Hint: "send fewer events at a time",
				})
				return
			}
			writeReadError(w, err)
			return
		}
		receipt, err := listen(r, body, listener, experiments())
		if err != nil {
			WriteError(w, err)
			return
		}
		WriteJSON(w, http.StatusAccepted, receipt)
	})
}

// EventReceipt says what became of a request's events.
type EventReceipt struct {
	Accepted int `json:"accepted"`
	// Dropped events found no room.
	Dropped int `json:"dropped"`
	// Ignored events are neither requests nor answers of a model.
	Ignored int `json:"ignored"`
}

func listen(r *http.Request, body []byte, listener Listener, experiments []string) (receipt EventReceipt, err error) {
	q := r.URL.Query()
	var asked *string
	if q.Has("experiment") {
		asked = new(string)
		*asked = q.Get("experiment")
	}
	id, err := choose(asked, experiments, "events")
	if err != nil {
		return receipt, err
	}
	events, err := decodeEvents(r.Header, body)
	if err != nil {
		return receipt, err
	}
	for i := range events {
		e, ok, err := events[i].read(q.Get("version"))
		switch {
		case err != nil:
			return receipt, err
		case !ok:
			receipt.Ignored++
			continue
		}
		taken, err := listener.Listen(id, &e)
		switch {
		case err != nil:
			return receipt, err
		case taken:
			receipt.Accepted++
		default:
			receipt.Dropped++
		}
	}
	return receipt, nil
}

// cloudEvent is an event by its attributes' names in lower case, and its data.
type cloudEvent struct {
	attributes map[string]string
	data       []byte
}

const eventHint = "send CloudEvents 1.0: Ce-Id, Ce-Type and Ce-Source as headers with the payload as body, or application/cloudevents+json"

// decodeEvents reads the events of a request, whatever their mode.
func decodeEvents(head http.Header, body []byte) ([]cloudEvent, error) {
	media, _, _ := mime.ParseMediaType(head.Get("Content-Type"))
	var list []map[string]json.RawMessage
	switch media {
	case "application/cloudevents+json":
		var one map[string]json.RawMessage
		if err := json.Unmarshal(body, &one); err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "the event is not a JSON object").WithHint(eventHint)
		}
		list = append(list, one)
	case "application/cloudevents-batch+json":
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "the events are not a JSON list of objects").WithHint(eventHint)
		}
	default:
		e := cloudEvent{attributes: map[string]string{}, data: body}
		for name, values := range head {
			if after, ok := strings.CutPrefix(name, "Ce-"); ok && len(values) > 0 {
				e.attributes[strings.ToLower(after)] = values[0]
			}
		}
		return []cloudEvent{e}, nil
	}
	if len(list) > MaxEvents {
		return nil, experiment.Errorf(experiment.CodeInvalid, "%d events in one request: want at most %d", len(list), MaxEvents)
	}
	events := make([]cloudEvent, 0, len(list))
	for _, raw := range list {
		e, err := structured(raw)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// structured reads an event whose attributes and data stand in one object.
func structured(raw map[string]json.RawMessage) (cloudEvent, error) {
	e := cloudEvent{attributes: map[string]string{}}
	for name, value := range raw {
		switch name {
		case "data":
			e.data = value
		case "data_base64":
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return e, experiment.InvalidAt("data_base64", "is not a string").WithHint(eventHint)
			}
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return e, experiment.InvalidAt("data_base64", "is not base64").WithHint(eventHint)
			}
			e.data = data
		default:
			var text string
			if json.Unmarshal(value, &text) == nil { // Attributes that are no text are not used here.
				e.attributes[strings.ToLower(name)] = text
			}
		}
	}
	return e, nil
}

// read makes of an event what Headgate knows; false is that it is of no request
// or answer.
func (c *cloudEvent) read(version string) (e experiment.Event, ok bool, err error) {
	a := c.attributes
	switch kind := a["type"]; {
	case kind == "":
		return e, false, experiment.InvalidAt("Ce-Type", "is missing").WithHint(eventHint)
	case strings.HasSuffix(kind, ".inference.request"):
		e.Kind = experiment.EventRequest
	case strings.HasSuffix(kind, ".inference.response"):
		e.Kind = experiment.EventResponse
	default:
		return e, false, nil
	}
	// Seldon gives each event an id of its own and the request's in an
	// extension.
	if e.ID = a["requestid"]; e.ID == "" {
		e.ID = a["id"]
	}
	if e.ID == "" || len(e.ID) > experiment.MaxOutcomeText {
		return e, false, experiment.InvalidAt("Ce-Id", "has %d bytes: want 1 to %d", len(e.ID), experiment.MaxOutcomeText).WithHint(eventHint)
	}
	if at := a["time"]; at != "" {
		if e.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return e, false, experiment.InvalidAt("Ce-Time", "%s is no time of RFC 3339", quote(at)).WithHint("leave it out, or send it as 2026-11-21T11:26:00Z")
		}
	}
	for _, name := range []string{version, metadataVersion(a["metadata"]), a["endpoint"], a["modelid"], a["inferenceservicename"]} {
		if name != "" {
			e.Names = append(e.Names, name)
		}
	}
	e.Path, e.Body = a["path"], c.data
	return e, true, nil
}

// metadataVersion is the version in the headers that KServe's logger was told to
// pass on (metadataHeaders).
func metadataVersion(metadata string) string {
	var headers map[string]json.RawMessage
	if json.Unmarshal([]byte(metadata), &headers) != nil {
		return ""
	}
	for name, value := range headers {
		if !strings.EqualFold(name, "X-Headgate-Version") {
			continue
		}
		var one string
		var several []string
		switch {
		case json.Unmarshal(value, &one) == nil:
			return one
		case json.Unmarshal(value, &several) == nil && len(several) > 0:
			return several[0]
		}
	}
	return ""
}
