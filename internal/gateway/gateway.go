// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"hash/maphash"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// Options is what a gateway is made of. Only Key is required.
type Options struct {
	// Key seals exposure tokens and hides unit ids.
	Key *experiment.Key
	// Expose takes every exposure when it is assigned, with the groups that the
	// request is in: byte i is the index of its group in the route's i-th
	// segment. It must not block; false says that the exposure was dropped,
	// which is counted. Nil takes none.
	Expose func(e experiment.Exposure, groups uint64) bool
	// Paired takes what became of every copy that a mirror sent. It must not
	// block; false says that the pair was dropped, which is counted. Nil takes
	// none.
	Paired func(p *experiment.Pair) bool
	// Predicted takes predictions as rows, where the route asks for them. It must
	// not block, nor change them; false says that the row was dropped, which is
	// counted. Nil takes none.
	Predicted func(p *experiment.Prediction) bool
	// Now is the clock of evidence; time-outs run on the machine's own. The
	// default is time.Now.
	Now func() time.Time
	// Timeout bounds a whole exchange, streams and upgraded connections
	// included: what takes longer is cut off. The default is 30 s.
	Timeout time.Duration
	// MaxHeaderBytes bounds a request's head; beyond is 431. The default is
	// 64 KiB.
	MaxHeaderBytes int
	// MaxUnitBody is how many bytes of a body are read to find a unit or a
	// segment's group by JSON path. A longer body streams through, but has no
	// unit, and the group other. The default is 1 MiB.
	MaxUnitBody int64
	// MaxInFlight bounds the exchanges under way; beyond is 503, whatever the
	// version would be. The default is 4096.
	MaxInFlight int
	// Registry gets the metrics; nil keeps them to the gateway.
	Registry prometheus.Registerer
	// ErrorLog is where the server of Server writes what no answer can say,
	// such as the stack of a panic. Nil is nowhere.
	ErrorLog *log.Logger
}

func (o *Options) complete() error {
	if o.Key == nil {
		return experiment.Errorf(experiment.CodeInvalid, "gateway has no exposure key").
			WithHint("make one with experiment.NewKey")
	}
	if o.Timeout < 0 || o.MaxHeaderBytes < 0 || o.MaxUnitBody < 0 || o.MaxInFlight < 0 {
		return experiment.Errorf(experiment.CodeInvalid, "gateway limits are negative (timeout %s, header %d, unit body %d, in flight %d): want more than 0, or 0 for the defaults",
			o.Timeout, o.MaxHeaderBytes, o.MaxUnitBody, o.MaxInFlight)
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxHeaderBytes = cmp.Or(o.MaxHeaderBytes, defaultMaxHeaderBytes)
	o.MaxUnitBody = cmp.Or(o.MaxUnitBody, defaultMaxUnitBody)
	o.MaxInFlight = cmp.Or(o.MaxInFlight, defaultMaxInFlight)
	if o.Expose == nil {
		o.Expose = func(experiment.Exposure, uint64) bool { return true }
	}
	if o.Paired == nil {
		o.Paired = func(*experiment.Pair) bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.ErrorLog == nil {
		o.ErrorLog = log.New(io.Discard, "", 0)
	}
	return nil
}

// Gateway serves one experiment's traffic. It is safe for concurrent use.
type Gateway struct {
	options Options
	route   atomic.Pointer[route]
	cells   recorder
	metrics *metrics
	gate    gate
	full    *full
	pools   pools
	answers answerReader
	shadows shadows
	puids   puids
	copies  bodyCopies

	// healths is held by whoever changes what is served.
	healths healths

	// swapping is held by whoever changes what is served.
	swapping sync.Mutex

	// life ends with Close and takes every exchange with it.
	life context.Context
	end  context.CancelFunc
}

// New makes a gateway without a snapshot: until the first Swap it answers 503.
// It must be closed.
func New(o Options) (*Gateway, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	g := &Gateway{options: o, gate: newGate(o.MaxInFlight)}
	var err error
	if g.metrics, err = newMetrics(o.Registry, &g.route); err != nil {
		return nil, err
	}
	g.cells.metrics = g.metrics
	g.life, g.end = context.WithCancel(context.Background())
	g.answers.life = g.life
	g.shadows.open(g.life, o.Paired, &g.answers)
	g.answers.key, g.answers.predicted, g.answers.rowsDropped = o.Key, o.Predicted, g.metrics.predictions.rowsDropped
	g.full = newFull(g)
	g.pools.dial = new(net.Dialer).DialContext
	g.puids.seed = maphash.MakeSeed()
	return g, nil
}

// Swap serves a snapshot from now on; it must not be changed afterwards.
// Exchanges under way end as they began. A snapshot that fails its check, does
// not raise the sequence or contradicts what is being recorded is refused, and
// the last one serves on.
func (g *Gateway) Swap(s *experiment.Snapshot) error {
	g.swapping.Lock()
	defer g.swapping.Unlock()
	if err := checkSnapshot(s); err != nil {
		return err
	}
	old := g.route.Load()
	if old != nil && s.Sequence <= old.snapshot.Sequence {
		return experiment.Errorf(experiment.CodeConflict, "snapshot %d does not follow snapshot %d, which is served: the sequence must rise", s.Sequence, old.snapshot.Sequence)
	}
	r, err := compile(s)
	if err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, s.Routes[0].Experiment, err)
	}
	if r.redactor, err = prediction.NewRedactor(s.Routes[0].Redact, g.hashed); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, s.Routes[0].Experiment, err)
	}
	if r.mirror, err = g.newMirror(r, old, &s.Routes[0]); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, s.Routes[0].Experiment, err)
	}
	if r.log, err = g.cells.open(&s.Routes[0], r.predictions); err != nil {
		return err
	}
	for i := range r.versions {
		v := &r.versions[i]
		v.metrics = g.metrics.version(r.experiment, v.name)
		v.answers = g.metrics.heard(r.experiment, v.name, s.Routes[0].Answers)
		v.predictions = g.metrics.predictions.version(r.experiment, v.name, r.predictions)
		v.pool = g.pools.of(v.target)
	}
	g.healths.serve(g, r, &s.Routes[0].Rules)
	r.mirror.begin(g.life)
	g.route.Store(r)
	if old != nil && old.mirror != nil && old.mirror != r.mirror {
		old.mirror.stop()
	}
	return nil
}

