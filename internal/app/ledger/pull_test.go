// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
	store "github.com/headgate-dev/headgate/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func testPlan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker",
		Versions: []experiment.Version{{Name: "v1", Backend: "http://v1"}, {Name: "v2", Backend: "http://v2"}},
		Metrics: []experiment.Metric{
			{Name: "purchase", Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: time.Minute}},
			{Name: "same", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		},
		Stages: []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole, Timeout: time.Second}}},
		Window: time.Minute, Lag: 10 * time.Second,
	}
}

// batch has two rows of its own.
func batch(gateway string, sequence uint64) *experiment.Batch {
	id := fmt.Sprintf("%s-%d", gateway, sequence)
	e := experiment.Exposure{Experiment: "search/ranker", Epoch: 1, Phase: 1, Propensity: experiment.Whole / 2, Unit: uint64(gateway[0])<<32 | sequence, At: t0.Add(time.Second)}
	return &experiment.Batch{
		Gateway: gateway, Sequence: sequence,
		Exposures: []experiment.GroupedExposure{{Exposure: e}},
		Pairs:     []experiment.Pair{{Experiment: e.Experiment, Epoch: 1, Phase: 1, Version: 1, ID: id, At: e.At, Compared: []experiment.Compared{{Value: 1}}}},
	}
}

// fake is a gateway that answers as a test says. It notes what it is asked.
type fake struct {
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []string
}

func (f *fake) set(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.RequestURI())
	answer := f.answer
	f.mu.Unlock()
	answer(w, r)
}

// gives answers with a batch, nothing with none.
func gives(b *experiment.Batch) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if b == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_ = json.NewEncoder(w).Encode(b) // Whoever asked may have gone.
	}
}

// bench is a puller between a fake gateway and a real store.
type bench struct {
	*puller
	t       *testing.T
	gateway *fake
	server  *httptest.Server
	ledger  *store.Ledger
	file    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, gateway: &fake{answer: gives(nil)}, file: filepath.Join(t.TempDir(), "ledger.db")}
	b.server = httptest.NewServer(b.gateway)
	t.Cleanup(b.server.Close)
	b.start()
	t.Cleanup(b.stop)
	return b
}

// start starts the side of the ledger, as a new process would.
func (b *bench) start() {
	b.t.Helper()
	key, err := experiment.NewKey(make([]byte, experiment.KeySize))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.ledger, err = store.Open(b.t.Context(), b.file, store.Options{Key: key}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.ledger.Register(testPlan()); err != nil {
		b.t.Fatal(err)
	}
	b.puller = &puller{
		url: b.server.URL, client: newClient(), store: b.ledger, log: slog.New(slog.DiscardHandler),
		pulled: newPulled(prometheus.NewRegistry()), within: time.Minute,
	}
}

func (b *bench) stop() {
	b.client.CloseIdleConnections()
	if err := b.ledger.Close(); err != nil {
		b.t.Error(err)
	}
}

// take pulls once, as run does, and wants a batch.
func (b *bench) take() {
	b.t.Helper()
	before := b.current()
	_, err := b.pull(b.t.Context())
	b.note(err)
	if after := b.current(); err != nil || after.Gateway == before.Gateway && after.Sequence == before.Sequence {
		b.t.Fatalf("error %v, %+v", err, after)
	}
}

// holds wants so many pairs and units in the store.
func (b *bench) holds(pairs, units int64) {
	b.t.Helper()
	for source, want := range map[experiment.Source]int64{experiment.SourcePairs: pairs, experiment.SourceExposures: units} {
		if got := counted(b.t, b.ledger, source); got != want {
			b.t.Errorf("the store has %d %s, want %d", got, source, want)
		}
	}
}

// counted seals the first window and sums it up.
func counted(t *testing.T, l *store.Ledger, source experiment.Source) (n int64) {
	t.Helper()
	s, err := l.Seal(t.Context(), source, "search/ranker", 1, 1, t0, 0, t0.Add(3*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cells {
		if c.Metric == experiment.CellMirrored || c.Metric == experiment.CellExposures {
			n += c.Counts.N
		}
	}
	return n
}

// TestAGatewayThatMisbehaves is asked again and stands in nobody's way: nothing
// is stored, the state says why, and what comes once it is well is taken.
func TestAGatewayThatMisbehaves(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"answers 500":       {text(500, "oops"), "answers 500"},
		"answers 404":       {text(404, "{}"), "answers 404"},
		"answers no JSON":   {text(200, "<html>"), "read a batch: invalid character"},
		"answers half":      {text(200, `{"gateway":"a","sequence":1,"pairs":[{`), "read a batch: unexpected EOF"},
		"answers nothing":   {text(200, ""), "read a batch: EOF"},
		"answers no batch":  {text(200, "{}"), "no gateway or no sequence"},
		"has no sequence":   {gives(batch("a", 0)), "no gateway or no sequence"},
		"has a huge name":   {gives(batch(strings.Repeat("a", 300), 1)), "store batch 1: gateway: has 300 bytes"},
		"sends one too far": {gives(batch("a", 1<<63)), "store batch 9223372036854775808: sequence"},
		"sends elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "answers 302"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"gateway":"a",`)
		}, "read a batch: unexpected EOF"},
		"never ends": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"gateway":"`)
			for line := strings.Repeat("a", 1<<16); ; {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, "it has more than 67108864 bytes"},
		"lies about its encoding": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, `{"gateway":"a","sequence":1}`)
		}, "gzip: invalid header"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.gateway.set(tc.answer)
			more, err := b.pull(t.Context())
			b.note(err)
			if err == nil || more || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("more is %v, error %v, want %q in it", more, err, tc.want)
			}
			if s := b.current(); s.Failing != err.Error() || s.Gateway != "" || s.Rows != 0 {
				t.Errorf("%+v", s)
			}
			b.gateway.set(gives(batch("a", 1)))
			b.take()
			if s := b.current(); s.Failing != "" || s.Sequence != 1 || s.Rows != 2 {
				t.Errorf("%+v", s)
			}
			b.holds(1, 1)
		})
	}
}

