// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/headgate-dev/headgate/internal/record/sqlite"
)

// ExportJournal writes the journals in a record's file, one entry a line,
// without a running process.
func ExportJournal(ctx context.Context, file string, to io.Writer) (err error) {
	store, err := sqlite.Open(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ids, err := store.List(ctx)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(to)
	for _, id := range ids {
		for entry, err := range store.Journal(ctx, id, 0) {
			if err != nil {
				return err
			}
			if err := enc.Encode(&entry); err != nil {
				return err
			}
		}
	}
	return nil
}
