// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"cmp"
	"context"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

const (
	// defaultTimeout bounds a query where the provider does not say.
	defaultTimeout = 10 * time.Second
	// maxRows and maxRow, in bytes, bound what a query may give.
	maxRows = 100_000
	maxRow  = 1 << 20
)

// Options say how a database is read. Zero values mean the defaults named.
type Options struct {
	Provider experiment.SQLProvider
	// Secrets gives the value of a secret; nil refuses providers that name one.
	Secrets func(context.Context, experiment.Secret) (string, error)
	// Cluster says that whoever wrote the plan is not who runs this process: no
	// file of this machine, no password of its environment and no address of the
	// link is for them.
	Cluster bool
	// Concurrent bounds the connections (4), Windows how many windows are read at
	// once after a pause (60).
	Concurrent int
	Windows    int64
	// Failures in a row open the breaker (3), for Backoff (1 s) and longer.
	Failures int
	Backoff  time.Duration
}

// Source reads one database, for any number of experiments at once.
type Source struct {
	options Options
	timeout time.Duration
	places  chan struct{}
	breaker *remote.Breaker
}

// New checks a provider's settings. Nothing is opened yet.
func New(o Options) (*Source, error) {
	remote.OrElse(&o.Concurrent, 4)
	remote.OrElse(&o.Windows, 60)
	p := &o.Provider
	switch {
	case (p.Postgres == nil) == (p.SQLite == ""):
		return nil, invalid("a provider of SQL is either a PostgreSQL database, by the secret that is its URL, or the path of an SQLite file")
	case p.Postgres != nil && o.Secrets == nil:
		return nil, invalid("the database's URL is a secret, and nobody reads secrets here")
	case p.SQLite != "" && o.Cluster:
		return nil, invalid("in a cluster there are no SQLite files").WithHint("use postgres: {name: SECRET, key: KEY}, whose value is a URL")
	}
	return &Source{
		options: o, timeout: cmp.Or(p.Timeout, defaultTimeout),
		places: make(chan struct{}, o.Concurrent), breaker: remote.NewBreaker(o.Failures, o.Backoff),
	}, nil
}

// Hold is how long after its end a window is read.
func (s *Source) Hold() time.Duration { return s.options.Provider.Hold() }

// Open says whether the breaker is open.
func (s *Source) Open() bool { return s.breaker.Open() }

// Close does nothing: connections end with the reading that made them.
func (*Source) Close() {}

// rows takes what a query gives; an error ends it.
type rows interface {
	columns(names []string) error
	row(values []any) error
}

// session is a connection for one reading.
type session interface {
	// query runs one query of a metric for the time between two moments.
	query(ctx context.Context, q *query, from, to time.Time, into rows) error
	close()
}

// open takes a place and connects.
func (s *Source) open(ctx context.Context) (session, error) {
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return nil, unavailable("open a database: %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var made session
	var err error
	if s.options.Provider.Postgres != nil {
		made, err = s.openPostgres(ctx)
	} else {
		made, err = s.openSQLite(ctx)
	}
	if err != nil {
		<-s.places
		return nil, err
	}
	return &placed{made, s}, nil
}

// placed gives the place back.
type placed struct {
	session
	source *Source
}

func (p *placed) close() {
	p.session.close()
	<-p.source.places
}

// bounded counts rows.
type bounded struct {
	rows
	n int
}

func (b *bounded) row(values []any) error {
	if b.n++; b.n > maxRows {
		return invalid("the query gives more than %d rows", maxRows).WithHint("have the database sum them up: form moments has one row for each version")
	}
	return b.rows.row(values)
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

func unavailable(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeUnavailable, format, args...)
}
