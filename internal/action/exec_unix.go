// SPDX-License-Identifier: Apache-2.0

//go:build unix

package action

import (
	"os/exec"
	"syscall"
)

// together has a command, and all that it starts, killed as one.
func together(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
