// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"iter"
	"path/filepath"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/internal/record/postgres"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
)

// recordStore keeps records and their journals.
type recordStore interface {
	Load(ctx context.Context, id string) (experiment.Record, error)
	Save(ctx context.Context, id string, r experiment.Record, entries ...experiment.Entry) (experiment.Record, error)
	Journal(ctx context.Context, id string, from int64) iter.Seq2[experiment.Entry, error]
	Close() error
}

// stores are where runs keep what they know.
type stores struct {
	record recordStore
	ledger *ledger.Ledger
}

// openDatabase opens the stores that all runs of a host share.
func openDatabase(ctx context.Context, url string, o ledger.Options) (*stores, error) {
	s := &stores{}
	record, err := postgres.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	s.record = record
	if s.ledger, err = ledger.OpenPostgres(ctx, url, o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openFiles opens the stores of one run in its directory.
func openFiles(ctx context.Context, dir string, o ledger.Options) (*stores, error) {
	s := &stores{}
	record, err := sqlite.Open(ctx, filepath.Join(dir, desk.RecordFile))
	if err != nil {
		return nil, err
	}
	s.record = record
	if s.ledger, err = ledger.Open(ctx, filepath.Join(dir, "ledger.db"), o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stores) close() error {
	var errs []error
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	return errors.Join(append(errs, s.record.Close())...)
}
