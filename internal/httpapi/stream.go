// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Viewer has the newest view of an experiment. View is called about once a
// second by each subscriber, concurrently, and must not wait.
type Viewer interface {
	View() view.Experiment
}

const (
	// MaxSubscribers bounds the streams that are open at once.
	MaxSubscribers = 64
	// MaxTick bounds the data of a tick, in bytes.
	MaxTick = 400

	lookEvery      = time.Second
	wholeEvery     = 5 * time.Second
	heartbeatEvery = 15 * time.Second
	// writeTimeout is how long a subscriber may take to make room for an event
	// before it is dropped.
	writeTimeout = 5 * time.Second
	retryAfter   = 2 * time.Second
)

// Stream answers GET /v1/experiment/events with server-sent events:
//
//   - view: the whole view, as GET /v1/experiment has it; at connect, whenever
//     something of its structure changed (stage, shares, a decision, a status,
//     health), and every few seconds for the figures that are in no tick
//   - tick: what moves in between, in at most MaxTick bytes; where that is
//     too little, a view instead
//   - end: the server is stopping; nothing follows
//
// Every event has an id. A subscriber that comes back with it (Last-Event-ID)
// gets a tick first, not a view, if the structure is still the one it knows.
//
// Each subscriber looks at the newest view itself, so nobody waits for
// anybody, there is no queue, and one that reads slowly misses views instead of
// holding them up; one that does not read at all is dropped.
type Stream struct {
	source Viewer
	places chan struct{}
	stop   chan struct{}
	once   sync.Once
}

// NewStream makes a stream of what source shows.
func NewStream(source Viewer) *Stream {
	return &Stream{source: source, places: make(chan struct{}, MaxSubscribers), stop: make(chan struct{})}
}

// Stop ends all open streams after the newest view; new ones end as soon. It
// returns at once and fits http.Server.RegisterOnShutdown.
func (s *Stream) Stop() { s.once.Do(func() { close(s.stop) }) }

// ServeHTTP serves one subscriber until its request or the stream ends.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, "GET", r.Method == http.MethodGet) {
		return
	}
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		WriteError(w, experiment.Errorf(experiment.CodeUnavailable, "%d streams are open already", MaxSubscribers).
			WithHint("close one, or poll GET /v1/experiment"))
		return
	}
	sub := subscriber{w: w, control: http.NewResponseController(w)}
	sub.structure, _, _ = strings.Cut(r.Header.Get("Last-Event-ID"), ".")
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	// The server's limits are for requests that end.
	if err := sub.control.SetReadDeadline(time.Time{}); err != nil {
		WriteError(w, fmt.Errorf("lift the read deadline of a stream: %w", err))
		return
	}
	// What fails from here on is the connection: there is nobody to tell.
	_ = s.serve(r.Context(), &sub)
}

// serve writes events until the request or the stream ends, or a write fails.
func (s *Stream) serve(ctx context.Context, sub *subscriber) error {
	if err := sub.write(fmt.Sprintf("retry: %d\n\n", retryAfter.Milliseconds())); err != nil {
		return err
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if err := sub.show(s.source.View(), time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			if err := sub.show(s.source.View(), time.Now()); err != nil {
				return err
			}
			return sub.write("event: end\ndata: {}\n\n")
		case <-look.C:
		}
	}
}

// subscriber is one open stream and what it was sent last.
type subscriber struct {
	w       http.ResponseWriter
	control *http.ResponseController

	structure string
	sentence  string
	at        time.Time // of the view sent last
	ticked    bool      // it was sent as a tick
	whole     time.Time // when the last whole view was sent
	wrote     time.Time
}

// show sends what the subscriber does not know of a view yet, or a heartbeat
// if it has heard nothing for long.
func (sub *subscriber) show(v view.Experiment, now time.Time) error {
	if sub.whole.IsZero() {
		sub.whole = now // A subscriber that resumes has seen a whole view.
	}
	due := now.Sub(sub.whole) >= wholeEvery
	switch same := v.At.Equal(sub.at); {
	case same && sub.ticked && due: // The figures that are in no tick.
	case same && now.Sub(sub.wrote) >= heartbeatEvery:
		return sub.write(": still here\n\n")
	case same:
		return nil
	}
	structure := structureOf(&v)
	event, data := "view", []byte(nil)
	var err error
	if structure == sub.structure && !due {
		if data, err = json.Marshal(tickOf(&v, sub.sentence)); err != nil {
			return fmt.Errorf("write a tick: %w", err)
		}
		event = "tick"
	}
	if event == "view" || len(data) > MaxTick {
		if data, err = json.Marshal(v); err != nil {
			return fmt.Errorf("write a view: %w", err)
		}
		event, sub.whole = "view", now
	}
	sub.structure, sub.sentence, sub.at, sub.ticked = structure, v.Verdict.Sentence, v.At, event == "tick"
	return sub.write(fmt.Sprintf("id: %s.%d\nevent: %s\ndata: %s\n\n", structure, v.At.UnixMilli(), event, data))
}

