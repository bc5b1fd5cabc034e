// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	dataplane "github.com/headgate-dev/headgate/internal/gateway"
)

// lastFile is the last good snapshot, in the data directory.
const lastFile = "snapshot.json"

// lookEvery is the time between two looks at the followed file.
const lookEvery = 500 * time.Millisecond

// maxSnapshot bounds a snapshot's file, in bytes.
const maxSnapshot = 4 << 20

// settled is how old a file's time must be before it is trusted to change with
// the content: two writes within one tick of a file system's clock share it.
const settled = 3 * time.Second

// follower serves what a file says, and remembers it.
type follower struct {
	path    string
	gateway *dataplane.Gateway
	data    *datadir.Dir
	windows *windows
	log     *slog.Logger

	// info and seen are the file as it was last read; unreadable is why it
	// could not be, said once.
	info       fs.FileInfo
	seen       string
	unreadable string
	// unsaved is a snapshot that serves and could not be kept yet.
	unsaved []byte

	mu    sync.Mutex
	state snapshotState

	refused  prometheus.Counter
	readable prometheus.Gauge
	saved    prometheus.Gauge
	served   *prometheus.GaugeVec
}

// snapshotState is what /v1/snapshot answers.
type snapshotState struct {
	Experiment string `json:"experiment,omitempty"`
	Sequence   uint64 `json:"sequence"`
	// Hash is the SHA-256 of the file's bytes.
	Hash  string    `json:"hash,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Saved says that the data directory holds this snapshot: a restart serves
	// it. It is served first and kept then, since a kill waits for no disk.
	Saved bool `json:"saved"`
	// Refused is the newest snapshot that was refused, until one is served.
	Refused *refusedSnapshot `json:"refused,omitempty"`
}

type refusedSnapshot struct {
	Hash   string    `json:"hash"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

func newFollower(path string, g *dataplane.Gateway, d *datadir.Dir, w *windows, registry prometheus.Registerer, log *slog.Logger) *follower {
	f := &follower{
		path: path, gateway: g, data: d, windows: w, log: log,
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headgate_gateway_snapshots_refused_total", Help: "Snapshots that were refused; the last good one serves on.",
		}),
		readable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headgate_gateway_snapshot_readable", Help: "1 while the followed file can be read.",
		}),
		saved: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "headgate_gateway_snapshot_saved", Help: "1 while the data directory holds the snapshot that is served: a restart will serve it.",
		}),
		served: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headgate_gateway_snapshot_info", Help: "1, with the SHA-256 of the snapshot that is served.",
		}, []string{"hash"}),
	}
	registry.MustRegister(f.refused, f.readable, f.saved, f.served)
	return f
}

// restore serves the last good snapshot of an earlier process. What that
// process had counted is gone, which windows must say.
func (f *follower) restore(now time.Time) {
	text, err := readBounded(f.data.Path(lastFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		f.log.Error("cannot read the last good snapshot", "error", err)
		return
	}
	if f.serve(text, now, true) {
		f.keptAs(true)
	}
}

// standIn serves all requests by one URL, until there is a snapshot: a gateway
// that knows nothing else still answers. Nothing of it is evidence.
func (f *follower) standIn(backend string, now time.Time) error {
	if f.gateway.Snapshot() != nil {
		return nil
	}
	s := &experiment.Snapshot{Routes: []experiment.Route{{
		Experiment: nobody, Assignment: experiment.Assignment{Unit: experiment.Unit{Request: true}},
		Versions: []experiment.Version{{Name: "baseline", Backend: backend}}, PhaseStart: now, Window: time.Minute,
		Slots: experiment.SlotsOf(experiment.Baseline(1)),
	}}}
	if err := f.gateway.Swap(s); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "--baseline: %w", err).WithHint("name it by scheme, host and path, for example http://ranker-v1:8080")
	}
	f.log.Warn("there is no snapshot yet: the baseline answers every request")
	return nil
}

// nobody is whose route it is that stands in for a snapshot.
const nobody = "no-snapshot"

