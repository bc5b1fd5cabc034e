// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	record "github.com/headgate-dev/headgate/internal/record/kube"
	"github.com/headgate-dev/headgate/test/servers"
)

// afterCrashes bounds how long experiments may take once nobody kills the
// controller any more.
const afterCrashes = 5 * time.Minute

var recordKind = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "ExperimentRecord"}

// TestCrash kills the controller twenty times while six experiments run.
func TestCrash(t *testing.T) { crash(t, 20, 6) }

// TestCrashSoak does so two hundred times, with sixty.
func TestCrashSoak(t *testing.T) {
	if os.Getenv("HEADGATE_SOAK") == "" {
		t.Skip("takes ten minutes; set HEADGATE_SOAK=1")
	}
	crash(t, 200, 60)
}

// crashed is an experiment of the crash test: what its name begins with says
// what its candidate is, and what must come of it.
type crashed struct {
	name, kind string
	killed     chan struct{} // Closed once its kill was asked for.
}

// The kinds of experiments.
const (
	kindGood   = "good"   // promoted
	kindBad    = "bad"    // rolled back
	kindKilled = "killed" // killed by a person once it has live traffic
)

// crash kills the controller at random moments while experiments run, others
// write what it writes, and the cluster is away for seconds, and asks for what a
// controller that nobody killed would have come to.
func crash(t *testing.T, kills, count int) {
	s := newSite(t)
	s.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	var all []*crashed
	failing := map[string]float64{}
	for i := range count {
		kind := []string{kindGood, kindBad, kindKilled}[i%3]
		x := &crashed{name: fmt.Sprintf("%s-%d", kind, i), kind: kind, killed: make(chan struct{})}
		if kind == kindBad {
			failing[x.name+"-v2"] = .4
		}
		s.virtualService(x.name)
		all = append(all, x)
	}
	_, prometheus := newMesh(t, s, failing)
	routes, records := s.trail(virtualServiceKind), s.trail(recordKind)
	w, kubeconfig := s.wire()

	r := rand.New(rand.NewPCG(8, uint64(kills)))
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { s.meddle(rand.New(rand.NewPCG(9, uint64(kills))), all, stop) })
	for _, x := range all {
		if x.kind == kindKilled {
			others.Go(func() { s.killOnceLive(x, routes) })
		}
	}

	began := time.Now()
	for i := range kills {
		if i*count%kills < count { // They begin one after the other.
			s.canary(all[i*count/kills].name, "")
		}
		outage := s.outage(w, i)
		c := s.start(kubeconfig, prometheus)
		pause(t, 50*time.Millisecond+time.Duration(r.Int64N(int64(1450*time.Millisecond))))
		c.kill()
		outage()
	}
	t.Logf("%d kills in %v; then the routes said %s", kills, time.Since(began).Round(time.Second), strings.Join(ends(routes, all), ", "))
	close(stop)
	s.start(kubeconfig, prometheus)
	for _, x := range all {
		s.await(experimentKind, x.name, "over", afterCrashes, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == map[string]string{kindGood: "done", kindBad: "done", kindKilled: "killed"}[x.kind]
		})
	}
	others.Wait()
	t.Logf("all were over %v after the first start", time.Since(began).Round(time.Second))
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) { s.judge(t, x, routes, records) })
	}
}

// outage takes the cluster away in some of the rounds, and gives what ends it:
// a second in which the API server stands still, or one in which nobody reaches
// it.
func (s *site) outage(w *wire, round int) (over func()) {
	from, to := func() {}, func() {}
	switch round % 5 {
	case 1:
		from, to = func() { s.Pause(s.t) }, s.Resume
	case 3:
		from, to = w.Cut, w.Mend
	default:
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pause(s.t, 250*time.Millisecond)
		from()
		pause(s.t, time.Second)
		to()
	}()
	return func() { <-ended }
}

// meddle writes, at random moments, the objects that the controller writes: what
// it writes itself is left as it is.
func (s *site) meddle(r *rand.Rand, all []*crashed, stop chan struct{}) {
	kinds := []schema.GroupVersionKind{experimentKind, virtualServiceKind, recordKind}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(20+r.IntN(200)) * time.Millisecond):
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kinds[r.IntN(len(kinds))])
		u.SetNamespace(s.namespace)
		u.SetName(all[r.IntN(len(all))].name)
		where := []string{"annotations", "labels"}[r.IntN(2)]
		patch := fmt.Sprintf(`{"metadata": {%q: {"example.com/meddled": "%d"}}}`, where, n)
		// One that is not there yet, or that nobody reaches, is passed over.
		_ = s.Client.Patch(s.t.Context(), u, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("meddler"))
	}
}