func TestAGatewayThatIsSlowIsGivenUp(t *testing.T) {
	for name, header := range map[string]bool{"before its answer": false, "within its answer": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.within = 20 * time.Millisecond
			b.gateway.set(func(w http.ResponseWriter, r *http.Request) {
				if header {
					_, _ = io.WriteString(w, "{")
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			})
			if _, err := b.pull(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want that it took too long", err)
			}
		})
	}
}

func TestAGatewayThatIsDown(t *testing.T) {
	b := newBench(t)
	b.server.Close()
	_, err := b.pull(t.Context())
	b.note(err)
	if err == nil || b.current().Failing == "" {
		t.Errorf("error %v, %+v", err, b.current())
	}
}

// TestBatchesAreTakenInTurn: each is asked for once the one before is stored.
func TestBatchesAreTakenInTurn(t *testing.T) {
	b := newBench(t)
	for n := range uint64(3) {
		b.gateway.set(gives(batch("a", n+1)))
		b.take()
	}
	b.gateway.set(gives(nil))
	if more, err := b.pull(t.Context()); more || err != nil {
		t.Errorf("more is %v, error %v", more, err)
	}
	want := []string{"/v1/batches?", "/v1/batches?after=1&gateway=a", "/v1/batches?after=2&gateway=a", "/v1/batches?after=3&gateway=a"}
	if diff := cmp.Diff(want, b.gateway.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	b.holds(3, 3)
}

// TestAGatewayThatRepeatsItself is not asked again at once.
func TestAGatewayThatRepeatsItself(t *testing.T) {
	b := newBench(t)
	b.gateway.set(gives(batch("a", 2)))
	b.take()
	for _, again := range []uint64{2, 1} {
		b.gateway.set(gives(batch("a", again)))
		if _, err := b.pull(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("batch %d after 2", again)) {
			t.Errorf("error %v", err)
		}
	}
	b.gateway.set(gives(batch("a", 3)))
	b.take()
	if s := b.current(); s.Sequence != 3 || s.Rows != 4 {
		t.Errorf("%+v", s)
	}
	b.holds(2, 2)
}

// TestAGap is shown, be it that a gateway let batches go or that it was killed.
func TestAGap(t *testing.T) {
	b := newBench(t)
	for _, next := range []*experiment.Batch{batch("a", 1), batch("a", 5), batch("b", 1), batch("c", 3)} {
		b.gateway.set(gives(next))
		b.take()
	}
	if s := b.current(); s.Skipped != 3+2 || s.Restarts != 2 || s.Gateway != "c" || s.Sequence != 3 || s.Rows != 8 {
		t.Errorf("%+v", s)
	}
	b.holds(4, 4)
}

// TestTheLedgerEndsBetweenStoringAndAsking: a new one gets the same batch, and
// knows it.
func TestTheLedgerEndsBetweenStoringAndAsking(t *testing.T) {
	b := newBench(t)
	b.gateway.set(gives(batch("a", 1)))
	b.take()
	b.gateway.set(gives(batch("a", 2)))
	b.take()
	b.stop()
	b.start()
	b.take()
	if s := b.current(); s.Again != 1 || s.Rows != 0 || s.Skipped != 0 || s.Sequence != 2 {
		t.Errorf("%+v", s)
	}
	b.gateway.set(gives(batch("a", 3)))
	b.take()
	if got := b.gateway.asked[len(b.gateway.asked)-1]; got != "/v1/batches?after=2&gateway=a" {
		t.Errorf("it asked %s", got)
	}
	b.holds(3, 3)
}

// TestAStoreThatFails lets nothing go: the same batch is asked for again.
func TestAStoreThatFails(t *testing.T) {
	b := newBench(t)
	b.gateway.set(gives(batch("a", 1)))
	b.puller.store = failing{}
	if _, err := b.pull(t.Context()); err == nil || err.Error() != "store batch 1: the disk is full" {
		t.Fatalf("error %v", err)
	}
	b.puller.store = b.ledger
	b.take()
	if want := []string{"/v1/batches?", "/v1/batches?"}; !cmp.Equal(want, b.gateway.asked) {
		t.Errorf("it asked %v", b.gateway.asked)
	}
	b.holds(1, 1)
}

type failing struct{}

func (failing) Add(context.Context, *experiment.Batch) (bool, error) {
	return false, errors.New("the disk is full")
}
