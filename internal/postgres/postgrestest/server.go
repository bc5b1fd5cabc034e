// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// envURL names a running server; envRun allows one to be started.
	envURL = "HEADGATE_POSTGRES"
	envRun = "HEADGATE_E2E"

	superuser = "headgate"
	// patience is how long a server may take to start or stop.
	patience = 60 * time.Second
)

// ErrNoServer says why there is no server to test with. Tests are skipped then.
var ErrNoServer = errors.New("no PostgreSQL to test with")

// Options are how a server runs.
type Options struct {
	// Durable waits for the disk at each commit, as a real server does.
	Durable bool
	// Settings are the server's, as in postgresql.conf: "max_connections=20".
	Settings []string
	// Certificate and Key, PEM, make the server listen on a free port of
	// 127.0.0.1 too, with TLS: LoopbackURL.
	Certificate, Key []byte
}

// Server is a running PostgreSQL.
type Server struct {
	bin, dir string
	password string
	port     int
	remote   *url.URL // a server that is not ours
	missing  error    // why there is none, for tests to skip
	options  Options

	mu   sync.Mutex
	next int // databases made so far

	process *process
}

// Start starts a server, or takes the one that HEADGATE_POSTGRES names.
// ErrNoServer when tests are not to start one, or none is installed.
func Start(ctx context.Context, o Options) (*Server, error) {
	if given := os.Getenv(envURL); given != "" {
		u, err := url.Parse(given)
		if err != nil {
			return nil, fmt.Errorf("%s is not a URL", envURL) // Not repeated: it may hold a password.
		}
		return &Server{remote: u}, nil
	}
	if os.Getenv(envRun) != "1" {
		return nil, fmt.Errorf("%w: %s=1 starts a server, %s=URL names one", ErrNoServer, envRun, envURL)
	}
	bin, err := findBin()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, password: rand.Text(), port: 5432, options: o} // The socket's name has the port.
	if err := s.create(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.first(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// first starts the server for the first time. A port that is free may be taken by
// another process before the server has it: then it is to be another one.
func (s *Server) first(ctx context.Context) (err error) {
	if !s.tls() {
		return s.Restart(ctx)
	}
	for range 10 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.Restart(ctx); err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

// findBin finds the folder with the server's programs: that of the PATH, else
// the newest of Debian's.
func findBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil && isFile(filepath.Join(filepath.Dir(real), "postgres")) {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	// Versions of one length: 9.6 is long gone, 100 far away.
	slices.Sort(found)
	for _, path := range slices.Backward(found) {
		if isFile(filepath.Join(filepath.Dir(path), "initdb")) {
			return filepath.Dir(path), nil
		}
	}
	return "", fmt.Errorf("%w: neither initdb in the PATH nor /usr/lib/postgresql/*/bin; install Debian's package postgresql", ErrNoServer)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// create makes the cluster's files. The folder's name is short, because a
// socket's path must be.
func (s *Server) create(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "hgpg")
	if err != nil {
		return err
	}
	s.dir = dir
	secret := filepath.Join(dir, "password")
	for path, text := range map[string][]byte{secret: []byte(s.password), s.certificate(): s.options.Certificate, s.key(): s.options.Key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if err := giveAway(path); err != nil {
			return err
		}
	}
	if err := giveAway(dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", superuser, "-A", "scram-sha-256",
		"--pwfile="+secret, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = dir
	cmd.Env = environment()
	if err := asOrdinaryUser(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func (s *Server) data() string        { return filepath.Join(s.dir, "data") }
func (s *Server) certificate() string { return filepath.Join(s.dir, "server.crt") }
func (s *Server) key() string         { return filepath.Join(s.dir, "server.key") }
func (s *Server) tls() bool           { return len(s.options.Certificate) > 0 }

// freePort is a port of the loopback that nobody listened on just now.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return ln.Addr().(*net.TCPAddr).Port, ln.Close()
}

// arguments are the server's.
func (s *Server) arguments() []string {
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port)}
	// A session that begins while the server ends holds it up for so long.
	settings := []string{"authentication_timeout=20"}
	if s.tls() {
		settings = append(settings, "listen_addresses=127.0.0.1", "ssl=on", "ssl_cert_file="+s.certificate(), "ssl_key_file="+s.key())
	} else {
		settings = append(settings, "listen_addresses=")
	}
	if !s.options.Durable {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	for _, setting := range append(settings, s.options.Settings...) {
		args = append(args, "-c", setting)
	}
	return args
}

// environment is that of the server's programs: plain words in its log, and
// nothing of ours.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
}

// process is a server that runs. A shell stands between: it ends the server
// when its input ends, which it does whatever becomes of us.
type process struct {
	input io.WriteCloser
	log   *tail
	ended chan struct{}
}

// watch starts the server and waits for it; whoever reads the input waits for
// its end, or for the name of a signal, and hands that on.
const watch = `exec 3<&0
"$@" </dev/null 3<&- & p=$!
{ read -r s <&3; kill -"${s:-INT}" $p; } 2>/dev/null & w=$!
wait $p; kill $w 2>/dev/null`

// Restart starts the server anew after a Crash.
func (s *Server) Restart(ctx context.Context) error {
	args := append([]string{"-c", watch, "sh", filepath.Join(s.bin, "postgres")}, s.arguments()...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir, cmd.Env = s.dir, environment()
	if err := asOrdinaryUser(cmd); err != nil {
		return err
	}
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	p := &process{input: input, log: &tail{ready: make(chan struct{})}, ended: make(chan struct{})}
	output, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() {
		defer close(p.ended)
		p.log.read(output) // Ends with the last process that writes to it.
		_ = cmd.Wait()     // How it ended is in the log.
	}()
	s.process = p
	select {
	case <-p.log.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("PostgreSQL ended at once:\n%s", p.log)
	case <-time.After(patience):
	case <-ctx.Done():
	}
	return errors.Join(fmt.Errorf("PostgreSQL is not ready:\n%s", p.log), p.end(""))
}

// end hands a signal on and waits for the end.
func (p *process) end(signal string) error {
	_, _ = io.WriteString(p.input, signal) // A shell that is gone needs none.
	_ = p.input.Close()
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("PostgreSQL does not end:\n%s", p.log)
	}
}

// Crash ends the server as a fault would: nothing is written any more, and the
// next start recovers. It is false when the server is not ours to crash.
func (s *Server) Crash() (bool, error) {
	if s.remote != nil {
		return false, nil
	}
	return true, s.process.end("QUIT\n")
}

// Stop ends the server and removes its files.
func (s *Server) Stop() error {
	if s.remote != nil {
		return nil
	}
	return errors.Join(s.process.end(""), s.remove())
}

func (s *Server) remove() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// tail keeps the end of a log and says when it tells of a server that is ready.
type tail struct {
	ready chan struct{}

	mu    sync.Mutex
	lines []string
}

// kept is how many lines of a log are kept.
const kept = 50

func (l *tail) read(r io.Reader) {
	told := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if !told && strings.Contains(lines.Text(), "database system is ready to accept connections") {
			told = true
			close(l.ready)
		}
		l.mu.Lock()
		if l.lines = append(l.lines, lines.Text()); len(l.lines) > kept {
			l.lines = slices.Delete(l.lines, 0, len(l.lines)-kept)
		}
		l.mu.Unlock()
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
