// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/workload"
)

// Records keeps what must survive a restart, by "namespace/name".
type Records interface {
	// Load gives a record; CodeNotFound where there is none.
	Load(ctx context.Context, id string) (experiment.Record, error)
	// Plan gives the plan that the record belongs to.
	Plan(ctx context.Context, id string) (*experiment.Plan, error)
	// Save writes a record and its new journal entries together, or neither, if
	// its revision is still the stored one; else CodeConflict.
	Save(ctx context.Context, id string, r experiment.Record, entries ...experiment.Entry) (experiment.Record, error)
}

// Evidence reads the sources of one plan.
type Evidence interface {
	// Seal is an engine.Reader. It asks nobody where no window is sealed.
	Seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error)
	// Points gives what a strict plan's metrics say of its versions at a moment.
	// One that fails says so in its reading (D5).
	Points(ctx context.Context, at experiment.Moment) []experiment.Reading
	// Close gives connections back.
	Close()
}

// Follower is Evidence that must know which phase lasts, since it hears of what
// happens in it. It is told again and again, and says itself, when it is asked,
// that it could not be told.
type Follower interface {
	Follow(ctx context.Context, phase experiment.Phase)
}

// Actions does what plans ask for besides traffic.
type Actions interface {
	// Progress goes on with an owner's actions, and says how they stand. It
	// returns at once; what is not listed any more is called off.
	Progress(ctx context.Context, owner action.Owner, tasks []action.Task) []experiment.ActionFact
	// Forget calls off all that is done for an owner.
	Forget(uid string)
}

// Options configures a Reconciler; all but Shard, Log, Watch and Actions are
// required.
type Options struct {
	// Client reads Experiments from a cache and writes.
	Client client.Client
	// Reusable reads Metrics from the API server: they are wanted when a spec is
	// read, and never watched.
	Reusable client.Reader
	Routes   *routes.Cluster
	Records  Records
	// Evidence opens the sources of an experiment's plan.
	Evidence func(ctx context.Context, owner *kube.Experiment, p *experiment.Plan) (Evidence, error)
	// Router makes the router of a plan.
	Router func(p *experiment.Plan) (router.Router, error)
	// Workloads are the Deployments that plans name.
	Workloads *workload.Cluster
	// Actions does what plans ask for besides traffic; nil does none of it.
	// Secrets gives a secret of a namespace to them.
	Actions Actions
	Secrets func(ctx context.Context, namespace string, s experiment.Secret) (string, error)
	Events  events.EventRecorder
	Metrics *Metrics
	// Shard and Shards divide the experiments among controllers: this one has
	// those whose hash leaves Shard. One shard is all.
	Shard, Shards int
	Log           *slog.Logger
	// Watch asks for reconciles when objects of a kind change.
	Watch func(kind schema.GroupVersionKind) error
	Now   func() time.Time
	// Plan reads the plan of an experiment; nil reads its spec, with the metrics
	// that it refers to.
	Plan func(ctx context.Context, obj *kube.Experiment) (*experiment.Plan, error)
	// Claim is how long a claim of a route holds that nobody renews; 0 is as long
	// as the experiment exists.
	Claim time.Duration
	// Turned is told what a turn came to, before the next; nil tells nobody.
	Turned func(t *Turned)
}

// Reconciler makes the traffic of every Experiment what it should be.
type Reconciler struct {
	Options

	mu   sync.Mutex
	runs map[types.NamespacedName]*run
	// routes are the experiments whose route an object is.
	byRoute map[routeKey]types.NamespacedName
}

// New makes a Reconciler.
func New(o Options) *Reconciler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Watch == nil {
		o.Watch = func(schema.GroupVersionKind) error { return nil }
	}
	return &Reconciler{Options: o, runs: make(map[types.NamespacedName]*run), byRoute: make(map[routeKey]types.NamespacedName)}
}

// mine reports whether an experiment belongs to this controller's shard.
func (r *Reconciler) mine(name types.NamespacedName) bool {
	if r.Shards < 2 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name.String()))
	return int(h.Sum32()%uint32(r.Shards)) == r.Shard
}

// Reconcile makes one turn of an experiment, and says when the next is due. What
// the cluster refuses is shown as a condition and tried again; an error is only
// returned where nothing could be shown.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !r.mine(req.NamespacedName) {
		return ctrl.Result{}, nil
	}
	var obj kube.Experiment
	if err := r.Client.Get(ctx, req.NamespacedName, &obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, err
	}
	t := &turn{r: r, obj: &obj, run: r.runOf(&obj), now: r.Now().UTC().Truncate(time.Millisecond)}
	return t.do(ctx)
}

// runOf is the memory of an experiment; one of the same name that was deleted
// and made again has its own.
func (r *Reconciler) runOf(obj *kube.Experiment) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := client.ObjectKeyFromObject(obj)
	if x := r.runs[name]; x != nil && x.uid == obj.UID {
		return x
	}
	r.closeRun(name)
	x := newRun(obj.UID)
	r.runs[name] = x
	return x
}

// forget drops the memory of an experiment that is gone.
func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeRun(name)
}

// closeRun ends what a run holds; r.mu is held.
func (r *Reconciler) closeRun(name types.NamespacedName) {
	x := r.runs[name]
	if x == nil {
		return
	}
	x.close()
	r.callOff(x.uid)
	delete(r.runs, name)
	for key, of := range r.byRoute {
		if of == name {
			delete(r.byRoute, key)
		}
	}
	r.Metrics.forget(name)
}
