// SPDX-License-Identifier: Apache-2.0

// Package datadir is the directory in which a process keeps its files: one
// process at a time holds it, its key is made once, and what is written there is
// whole or not there, also after a crash.
package datadir

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Files of every data directory.
const (
	keyFile  = "exposure.key"
	lockFile = "lock"
)

// Dir is a data directory that this process holds.
type Dir struct {
	path string
	lock *os.File
}

// Open makes a directory that only its owner can read, unless it is there, and
// takes its lock. The lock goes with the process, however it ends; its file goes
// when it ends well. CodeConflict is that another process holds it.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "make the data directory: %w", err)
	}
	name := filepath.Join(path, lockFile)
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "open the data directory: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			return nil, experiment.Errorf(experiment.CodeConflict, "the data directory %s is in use by another process", path).
				WithHint("stop that process, or choose another directory with --data")
		}
		// The holder before may have removed the file between open and lock;
		// then this is a lock on nothing.
		mine, errMine := f.Stat()
		there, errThere := os.Stat(name)
		if errMine == nil && errThere == nil && os.SameFile(mine, there) {
			return &Dir{path, f}, nil
		}
		_ = f.Close()
	}
}

// Close removes the lock's file and lets the lock go, in this order.
func (d *Dir) Close() error {
	return errors.Join(os.Remove(d.lock.Name()), d.lock.Close())
}

// Path is the path of a file in the directory.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Key reads the directory's exposure key, or makes one that only its owner can
// read. Processes of one experiment need the same.
func (d *Dir) Key() (*experiment.Key, error) {
	secret, err := os.ReadFile(d.Path(keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, experiment.KeySize)
		_, _ = rand.Read(secret) // Never fails: crypto/rand crashes instead.
		err = d.Write(keyFile, secret)
	}
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the exposure key: %w", err)
	}
	return experiment.NewKey(secret)
}

// Write replaces a file at once, and for good: it returns when the file would
// outlive the machine's power.
func (d *Dir) Write(name string, text []byte) error {
	f, err := os.CreateTemp(d.path, "."+name+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.Path(name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