// killOnceLive asks for a kill as soon as the candidate has traffic, again and
// again until the cluster takes the wish.
func (s *site) killOnceLive(x *crashed, routes *trail) {
	defer close(x.killed)
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !slices.Contains(routes.distinct(x.name, weights), "90/10") {
			continue
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(experimentKind)
		u.SetNamespace(s.namespace)
		u.SetName(x.name)
		kill := `{"spec": {"control": {"verb": "kill", "author": "ann", "reason": "wrong prices"}}}`
		if err := s.Client.Patch(ctx, u, client.RawPatch(types.MergePatchType, []byte(kill))); err == nil {
			return
		}
	}
}

// ends are what the routes say now.
func ends(routes *trail, all []*crashed) []string {
	var out []string
	for _, x := range all {
		shares := routes.distinct(x.name, weights)
		out = append(out, x.name+" "+shares[len(shares)-1])
	}
	return out
}

// judge compares what became of an experiment with what its plan allows.
func (s *site) judge(t *testing.T, x *crashed, routes, records *trail) {
	up := []string{"100/0", "90/10", "50/50", "0/100"}
	got := s.asked(routes, x.name)
	switch x.kind {
	case kindGood:
		if !slices.Equal(got, up) {
			t.Errorf("the route asked for %v, want %v", got, up)
		}
	case kindBad:
		if want := []string{"100/0", "90/10", "100/0"}; !slices.Equal(got, want) {
			t.Errorf("the route asked for %v, want %v", got, want)
		}
	case kindKilled: // It may have risen until it was heard, step by step, and never after.
		n := len(got) - 1
		if n < 2 || n > len(up) || got[n] != "100/0" || !slices.Equal(got[:n], up[:n]) {
			t.Errorf("the route asked for %v, want steps of %v and then 100/0", got, up)
		}
	}
	u := s.object(experimentKind, x.name)
	outcome, _, _ := unstructured.NestedString(u.Object, "status", "outcome")
	if want := map[string]string{kindGood: "promoted", kindBad: "rolled-back", kindKilled: outcome}[x.kind]; outcome != want {
		t.Errorf("its outcome is %q, want %q", outcome, want)
	}
	s.caughtUp(records, x.name)
	oneRecord(t, records.of(x.name))
	s.replays(t, x.name)
	s.toldOnce(t, x.name)
}

// oneRecord asks that a record was made once and never went back.
func oneRecord(t *testing.T, changes []*unstructured.Unstructured) {
	t.Helper()
	uid, revision, entries := types.UID(""), int64(0), int64(0)
	for _, u := range changes {
		r, _, _ := unstructured.NestedInt64(u.Object, "revision")
		n, _, _ := unstructured.NestedInt64(u.Object, "entries")
		if uid != "" && (u.GetUID() != uid || r < revision || r > revision+1 || n < entries) {
			t.Fatalf("record %s at revision %d with %d entries became %s at %d with %d", uid, revision, entries, u.GetUID(), r, n)
		}
		uid, revision, entries = u.GetUID(), r, n
	}
	if revision == 0 {
		t.Error("there is no record")
	}
}

// replays runs the journal again, and asks that it begins once.
func (s *site) replays(t *testing.T, name string) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := kube.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	id := s.namespace + "/" + name
	store := record.New(c, record.Options{})
	rec, err := store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	journal := store.Journal(t.Context(), id, 0)
	replayed, err := engine.Replay(journal)
	if err != nil || replayed != rec.Entries || replayed == 0 {
		t.Errorf("%d of %d entries replay: %v", replayed, rec.Entries, err)
	}
	for e, err := range journal {
		if err != nil {
			t.Fatal(err)
		}
		if !e.State.Started.Equal(rec.State.Started) {
			t.Errorf("entry %d began at %v, the experiment at %v", e.Seq, e.State.Started, rec.State.Started)
		}
		if (e.Seq == 0) != (e.Plan != nil) {
			t.Errorf("entry %d brings a plan: %v", e.Seq, e.Plan != nil)
		}
	}
}

// toldOnce asks that no change of the traffic was told twice: an event that a
// crash swallowed is not told again.
func (s *site) toldOnce(t *testing.T, name string) {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := s.Client.List(t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, e := range list.Items {
		if e.Regarding.Name == name && e.Regarding.Kind == experimentKind.Kind && e.Action != experimentAct(experiment.ActHold) {
			told[e.Action+" "+e.Note]++
		}
	}
	for what, n := range told {
		if n > 1 {
			t.Errorf("it was told %d times: %s", n, what)
		}
	}
}

// experimentAct is an act as events name it.
func experimentAct(a experiment.Act) string {
	return strings.ToUpper(string(a[:1])) + string(a[1:])
}
