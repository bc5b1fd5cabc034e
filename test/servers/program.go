// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// program is one command that is built from a tool module.
type program struct {
	name    string // of the binary
	module  string // the folder of the tool module, below this package's
	path    string // the import path of the command
	ldflags string
}

// kubernetesVersion is what the API server says it is: clients parse it, and
// the build sets it only if told.
const kubernetesVersion = "v1.36.3"

func programs() []program {
	const version = "-X k8s.io/component-base/version."
	kubernetes := strings.Join([]string{
		version + "gitVersion=" + kubernetesVersion, version + "gitMajor=1", version + "gitMinor=36",
		version + "gitTreeState=clean", version + "gitCommit=" + kubernetesVersion,
	}, " ")
	return []program{
		{"etcd", "etcd", "go.etcd.io/etcd/server/v3", ""},
		{"kube-apiserver", "apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetes},
		{"kubectl", "apiserver", "k8s.io/kubernetes/cmd/kubectl", kubernetes},
		{"pilot-discovery", "istiod", "istio.io/istio/pilot/cmd/pilot-discovery", ""},
		{"traefik", "traefik", "github.com/traefik/traefik/v3/cmd/traefik", ""},
		{"helm", "helm", "helm.sh/helm/v3/cmd/helm", ""},
	}
}

// Programs names what Binary can build, in the order in which tests want it.
func Programs() []string {
	var names []string
	for _, p := range programs() {
		names = append(names, p.name)
	}
	return names
}

// Binary is the path of a program, one of Programs. It is taken from the folder
// HEADGATE_TEST_BIN if that has it, else from the cache, where it is built first
// if it must be; another process that builds the same one is waited for. A
// build takes one to four minutes on two processors and needs the modules.
func Binary(ctx context.Context, name string) (string, error) {
	at := slices.IndexFunc(programs(), func(p program) bool { return p.name == name })
	if at < 0 {
		return "", fmt.Errorf("build %s: no such program, there are %s", name, strings.Join(Programs(), ", "))
	}
	p := programs()[at]
	if given := os.Getenv("HEADGATE_TEST_BIN"); given != "" {
		file, err := filepath.Abs(filepath.Join(given, name))
		if err == nil && executable(file) {
			return file, nil
		}
	}
	file, err := p.build(ctx)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return file, nil
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// build is the kept binary of the program.
func (p program) build(ctx context.Context) (string, error) {
	module, err := moduleDir(ctx, p.module)
	if err != nil {
		return "", err
	}
	key, err := p.key(ctx, module)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "headgate-test", p.name+"-"+key)
	file := filepath.Join(dir, p.name)
	if executable(file) {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if executable(file) { // Somebody else built it meanwhile.
		return file, nil
	}
	// It gets its name once it is whole.
	part := file + ".part"
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", p.flags(), "-o", part, p.path)
	cmd.Dir = module
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", p.path, err, out)
	}
	return file, os.Rename(part, file)
}

func (p program) flags() string { return strings.TrimSpace("-s -w " + p.ldflags) }

// key changes whenever another binary would come out.
func (p program) key(ctx context.Context, module string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(text), text)
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Dir = module
	toolchain, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	fmt.Fprintf(hash, "%s\n%s\n%s", p.path, p.flags(), toolchain)
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// moduleDir is the folder of a tool module: tests run in folders of module
// test/, and the tool modules lie below its folder servers.
func moduleDir(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "servers", name)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no tool module in %s: run this in a folder of module test/", dir)
	} else if err != nil {
		return "", err
	}
	return dir, nil
}

// lock takes the lock file, which ends with the process at the latest.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = poll(ctx, 100*time.Millisecond, func(context.Context) error {
		return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("wait for whoever else builds it: %w", err)
	}
	return func() { _ = file.Close() }, nil
}
