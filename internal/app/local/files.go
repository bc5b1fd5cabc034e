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

// lockDir makes sure that one process at a time runs in a directory. The lock
// goes with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "open the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, experiment.Errorf(experiment.CodeConflict, "the data directory %s is in use by another process", dir).
			WithHint("stop that run, or choose another directory")
	}
	return f, nil
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