// look reads the file if it may have changed, and serves what it says.
func (f *follower) look(now time.Time) {
	f.save(f.unsaved)
	if f.path == "" {
		return
	}
	info, err := os.Stat(f.path) // Of what a link leads to.
	if err == nil && f.unchanged(info, now) {
		return
	}
	var text []byte
	if err == nil {
		text, err = readBounded(f.path)
	}
	if err != nil {
		f.info = nil
		f.unread(err)
		return
	}
	f.info = info
	f.take(text, now)
}

// hear takes what is known of the followed ConfigMap.
func (f *follower) hear(n mapNews, now time.Time) {
	if n.err != nil {
		f.unread(n.err)
		return
	}
	f.take(n.text, now)
}

// unread says once why there is nothing to read.
func (f *follower) unread(err error) {
	f.readable.Set(0)
	if why := err.Error(); why != f.unreadable {
		f.unreadable = why
		f.log.Warn("cannot read the snapshot; what is served stays", "error", err)
	}
}

// take serves a text that was read, unless it was looked at before.
func (f *follower) take(text []byte, now time.Time) {
	f.readable.Set(1)
	f.unreadable = ""
	if hash := hashOf(text); hash != f.seen {
		f.seen = hash
		if hash != f.current().Hash && f.serve(text, now, false) {
			f.save(text)
		}
	}
}

// unchanged says whether the file is the one that was read last.
func (f *follower) unchanged(info fs.FileInfo, now time.Time) bool {
	return f.info != nil && os.SameFile(f.info, info) && f.info.Size() == info.Size() &&
		f.info.ModTime().Equal(info.ModTime()) && now.Sub(info.ModTime()) > settled
}

// serve serves a snapshot, or says why not.
func (f *follower) serve(text []byte, now time.Time, again bool) bool {
	hash := hashOf(text)
	s, err := readSnapshot(text)
	if err == nil {
		err = f.gateway.Swap(s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.refused.Inc()
		f.state.Refused = &refusedSnapshot{Hash: hash, At: now.UTC(), Reason: err.Error()}
		f.log.Error("refused a snapshot; what is served stays", "hash", hash, "serving", f.state.Sequence, "error", err, "hint", experiment.HintOf(err))
		return false
	}
	f.windows.open(&s.Routes[0], again)
	f.state = snapshotState{Experiment: s.Routes[0].Experiment, Sequence: s.Sequence, Hash: hash, Since: now.UTC()}
	f.setSaved(false)
	f.served.Reset()
	f.served.WithLabelValues(hash).Set(1)
	f.log.Info("serving a snapshot", "experiment", f.state.Experiment, "sequence", s.Sequence, "hash", hash, "fromDisk", again)
	return true
}

// save keeps a snapshot for the next process; if that fails, look tries again.
func (f *follower) save(text []byte) {
	if text == nil {
		return
	}
	if err := f.data.Write(lastFile, text); err != nil {
		if f.unsaved == nil {
			f.log.Error("cannot keep the snapshot: a restart would serve an older one", "error", err)
		}
		f.unsaved = text
		return
	}
	f.unsaved = nil
	f.keptAs(true)
}

// keptAs says whether what is served would outlive the process.
func (f *follower) keptAs(saved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setSaved(saved)
}

func (f *follower) setSaved(saved bool) {
	f.state.Saved = saved
	f.saved.Set(0)
	if saved {
		f.saved.Set(1)
	}
}

// current is what /v1/snapshot answers.
func (f *follower) current() snapshotState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// readBounded reads a file of at most maxSnapshot bytes.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSnapshot+1))
	if err == nil && len(text) > maxSnapshot {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSnapshot)
	}
	return text, err
}

// readSnapshot reads a snapshot and refuses what this program does not know:
// a field that it passed over could be the one that matters. The error never
// repeats a backend, which may hold a password.
func readSnapshot(text []byte) (*experiment.Snapshot, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s experiment.Snapshot
	if err := d.Decode(&s); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the snapshot: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the snapshot: there is more behind it at byte %d", d.InputOffset())
	}
	for i := range s.Routes {
		for _, v := range s.Routes[i].Versions {
			u, err := url.Parse(v.Backend)
			if err != nil || u.User != nil || u.Host == "" {
				return nil, experiment.Errorf(experiment.CodeInvalid, "snapshot %d: the backend of version %q is not a URL of scheme, host and path alone", s.Sequence, v.Name)
			}
		}
	}
	return &s, nil
}
