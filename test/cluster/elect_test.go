// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/test/servers"
)

var leaseKind = schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"}

// takeover bounds how long an experiment has nobody when its leader is away: the
// Lease's fifteen seconds, and what a start takes on a machine that is busy with
// other things.
const takeover = 2 * time.Minute

// TestSeveralControllers has controllers follow each other, and divide the work.
func TestSeveralControllers(t *testing.T) {
	s := newSite(t)
	s.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	s.Namespace(t, "headgate-system")
	_, prometheus := newMesh(t, s, map[string]float64{})
	routes, records := s.trail(virtualServiceKind), s.trail(recordKind)

	t.Run("a leader that was away writes nothing when it is back", func(t *testing.T) {
		s.virtualService("led")
		first := s.start(s.Kubeconfig, prometheus, "--elect=true")
		s.canary("led", "")
		s.await(virtualServiceKind, "led", "at 90/10", untilOver, carries("90/10"))
		second := s.start(s.Kubeconfig, prometheus, "--elect=true")
		leader := func() string {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(leaseKind)
			if err := s.Client.Get(t.Context(), types.NamespacedName{Namespace: "headgate-system", Name: "headgate-controller"}, u); err != nil {
				t.Fatal(err)
			}
			holder, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity")
			return holder
		}
		was := leader()
		if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		away := time.Now()
		for leader() == was && time.Since(away) < takeover {
			pause(t, 50*time.Millisecond)
		}
		t.Logf("taken over after %v", time.Since(away).Round(100*time.Millisecond))
		if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-first.ended:
		case <-time.After(takeover):
			t.Error("the former leader goes on")
			first.kill()
		}
		s.await(experimentKind, "led", "promoted", untilOver, is("Promoted", "True"))
		if got, want := s.asked(routes, "led"), []string{"100/0", "90/10", "50/50", "0/100"}; !slices.Equal(got, want) {
			t.Errorf("the route asked for %v, want %v", got, want)
		}
		s.caughtUp(records, "led")
		oneRecord(t, records.of("led"))
		s.replays(t, "led")
		second.kill()
	})

	t.Run("shards divide the experiments", func(t *testing.T) {
		const n = 6
		for i := range n {
			name := fmt.Sprintf("part-%d", i)
			s.virtualService(name)
			s.experiment(name, "correct", stays)
		}
		s.start(s.Kubeconfig, prometheus, "--shard", "0/2")
		begun := func() (out []string) {
			for i := range n {
				if name := fmt.Sprintf("part-%d", i); len(records.of(name)) > 0 {
					out = append(out, name)
				}
			}
			return out
		}
		for deadline := time.Now().Add(untilOver); len(begun()) == 0 && time.Now().Before(deadline); {
			pause(t, 50*time.Millisecond)
		}
		pause(t, 8*time.Second) // The others are not begun, however long it has.
		first := begun()
		if len(first) == 0 || len(first) == n {
			t.Fatalf("shard 0 of 2 has begun %v", first)
		}
		before := map[string]int{}
		for _, name := range first {
			s.await(virtualServiceKind, name, "at 90/10", untilOver, carries("90/10"))
			s.caughtUp(routes, name)
			before[name] = len(routes.of(name))
		}
		s.start(s.Kubeconfig, prometheus, "--shard", "1/2")
		for i := range n {
			s.await(virtualServiceKind, fmt.Sprintf("part-%d", i), "at 90/10", untilOver, carries("90/10"))
		}
		for i := range n {
			name := fmt.Sprintf("part-%d", i)
			s.caughtUp(records, name)
			oneRecord(t, records.of(name))
			if got := s.asked(routes, name); !slices.Equal(got, []string{"100/0", "90/10"}) {
				t.Errorf("%s asked for %v", name, got)
			}
			if was, ok := before[name]; ok && len(routes.of(name)) != was {
				t.Errorf("%s was written again when the other shard came", name)
			}
		}
	})
}
