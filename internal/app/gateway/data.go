// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Files of the data directory.
const (
	keyFile  = "exposure.key"
	lastFile = "snapshot.json"
	lockFile = "lock"
)

// dataDir is the data directory, held by one process at a time: two would
// overwrite each other's last good snapshot. The lock goes with the process,
// however it ends.
type dataDir struct {
	dir  string
	lock *os.File
}

func openData(dir string) (*dataDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "make the data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, experiment.Errorf(experiment.CodeConflict, "the data directory %s is in use by another process", dir).
			WithHint("stop that process, or choose another directory with --data")
	}
	return &dataDir{dir, f}, nil
}

func (d *dataDir) close() error { return d.lock.Close() }

// key reads the key of exposure tokens, or makes one that only its owner can
// read. Gateways of one experiment need the same.
func (d *dataDir) key() (*experiment.Key, error) {
	path := filepath.Join(d.dir, keyFile)
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, experiment.KeySize)
		_, _ = rand.Read(secret) // Never fails: crypto/rand crashes instead.
		err = writeWhole(path, secret)
	}
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the exposure key: %w", err)
	}
	return experiment.NewKey(secret)
}

// last is the last good snapshot; nothing is fs.ErrNotExist.
func (d *dataDir) last() ([]byte, error) { return readBounded(filepath.Join(d.dir, lastFile)) }

// keep makes a snapshot the last good one.
func (d *dataDir) keep(text []byte) error { return writeWhole(filepath.Join(d.dir, lastFile), text) }

// writeWhole replaces a file of the data directory at once, and for good.
func writeWhole(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
