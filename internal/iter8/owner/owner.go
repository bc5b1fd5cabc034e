// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Records tells how native experiments stand, by "namespace/name".
type Records interface {
	// Load gives a record; CodeNotFound where there is none.
	Load(ctx context.Context, id string) (experiment.Record, error)
	// Plan gives the plan that the record belongs to.
	Plan(ctx context.Context, id string) (*experiment.Plan, error)
}

// Options configures a Reconciler; all but Namespaces, Shard, Shards and Now are
// required.
type Options struct {
	// Client reads Experiments of both kinds from a cache, and writes. Iter8's
	// are unstructured in it.
	Client client.Client
	// Live reads from the API server what must be new, or is wanted seldom.
	Live    client.Reader
	Records Records
	// Events are told as Iter8 told them.
	Events events.EventRecorder
	// Namespaces are those whose experiments are run; none is all. A target is
	// held among these.
	Namespaces []string
	// Shard and Shards divide the targets among controllers. One shard is all.
	Shard, Shards int
	Now           func() time.Time
}

// How soon an experiment has its turn again by itself. Changes of it, of its
// native one and of that one's record ask for turns meanwhile.
const (
	soon   = 250 * time.Millisecond // After somebody else wrote.
	again  = 2 * time.Second        // After something failed.
	seldom = 30 * time.Second       // While nothing is known to be wrong.
)

// Reconciler makes the native Experiments of Iter8's, and tells these how they
// stand.
type Reconciler struct {
	Options

	// target is held while somebody takes a target.
	target sync.Mutex
	mu     sync.Mutex
	plans  map[types.NamespacedName]*experiment.Plan
}

// New makes a Reconciler.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{metav1.NamespaceAll}
	}
	return &Reconciler{Options: o, plans: make(map[types.NamespacedName]*experiment.Plan)}
}

// mine reports whether a target belongs to this controller's shard: whoever
// waits for each other is in one shard.
func (r *Reconciler) mine(target string) bool {
	if r.Shards < 2 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(target)) // It never fails.
	return int(h.Sum32()%uint32(r.Shards)) == r.Shard
}

// Reconcile makes one turn of an experiment. What goes wrong is shown in its
// status and tried again; an error is only returned where nothing could be shown.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	u := newObject()
	if err := r.Client.Get(ctx, req.NamespacedName, u); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
			return ctrl.Result{}, r.removeOrphan(ctx, req.NamespacedName)
		}
		return ctrl.Result{}, err
	}
	t := &turn{r: r, u: u, now: r.Now().UTC().Truncate(time.Second)}
	t.read()
	switch {
	case !r.mine(t.e.Spec.Target):
		return ctrl.Result{}, nil
	case !u.GetDeletionTimestamp().IsZero():
		r.forget(req.NamespacedName)
		return ctrl.Result{}, r.removeNative(ctx, req.NamespacedName, u.GetUID())
	}
	after, err := t.do(ctx)
	switch {
	case err == nil:
		return ctrl.Result{RequeueAfter: after}, nil
	case apierrors.IsConflict(err): // Somebody wrote it meanwhile, or the cache is behind.
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	t.read() // What could not be done is not told.
	t.hinder(sentence(err))
	if unshown := t.write(ctx); unshown != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// forget drops the memory of an experiment that is gone.
func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.plans, name)
}

// newObject is an empty Experiment of Iter8's.
func newObject() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(Kind)
	return u
}
