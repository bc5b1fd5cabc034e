// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// killFile marks an experiment as killed, for this process and the next.
const killFile = "killed.json"

// WriteKill marks the experiment in a directory as killed. A process that runs
// it must be told too; one that is started later finds the mark. A mark that is
// there stays as it is.
func WriteKill(dir string, c experiment.Command) error {
	name := filepath.Join(dir, killFile)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	text, err := json.Marshal(c)
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "mark the kill: %w", err)
	}
	f, err := os.CreateTemp(dir, ".killed-")
	if err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "mark the kill: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return experiment.Errorf(experiment.CodeUnavailable, "mark the kill: %w", err)
	}
	return nil
}

// ReadKill finds the mark of a kill.
func ReadKill(dir string) (experiment.Command, bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, killFile))
	if errors.Is(err, fs.ErrNotExist) {
		return experiment.Command{}, false, nil
	}
	c := experiment.Command{Verb: experiment.VerbKill}
	if err != nil {
		return c, true, experiment.Errorf(experiment.CodeUnavailable, "read the mark of a kill: %w", err)
	}
	if json.Unmarshal(text, &c) != nil || c.ID == "" {
		// A mark that cannot be read is a mark: the way back needs no reason.
		c = experiment.Command{ID: "unreadable-kill", Verb: experiment.VerbKill, Reason: "the mark of the kill cannot be read"}
	}
	c.Verb = experiment.VerbKill
	return c, true, nil
}

// LiftKill takes the mark away, where there is one.
func LiftKill(dir string) error {
	if err := os.Remove(filepath.Join(dir, killFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return experiment.Errorf(experiment.CodeUnavailable, "lift the kill: %w", err)
	}
	return nil
}
