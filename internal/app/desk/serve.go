// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/suggest"
	"github.com/headgate-dev/headgate/web"
)

// Names inside the data directory: that of the control socket, and that of the
// record's file in an experiment's own directory.
const (
	SocketName = "control.sock"
	RecordFile = "record.db"
)

// Loopback is a free port that only this machine can reach.
const Loopback = "127.0.0.1:0"

// DirOf is the name of an experiment's directory inside the data directory.
func DirOf(id string) string { return strings.ReplaceAll(id, "/", "_") }

// Experiment is one that a process runs.
type Experiment interface {
	httpapi.Experiment
	// ID is its namespace and name, or its name alone.
	ID() string
}

// Desk has the servers of a process.
type Desk struct {
	log     *slog.Logger
	servers []Server
	wg      sync.WaitGroup
}

// New makes a desk without servers.
func New(log *slog.Logger) *Desk { return &Desk{log: log} }

// Server is what serves, can be asked to end, and ended.
type Server interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// Start lets a server go.
func (d *Desk) Start(s Server, ln net.Listener) {
	d.servers = append(d.servers, s)
	d.wg.Go(func() {
		if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("a server stopped", "address", ln.Addr().String(), "error", err)
		}
	})
}

// Serve starts the page with its API, beside what mux has already, and the
// control socket.
func Serve[E Experiment](d *Desk, all []E, mux *http.ServeMux, api, control net.Listener) {
	found := experiments[E](all)
	// A browser reads these; a page of another site must not read them through
	// it.
	pages := http.NewServeMux()
	httpapi.Read(pages, found)
	streams := map[string]*httpapi.Stream{}
	server := NewServer(mux)
	for _, e := range all {
		streams[e.ID()] = httpapi.NewStream(e)
		server.RegisterOnShutdown(streams[e.ID()].Stop)
	}
	pages.HandleFunc("GET /v1/experiment/events", func(w http.ResponseWriter, req *http.Request) {
		e, err := Find(all, req.URL.Query().Get("name"))
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		streams[e.ID()].ServeHTTP(w, req)
	})
	pages.Handle("/", httpapi.Page(web.FS()))
	mux.Handle("/", httpapi.OnlyThisMachine(pages))
	d.Start(server, api)

	verbs := http.NewServeMux()
	httpapi.Read(verbs, found)
	httpapi.Control(verbs, found)
	d.Start(NewServer(verbs), control)
}

// NewServer is an HTTP server with bounds; streams lift the write time-out for
// themselves.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// closeWithin bounds how long servers may take to drain.
const closeWithin = time.Second

// Drain ends the servers: those that do not end in time are cut off. Wait waits
// for them.
func (d *Desk) Drain() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var wg sync.WaitGroup
	for _, s := range d.servers {
		wg.Go(func() {
			if s.Shutdown(ctx) != nil {
				_ = s.Close() // It was asked nicely.
			}
		})
	}
	wg.Wait()
}

// Wait returns when every server has ended.
func (d *Desk) Wait() { d.wg.Wait() }

// experiments are what the API shows.
type experiments[E Experiment] []E

// Find gives the API an experiment by name.
func (es experiments[E]) Find(name string) (httpapi.Experiment, error) {
	e, err := Find(es, name)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// All gives the API every experiment.
func (es experiments[E]) All() []httpapi.Experiment {
	all := make([]httpapi.Experiment, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// Find gives the experiment of a name, with or without its namespace; with an
// empty name the only one. The error says which there are.
func Find[E interface{ ID() string }](all []E, id string) (E, error) {
	var none E
	if id == "" && len(all) == 1 {
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.ID()
		_, name, qualified := strings.Cut(names[i], "/")
		if id != "" && (names[i] == id || qualified && name == id) {
			return e, nil
		}
	}
	if id == "" {
		return none, experiment.Errorf(experiment.CodeInvalid, "several experiments run here: name one").WithHint("one of %v", names)
	}
	e := experiment.Errorf(experiment.CodeNotFound, "no experiment is called %q", id)
	if near := suggest.Closest(id, names); near != "" {
		return none, e.WithHint("did you mean %s?", near)
	}
	return none, e.WithHint("running here: %v", names)
}

// Listen opens an address; what says for whom.
func Listen(ctx context.Context, what, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "listen for the %s on %s: %w", what, address, err).
			WithHint("choose another port, or 0 for any free one")
	}
	return ln, nil
}

// CloseListener closes one that may be nil or closed already.
func CloseListener(ln net.Listener) error {
	if ln == nil {
		return nil
	}
	if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// maxSocket is the longest path that a unix socket may have on every system.
const maxSocket = 100

// ListenControl opens the control socket of a data directory for its owner only.
// One that a dead process left behind is replaced: the directory's lock, which
// the caller holds, says that it is dead.
func ListenControl(data string) (net.Listener, error) {
	path := filepath.Join(data, SocketName)
	if len(path) > maxSocket {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the path of the control socket %s has %d bytes: at most %d", path, len(path), maxSocket).
			WithHint("choose a data directory with a shorter name")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "replace the control socket: %w", err)
	}
	// The mask keeps others out between making the socket and chmod.
	old := syscall.Umask(0o177)
	ln, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "open the control socket: %w", err)
	}
	return ln, nil
}
