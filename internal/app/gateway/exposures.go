// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// maxQueued bounds the exposures that wait to be written.
	maxQueued = 1 << 14
	// gather is how long exposures are gathered for one write.
	gather = 10 * time.Millisecond
)

// exposureFile counts exposures and appends them to a file, if there is one.
// Taking one costs a copy under a lock: it is on every request's way.
type exposureFile struct {
	file io.WriteCloser // nil is none
	log  *slog.Logger

	mu      sync.Mutex
	pending []exposed
	spare   []exposed

	wake chan struct{} // holds a signal while something is pending
	stop chan struct{}
	done chan struct{}

	taken, written, lost prometheus.Counter

	// What follows belongs to the writer.
	line encoder
	torn bool // the last write may have ended within a line
	sick bool
}

// exposed is an exposure and the groups of its request.
type exposed struct {
	experiment.Exposure
	groups uint64
}

func openExposures(path string, registry prometheus.Registerer, log *slog.Logger) (*exposureFile, error) {
	x := &exposureFile{
		log: log, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		taken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_exposures_total", Help: "Exposures, written or not.",
		}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_exposures_written_total", Help: "Exposures that were written to the file.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_exposures_lost_total", Help: "Exposures that were taken and could not be written; those that were not taken are headgate_gateway_exposures_dropped_total.",
		}),
	}
	registry.MustRegister(x.taken, x.written, x.lost)
	if path == "" {
		close(x.done)
		return x, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the file of exposures: %w", err)
	}
	x.file, x.torn = file, endsWithin(file)
	go x.write()
	return x, nil
}

// endsWithin says whether a file ends within a line: the process that wrote it
// was killed.
func endsWithin(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var last [1]byte
	n, _ := f.ReadAt(last[:], info.Size()-1) // What cannot be read gets a line of its own, too.
	return n == 0 || last[0] != '\n'
}

// take queues an exposure; false drops it.
func (x *exposureFile) take(e experiment.Exposure, groups uint64) bool {
	x.taken.Inc()
	if x.file == nil {
		return true
	}
	x.mu.Lock()
	n := len(x.pending)
	if n < maxQueued {
		x.pending = append(x.pending, exposed{e, groups})
	}
	x.mu.Unlock()
	if n == 0 {
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
	return n < maxQueued
}

// write writes what is pending until close, and then the rest.
func (x *exposureFile) write() {
	defer close(x.done)
	pause := time.NewTimer(gather)
	defer pause.Stop()
	for {
		select {
		case <-x.stop:
			x.flush()
			return
		case <-x.wake:
		}
		pause.Reset(gather)
		select {
		case <-x.stop:
		case <-pause.C:
		}
		x.flush()
	}
}

// flush writes everything that is pending at once.
func (x *exposureFile) flush() {
	x.mu.Lock()
	batch := x.pending
	x.pending = x.spare[:0]
	x.mu.Unlock()
	x.spare = batch
	if len(batch) == 0 {
		return
	}
	x.line.buf = x.line.buf[:0]
	if x.torn {
		x.line.buf = append(x.line.buf, '\n')
	}
	for i := range batch {
		x.line.append(&batch[i])
	}
	if _, err := x.file.Write(x.line.buf); err != nil {
		x.lost.Add(float64(len(batch)))
		if !x.sick {
			x.log.Error("cannot write exposures; they are lost and counted until it works again", "error", err)
		}
		x.torn, x.sick = true, true
		return
	}
	x.written.Add(float64(len(batch)))
	x.torn, x.sick = false, false
}

// close writes what is pending and closes the file. Nothing may be taken any
// more.
func (x *exposureFile) close() error {
	if x.file == nil {
		return nil
	}
	close(x.stop)
	<-x.done
	return x.file.Close()
}

// encoder writes exposures as encoding/json would, and the groups of those that
// are in others than the first: the i-th number is the index of the group in
// the route's i-th segment.
type encoder struct {
	buf []byte
	// name is an experiment as JSON; second is the time that text stands for.
	name, quoted string
	second       int64
	text         []byte
}

func (w *encoder) append(e *exposed) {
	if e.Experiment != w.name || w.quoted == "" {
		quoted, err := json.Marshal(e.Experiment)
		if err != nil { // A string can always be written.
			return
		}
		w.name, w.quoted = e.Experiment, string(quoted)
	}
	b := append(append(w.buf, `{"experiment":`...), w.quoted...)
	b = strconv.AppendInt(append(b, `,"epoch":`...), int64(e.Epoch), 10)
	b = strconv.AppendInt(append(b, `,"phase":`...), int64(e.Phase), 10)
	b = strconv.AppendInt(append(b, `,"window":`...), e.Window, 10)
	b = strconv.AppendInt(append(b, `,"version":`...), int64(e.Version), 10)
	b = strconv.AppendInt(append(b, `,"propensity":`...), int64(e.Propensity), 10)
	b = strconv.AppendUint(append(b, `,"unit":`...), e.Unit, 10)
	b = append(b, `,"at":"`...)
	if s := e.At.Unix(); s != w.second || w.text == nil {
		w.second, w.text = s, e.At.UTC().AppendFormat(w.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, w.text...)
	for ns, unit := e.At.Nanosecond(), 100_000_000; unit > 0; unit /= 10 {
		b = append(b, byte('0'+ns/unit%10))
	}
	b = append(b, `Z"`...)
	for groups, sep := e.groups, `,"groups":[`; groups != 0; groups, sep = groups>>8, "," {
		b = strconv.AppendUint(append(b, sep...), groups&0xff, 10)
	}
	if e.groups != 0 {
		b = append(b, ']')
	}
	w.buf = append(b, "}\n"...)
}
