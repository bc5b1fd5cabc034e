// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// trail is every change of the objects of a kind in a namespace, by name, with
// none left out: a watch that breaks goes on behind the last change that it told.
type trail struct {
	kind schema.GroupVersionKind

	mu     sync.Mutex
	events map[string][]*unstructured.Unstructured
	broken error // The cluster no longer knows what happened in between.
}

// trail follows a kind until the test ends.
func (s *site) trail(kind schema.GroupVersionKind) *trail {
	s.t.Helper()
	c, err := client.NewWithWatch(s.Config, client.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	list := func() *unstructured.UnstructuredList {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(kind)
		return l
	}
	first := list()
	if err := c.List(s.t.Context(), first, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	tr := &trail{kind: kind, events: map[string][]*unstructured.Unstructured{}}
	for i := range first.Items {
		tr.add(&first.Items[i])
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	s.t.Cleanup(func() {
		cancel()
		<-ended
		if tr.broken != nil {
			s.t.Errorf("changes of %s were missed: %v", kind.Kind, tr.broken)
		}
	})
	at := first.GetResourceVersion()
	again := time.NewTicker(50 * time.Millisecond) // While the API server is down.
	go func() {
		defer close(ended)
		defer again.Stop()
		for ctx.Err() == nil && tr.broken == nil {
			from := &client.ListOptions{Namespace: s.namespace, Raw: &metav1.ListOptions{ResourceVersion: at}}
			w, err := c.Watch(ctx, list(), from)
			if err != nil {
				<-again.C
				continue
			}
			at = tr.read(ctx, w, at)
		}
	}()
	return tr
}

// read takes what a watch tells and gives the version to go on from.
func (t *trail) read(ctx context.Context, w watch.Interface, at string) string {
	for e := range w.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if e.Type == watch.Error || !ok {
			if ctx.Err() == nil { // Else it is the test that ends.
				t.mu.Lock()
				t.broken = apierrors.FromObject(e.Object)
				t.mu.Unlock()
			}
			w.Stop()
			return at
		}
		at = u.GetResourceVersion()
		t.add(u)
	}
	return at
}

func (t *trail) add(u *unstructured.Unstructured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events[u.GetName()] = append(t.events[u.GetName()], u)
}

// of are the changes of one object.
func (t *trail) of(name string) []*unstructured.Unstructured {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events[name])
}

// asked is every share that a route asked for up to now, change by change.
func (s *site) asked(routes *trail, name string) []string {
	s.t.Helper()
	s.caughtUp(routes, name)
	return routes.distinct(name, weights)
}

// caughtUp waits until a trail has an object as it is now: it is told of a change
// a moment after the API server has made it.
func (s *site) caughtUp(tr *trail, name string) {
	s.t.Helper()
	now := s.object(tr.kind, name).GetResourceVersion()
	isNow := func(u *unstructured.Unstructured) bool { return u.GetResourceVersion() == now }
	for deadline := time.Now().Add(soon); !slices.ContainsFunc(tr.of(name), isNow); pause(s.t, 10*time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the watch of %s tells nothing of %s at %s", tr.kind.Kind, name, now)
		}
	}
}

// distinct writes each change and leaves out those that read like the one before.
func (t *trail) distinct(name string, read func(*unstructured.Unstructured) string) []string {
	var out []string
	for _, u := range t.of(name) {
		out = append(out, read(u))
	}
	return slices.Compact(out)
}

// wire is a way to the API server that can be cut: it passes bytes on, and knows
// nothing of them.
type wire struct {
	to   string
	ln   net.Listener
	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

// wire puts one before the API server and gives it with a kubeconfig that leads
// through it.
func (s *site) wire() (*wire, string) {
	s.t.Helper()
	at, err := url.Parse(s.Config.Host)
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	w := &wire{to: at.Host, ln: ln, open: map[net.Conn]bool{}}
	go w.serve()
	s.t.Cleanup(func() {
		_ = ln.Close()
		w.Cut()
	})
	config := rest.CopyConfig(s.Config)
	config.Host = "https://" + ln.Addr().String()
	return w, s.KubeconfigOf(s.t, config)
}

func (w *wire) serve() {
	for {
		in, err := w.ln.Accept()
		if err != nil {
			return // It is closed.
		}
		go w.pass(in)
	}
}

func (w *wire) pass(in net.Conn) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if !w.keep(in) {
		return
	}
	defer w.drop(in)
	go func() {
		_, _ = io.Copy(out, in) // Either end closes both.
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false
	}
	w.open[c] = true
	return true
}

func (w *wire) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
}

// Cut ends every connection, and each new one at once, until it is mended.
func (w *wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.open {
		_ = c.Close()
	}
}

// Mend ends a Cut.
func (w *wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// pause waits, for what has to happen in real time in other processes.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
