// SPDX-License-Identifier: Apache-2.0

//go:build unix

package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// ordinary is the account that the server runs as where we are root, as which
// it refuses to run; nil where we are not.
func ordinary() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

func asOrdinaryUser(cmd *exec.Cmd) error {
	c, err := ordinary()
	if c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	return err
}

// giveAway makes files that user's.
func giveAway(paths ...string) error {
	c, err := ordinary()
	if c == nil {
		return err
	}
	for _, path := range paths {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			return err
		}
	}
	return nil
}