// hashed is the keyed hash of a redacted value.
func (g *Gateway) hashed(value []byte) uint64 { return g.options.Key.HashUnit(string(value)) }

// Snapshot is what is served now; nil before the first Swap.
func (g *Gateway) Snapshot() *experiment.Snapshot {
	if r := g.route.Load(); r != nil {
		return r.snapshot
	}
	return nil
}

// Handler proxies everything that comes to the version of its unit.
func (g *Gateway) Handler() http.Handler { return g.full }

// fullServer is a server of Handler for HTTP/1.1 and cleartext HTTP/2, with
// limits on everything a client sends or leaves unsent. Whole exchanges are
// bounded by Options.Timeout; there is no write time-out that would break
// streams sooner.
func (g *Gateway) fullServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           g.full,
		Protocols:         &protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    g.options.MaxHeaderBytes,
		ErrorLog:          g.options.ErrorLog,
	}
}

// Seal gives the cells of a phase's windows from from on that ended the
// route's Lag before now and have no request in flight, and seals them for
// ever: a later call with the same from gives the same cells again, and
// perhaps more windows. Every request is bounded by Options.Timeout, so this
// always moves on. CodeConflict is a gap: the windows are dropped, or the
// gateway never served the phase.
func (g *Gateway) Seal(id string, epoch, phase int, from int64, now time.Time) (experiment.Seal, error) {
	if from < 0 {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeInvalid, "seal %s: from is %d: want 0 or more", id, from)
	}
	l := g.cells.find(phaseID{id, epoch, phase})
	if l == nil {
		return experiment.Seal{}, experiment.Errorf(experiment.CodeConflict, "seal %s: this gateway has no windows of phase %d.%d: a gap", id, epoch, phase)
	}
	return l.seal(from, now)
}

// Drop frees the sealed windows of a phase below upto: they are folded. It
// does nothing where there is nothing to free.
func (g *Gateway) Drop(id string, epoch, phase int, upto int64) {
	if l := g.cells.find(phaseID{id, epoch, phase}); l != nil {
		l.drop(upto)
	}
}

// Close refuses new exchanges, cuts off those under way (let the server's
// Shutdown drain them first) and waits until the last has ended, which a client
// that reads nothing can delay by Options.Timeout. Sealed evidence can be
// read afterwards.
func (g *Gateway) Close() error {
	g.end()
	g.gate.close()
	g.answers.close()
	g.shadows.close()
	g.full.transport.CloseIdleConnections()
	g.swapping.Lock()
	defer g.swapping.Unlock()
	g.healths.probing.Wait()
	g.metrics.unregister()
	return nil
}
