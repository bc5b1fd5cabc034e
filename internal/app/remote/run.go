// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	shape "github.com/headgate-dev/headgate/internal/iter8"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/routers"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/internal/workload"
)

// Run is one running experiment.
type Run struct {
	plan *experiment.Plan
	// iter8 is the experiment of Iter8 that the plan was made of, or nil.
	iter8   *iter8.Experiment
	log     *slog.Logger
	cluster *cluster
	object  *object
	kept    kept
	guard   *guard
	store   *sqlite.Store
	router  router.Router
	// unclaimed is the right that is missing to claim the route; renewed is when
	// the claim was renewed last.
	unclaimed string
	renewed   time.Time

	controller *controller.Reconciler
	// turned is what the newest turn came to.
	turned   *controller.Turned
	commands *desk.Commands

	current atomic.Pointer[view.Experiment]
	changed chan struct{}
	done    chan struct{}
	ended   sync.Once
	failed  atomic.Pointer[error]
	closers []func() error
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

func newRun(p Planned, c *cluster, log *slog.Logger) *Run {
	return &Run{
		plan: p.Plan, iter8: p.Iter8, cluster: c, log: log, commands: desk.NewCommands(),
		changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// open makes the run of what the directory and the cluster hold, and its first
// turn: an experiment that cannot begin is refused.
func (r *Run) open(ctx context.Context, dir string, o *Options, registry prometheus.Registerer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "make the directory: %w", err)
	}
	r.guard = &guard{dir: dir}
	var err error
	if r.router, err = routers.New(r.plan); err != nil {
		return err
	}
	if r.store, err = sqlite.Open(ctx, filepath.Join(dir, desk.RecordFile)); err != nil {
		return err
	}
	r.closers = append(r.closers, r.store.Close)
	stored := records{r.store, r.plan}
	if err := stored.fits(ctx); err != nil {
		return err
	}
	if r.kept, err = keep(dir, o.Place); err != nil {
		return err
	}
	r.object = newObject(r.cluster.live, r.plan, r.kept.UID)
	if r.iter8 != nil {
		r.object.isOf(iter8.APIVersion, iter8.KindExperiment, r.iter8.Name, r.this)
	}
	if err := r.claim(ctx); err != nil {
		return err
	}
	r.renewed = desk.Moment()
	metrics, err := controller.NewMetrics(registry)
	if err != nil {
		return err
	}
	actions, err := r.actions(o)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, func() error {
		actions.Close()
		return nil
	})
	options := r.controllerOptions(o, stored, metrics)
	options.Actions = actions
	r.controller = controller.New(options)
	err = r.first(ctx)
	if err != nil && (r.turned == nil || !r.turned.Begun) {
		r.release(ctx) // It has written nothing, and others may want the route.
	}
	return err
}

// controllerOptions are those of a controller of one experiment.
func (r *Run) controllerOptions(o *Options, stored records, metrics *controller.Metrics) controller.Options {
	live := r.cluster.live
	return controller.Options{
		Client: r.object, Reusable: r.object, Routes: r.cluster.routes, Records: stored,
		Plan:      func(context.Context, *kube.Experiment) (*experiment.Plan, error) { return r.plan, nil },
		Evidence:  r.evidence(o),
		Router:    func(*experiment.Plan) (router.Router, error) { return guarded{r.router, r.guard}, nil },
		Workloads: workload.New(live, live, live),
		Metrics:   metrics, Log: r.log, Claim: claimFor,
		Secrets: r.cluster.secret,
		Turned:  func(t *controller.Turned) { r.turned = t },
	}
}

// actions are done on this machine and under this person's rights. One that ends
// asks for a turn.
func (r *Run) actions(o *Options) (*action.Runner, error) {
	at, err := action.NewCluster(r.cluster.config, r.cluster.live.RESTMapper())
	if err != nil {
		return nil, err
	}
	return action.New(action.Options{Cluster: at, Laptop: true, AllowExec: o.AllowExec, Ended: func(string) { r.commands.Rouse() }}), nil
}

// this is the experiment of Iter8 with its status of now, as its object would be
// in a cluster: texts of actions may ask for it.
func (r *Run) this(ctx context.Context) (map[string]any, error) {
	e := r.iter8.DeepCopy()
	e.APIVersion, e.Kind = iter8.APIVersion, iter8.KindExperiment
	rec, err := r.store.Load(ctx, r.plan.ID())
	if err != nil {
		return nil, err
	}
	e.Status = shape.Status(e, r.plan, &rec, desk.Moment())
	return runtime.DefaultUnstructuredConverter.ToUnstructured(e)
}

// start lets the loop go.
func (r *Run) start(ctx context.Context) {
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.wg.Go(func() { r.loop(ctx) })
}

// halt stops the loop and waits for it.
func (r *Run) halt() {
	if r.stop != nil {
		r.stop()
	}
	r.wg.Wait()
}

// close closes whatever open opened.
func (r *Run) close() error {
	var first error
	for i := len(r.closers) - 1; i >= 0; i-- {
		if err := r.closers[i](); err != nil && first == nil {
			first = err
		}
	}
	r.closers = nil
	return first
}

// ID names the experiment.
func (r *Run) ID() string { return r.plan.ID() }

// Baseline is the name of the version that a kill gives everything.
func (r *Run) Baseline() string { return r.plan.Versions[0].Name }

// Unclaimed says which right is missing to claim the route, or nothing where it
// is claimed.
func (r *Run) Unclaimed() string { return r.unclaimed }

// View is the newest view.
func (r *Run) View() view.Experiment { return *r.current.Load() }

// Changed receives after a new view was made; it holds at most one signal.
func (r *Run) Changed() <-chan struct{} { return r.changed }

// Done is closed when the experiment has ended and all that its end asks for is
// done, or the loop cannot go on; then Err says why. One that was killed has not
// ended: it waits for a person.
func (r *Run) Done() <-chan struct{} { return r.done }

// Err is what stopped the loop, or nil.
func (r *Run) Err() error {
	if p := r.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Journal gives the entries of the run, from the first on.
func (r *Run) Journal(ctx context.Context) iter.Seq2[experiment.Entry, error] {
	return r.store.Journal(ctx, r.ID(), 0)
}

// Forget deletes nothing: no row of a unit is kept where a cluster carries the
// traffic.
func (r *Run) Forget(context.Context, string) (int64, error) { return 0, nil }

// Assign says that no unit has a version of its own: the routers of a cluster do
// not tell which they chose.
func (r *Run) Assign(string) view.Assignment {
	return view.Assignment{
		Experiment: r.ID(), Baseline: r.Baseline(),
		Where: "the " + string(r.plan.Router.Kind()) + " of the cluster chooses for each request",
	}
}
