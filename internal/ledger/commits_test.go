// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// cutter stands between a ledger and PostgreSQL, and cuts a connection around a
// COMMIT: before the server has heard of it, or before anybody hears of its
// answer.
type cutter struct {
	t        *testing.T
	ln       net.Listener
	network  string
	upstream string
	wg       sync.WaitGroup

	// cut is what to do with the next COMMIT; away refuses connections.
	cut  atomic.Int32
	away atomic.Bool
	cuts atomic.Int32

	mu    sync.Mutex
	conns map[net.Conn]bool
}

const (
	cutNothing int32 = iota
	cutBefore
	cutAfter
)

func newCutter(t *testing.T, host string, port uint16) *cutter {
	t.Helper()
	network, upstream := pgconn.NetworkAddress(host, port) // Perhaps a socket in a directory.
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{t: t, ln: ln, network: network, upstream: upstream, conns: map[net.Conn]bool{}}
	c.wg.Go(c.accept)
	return c
}

// close is to be called when whoever uses it has ended.
func (c *cutter) close() {
	_ = c.ln.Close()
	c.mu.Lock()
	for conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

func (c *cutter) accept() {
	for {
		client, err := c.ln.Accept()
		if err != nil {
			return
		}
		if c.away.Load() {
			_ = client.Close()
			continue
		}
		server, err := new(net.Dialer).DialContext(c.t.Context(), c.network, c.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		c.mu.Lock()
		c.conns[client], c.conns[server] = true, true
		c.mu.Unlock()
		var deaf atomic.Bool
		c.wg.Go(func() { c.requests(client, server, &deaf) })
		c.wg.Go(func() { c.answers(client, server, &deaf) })
	}
}

// requests forwards the client's messages whole, and looks for a COMMIT.
func (c *cutter) requests(client, server net.Conn, deaf *atomic.Bool) {
	defer func() { _, _ = client.Close(), server.Close() }()
	head := make([]byte, 5)
	// The first message has no type.
	if _, err := io.ReadFull(client, head[1:]); err != nil {
		return
	}
	if !c.forward(client, server, head[1:], head[1:]) {
		return
	}
	var name string
	var committing bool
	for {
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		// A statement is parsed (P) under a name once, and bound (B) by it each
		// time: what is looked for is the Sync (S) that ends a batch with a COMMIT.
		switch parts := bytes.SplitN(body, []byte{0}, 3); {
		case head[0] == 'P' && string(parts[1]) == "COMMIT":
			name = string(parts[0])
		case head[0] == 'B' && name != "" && string(parts[1]) == name:
			if c.cut.CompareAndSwap(cutBefore, cutNothing) {
				c.cuts.Add(1)
				return // The server has all but this, and the rest of nothing.
			}
			committing = true
		}
		if head[0] == 'S' && committing {
			committing = false
			if c.cut.CompareAndSwap(cutAfter, cutNothing) {
				c.cuts.Add(1)
				deaf.Store(true)
			}
		}
		if _, err := server.Write(append(head[:5:5], body...)); err != nil {
			return
		}
	}
}

func (c *cutter) forward(from, to net.Conn, head, length []byte) bool {
	body := make([]byte, binary.BigEndian.Uint32(length)-4)
	if _, err := io.ReadFull(from, body); err != nil {
		return false
	}
	_, err := to.Write(append(head[:len(head):len(head)], body...))
	return err == nil
}

// answers forwards the server's bytes until nobody is to hear of them: then it
// waits for the answer, which says that the COMMIT was made, and hangs up.
func (c *cutter) answers(client, server net.Conn, deaf *atomic.Bool) {
	defer func() { _, _ = client.Close(), server.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if deaf.Load() {
			if bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
				return
			}
			continue
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// through is the database's URL by way of the cutter.
func (c *cutter) through(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if host := q.Get("host"); host != "" {
		q.Set("host", "127.0.0.1")
		q.Set("port", fmt.Sprint(c.ln.Addr().(*net.TCPAddr).Port))
	} else {
		u.Host = c.ln.Addr().String()
	}
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

// inOneCommit takes an outcome and a prediction into one commit, which the
// cutter meets as cut says. The writer is held until both wait for it: it would
// otherwise commit the prediction alone whenever the outcome comes a little later.
func (c *cutter) inOneCommit(l *Ledger, cut int32, p experiment.Prediction, o experiment.UnitOutcome) (r experiment.Receipt, err error) {
	c.t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		hold := func(*writer) error {
			close(entered)
			<-leave
			return nil
		}
		// What holds the writer has a commit of its own, which is not to be cut.
		if err := l.do(context.Background(), &job{solo: true, run: hold, committed: func() { c.cut.Store(cut) }}); err != nil {
			c.t.Error(err)
		}
	})
	<-entered
	if !l.Predict(&p) {
		c.t.Error("the prediction was dropped")
	}
	wg.Go(func() { r, err = l.Record(context.Background(), "search/ranker", []experiment.UnitOutcome{o}) })
	for len(l.jobs) == 0 && c.t.Context().Err() == nil {
		runtime.Gosched()
	}
	close(leave)
	wg.Wait()
	return r, err
}

// TestACommitInDoubtIsSettled: what was stored when the connection broke is not
// stored again, and what was not is, whether it has a key or not.
func TestACommitInDoubtIsSettled(t *testing.T) {
	direct := server.Database(t)
	cfg := mustParse(t, direct)
	c := newCutter(t, cfg.Host, cfg.Port)
	t.Cleanup(c.close)
	l := openShadow(t, c.through(t, direct), nil, func() time.Time { return t0 })
	outcome := func() experiment.UnitOutcome {
		return experiment.UnitOutcome{Unit: "u", Event: "purchase", Value: 1, At: t0}
	}
	l.Expose(exposure("u", 1, t0), 0)
	wantReceipt(t, mustRecord(t, l, outcome()), experiment.Receipt{Accepted: 1})

	want := func(outcomes, predictions int64) {
		t.Helper()
		if o, p := query(t, l, `SELECT count(*) FROM outcomes`), query(t, l, `SELECT count(*) FROM predictions`); o != outcomes || p != predictions {
			t.Errorf("%d outcomes, %d predictions; want %d, %d", o, p, outcomes, predictions)
		}
	}
	predicted := func(n int) experiment.Prediction { // Nothing makes two of them one.
		return prediction("u", fmt.Sprint(n), 1, t0, "cat", .5)
	}
	// The answer does not come: it was made, and is told to have been.
	receipt, err := c.inOneCommit(l, cutAfter, predicted(1), outcome())
	if err != nil {
		t.Fatal(err)
	}
	wantReceipt(t, receipt, experiment.Receipt{Accepted: 1})
	want(2, 1)
	// The server does not hear of it: it was not made, which is told.
	_, err = c.inOneCommit(l, cutBefore, predicted(2), outcome())
	if experiment.CodeOf(err) != experiment.CodeUnavailable || experiment.HintOf(err) != "nothing of it was stored; try again" {
		t.Errorf("error %v, hint %q", err, experiment.HintOf(err))
	}
	wantReceipt(t, mustRecord(t, l, outcome()), experiment.Receipt{Accepted: 1})
	want(3, 2)
	// The database is away after that: nobody knows until it is back. What was
	// pending and is stored is not stored again.
	c.away.Store(true)
	_, err = c.inOneCommit(l, cutAfter, predicted(3), outcome())
	if experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Fatalf("error %v", err)
	}
	if p := predicted(4); !l.Predict(&p) {
		t.Fatal("the prediction was dropped")
	}
	c.away.Store(false)
	for { // Until it has noticed.
		_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{{Unit: "u", Event: "purchase", Value: 1, At: t0, Key: "last"}})
		if err == nil {
			break
		}
		if experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Fatal(err)
		}
	}
	want(5, 4)
	if n := c.cuts.Load(); n != 3 {
		t.Errorf("the connection was cut %d times, want 3", n)
	}
	if n := query(t, l, `SELECT count(*) FROM commits`); n != 1 {
		t.Errorf("%d rows of commits, want this process's", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// failingCommit is a store whose commit is made, or not, and fails all the same.
type failingCommit struct {
	store
	made *bool
	left *int
}

func (s failingCommit) commit(ctx context.Context) error {
	if *s.left == 0 {
		return s.store.commit(ctx)
	}
	*s.left--
	if *s.made {
		if err := s.store.commit(ctx); err != nil {
			return err
		}
	} else {
		s.store.rollback(ctx)
	}
	return errors.New("the connection broke")
}

// TestAFailedCommitIsLookedFor on both stores alike.
func TestAFailedCommitIsLookedFor(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		l.Expose(exposure("u", 1, t0), 0)
		o := experiment.UnitOutcome{Unit: "u", Event: "purchase", Value: 1, At: t0}
		wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Accepted: 1})
		made, left := true, 0
		if err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error {
			w.store = failingCommit{w.store, &made, &left}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		left = 1
		wantReceipt(t, mustRecord(t, l, o, experiment.UnitOutcome{Unit: "u", Event: "purchase", Value: 1, At: t0, Key: "k"}), experiment.Receipt{Accepted: 2})
		made, left = false, 1
		if code := recordCode(t, l, o); code != experiment.CodeUnavailable {
			t.Errorf("code %q, want unavailable", code)
		}
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Unit: "u", Event: "purchase", Value: 1, At: t0, Key: "k"}), experiment.Receipt{Duplicates: 1})
		if n := query(t, l, `SELECT count(*) FROM outcomes`); n != 3 {
			t.Errorf("%d outcomes, want 3", n)
		}
		// Other processes' commits are forgotten after a while.
		if err := l.do(t.Context(), &job{solo: true, run: func(w *writer) error {
			return w.store.later(w.ctx, sqlSetCommit, int64(1), int64(1), t0.UnixMilli())
		}}); err != nil {
			t.Fatal(err)
		}
		c.set(t0.Add(2 * commitsKept))
		mustRecord(t, l, experiment.UnitOutcome{Unit: "u", Event: "purchase", Value: 1, At: t0, Key: "k"})
		if n := query(t, l, `SELECT count(*) FROM commits`); n != 1 {
			t.Errorf("%d rows of commits, want this process's", n)
		}
	})
}
