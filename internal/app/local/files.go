// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// dirLock makes sure that one process at a time runs in a directory. The lock
// goes with the process, however it ends; the file goes when it ends well.
type dirLock struct{ file *os.File }

// lockDir takes the lock of a directory.
func lockDir(dir string) (*dirLock, error) {
	name := filepath.Join(dir, "lock")
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "open the data directory: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			return nil, experiment.Errorf(experiment.CodeConflict, "the data directory %s is in use by another process", dir).
				WithHint("stop that run, or choose another directory")
		}
		// The holder before may have removed the file between open and lock;
		// then this is a lock on nothing.
		mine, errMine := f.Stat()
		there, errThere := os.Stat(name)
		if errMine == nil && errThere == nil && os.SameFile(mine, there) {
			return &dirLock{f}, nil
		}
		_ = f.Close()
	}
}

// Close removes the file and lets the lock go, in this order.
func (l *dirLock) Close() error {
	return errors.Join(os.Remove(l.file.Name()), l.file.Close())
}

// openKey reads the key of exposure tokens, or makes one that only its owner
// can read.
func openKey(path string) (*experiment.Key, error) {
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, experiment.KeySize)
		_, _ = rand.Read(secret) // Never fails: crypto/rand crashes instead.
		err = os.WriteFile(path, secret, 0o600)
	}
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the exposure key: %w", err)
	}
	return experiment.NewKey(secret)
}