// write sends text now, or fails after writeTimeout.
func (sub *subscriber) write(text string) error {
	now := time.Now()
	if err := sub.control.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return fmt.Errorf("bound a write: %w", err)
	}
	if _, err := sub.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	if err := sub.control.Flush(); err != nil {
		return fmt.Errorf("flush an event: %w", err)
	}
	sub.wrote = now
	return nil
}

// structureOf identifies what of a view is structure: what a tick cannot
// change.
func structureOf(v *view.Experiment) string {
	h := fnv.New64a()
	put := func(parts ...string) {
		for _, p := range parts {
			_, _ = h.Write([]byte(p)) // A hash takes everything.
			_, _ = h.Write([]byte{0})
		}
	}
	put(v.Plan, v.Condition, v.Stage.Name, strconv.Itoa(v.Stage.Number), strconv.Itoa(v.Stage.Step))
	put(v.Verdict.Outcome, v.Verdict.Version, v.Verdict.Code, strconv.FormatBool(v.Health.OK))
	put(v.Health.Trouble...)
	for i := range v.Versions {
		put(v.Versions[i].Name, strconv.FormatFloat(v.Versions[i].Share, 'g', -1, 64))
	}
	for i := range v.Findings {
		f := &v.Findings[i]
		put(f.Version, f.Role, f.Metric, f.Status, f.Guarantee)
		// What says how to read an interval comes with it, and not in a tick.
		put(strconv.FormatBool(f.Interval != nil), strconv.FormatBool(f.Limit != nil), strconv.FormatFloat(f.Level, 'g', 6, 64))
	}
	for i := range v.Decisions {
		put(v.Decisions[i].At.Format(time.RFC3339Nano), v.Decisions[i].Act)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// tick is what moves between two decisions. Versions and comparisons stand in
// the order of the view, numbers rounded to the four digits that are shown.
type tick struct {
	At       int64   `json:"at"` // milliseconds since 1970
	Elapsed  float64 `json:"elapsed"`
	Stage    float64 `json:"stage"` // seconds in the stage
	Progress float64 `json:"progress"`
	// Versions has share, seen share, units and requests.
	Versions [][4]*float64 `json:"versions"`
	// Comparisons has estimate, low, high and sample of each finding that is
	// not an objective.
	Comparisons [][4]*float64 `json:"comparisons,omitempty"`
	// Sentence is that of the verdict, if it is another than before.
	Sentence string `json:"sentence,omitempty"`
}

// tickOf makes the tick of a view for one who knows a sentence.
func tickOf(v *view.Experiment, sentence string) tick {
	t := tick{At: v.At.UnixMilli(), Elapsed: *digits(&v.Elapsed), Stage: *digits(&v.Stage.Elapsed), Progress: *digits(&v.Stage.Progress)}
	for i := range v.Versions {
		x := &v.Versions[i]
		t.Versions = append(t.Versions, [4]*float64{digits(&x.Share), digits(x.Seen), count(x.Units), count(x.Requests)})
	}
	for i := range v.Findings {
		f := &v.Findings[i]
		if f.Role == string(experiment.RoleObjective) {
			continue
		}
		row := [4]*float64{digits(f.Estimate), nil, nil, count(f.N)}
		if f.Interval != nil {
			row[1], row[2] = digits(&f.Interval.Low), digits(&f.Interval.High)
		}
		t.Comparisons = append(t.Comparisons, row)
	}
	if v.Verdict.Sentence != sentence {
		t.Sentence = v.Verdict.Sentence
	}
	return t
}

// digits rounds to four significant ones.
func digits(f *float64) *float64 {
	if f == nil {
		return nil
	}
	x, err := strconv.ParseFloat(strconv.FormatFloat(*f, 'g', 4, 64), 64)
	if err != nil {
		return f // It was no number that a view could hold.
	}
	return &x
}

func count(n int64) *float64 {
	x := float64(n)
	return &x
}
