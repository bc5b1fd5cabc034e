// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Options say what a Runner may do. The zero value asks HTTP servers and
// repositories, and nothing else.
type Options struct {
	// Cluster is where objects are; nil refuses actions that need one.
	Cluster *Cluster
	// Laptop says that whoever starts the process is whoever the actions are
	// for: commands are child processes, files may be read, and the cluster is
	// asked under the process's own rights.
	Laptop bool
	// AllowExec lets actions run commands. Image is that of Jobs whose action
	// names none; empty refuses these.
	AllowExec bool
	Image     string
	// Concurrent is how many tries are under way at once (64).
	Concurrent int
	// Ended, if it is set, is called after an action ended, with the owner's
	// UID. It must not wait.
	Ended func(uid string)
}

// Runner does actions in the background. It is safe for concurrent use.
type Runner struct {
	options Options
	client  *http.Client
	slack   string // where Slack's API is
	// perform does one try; tests put another in its place.
	perform func(ctx context.Context, j *job) (result, error)

	ctx    context.Context
	stop   context.CancelCauseFunc
	wg     sync.WaitGroup
	places chan struct{}

	mu    sync.Mutex
	lanes map[string]*lane
}

// defaultConcurrent is how many tries are under way at once: most of them wait
// for somebody.
const defaultConcurrent = 64

// New makes a Runner. Close ends it.
func New(o Options) *Runner {
	if o.Concurrent <= 0 {
		o.Concurrent = defaultConcurrent
	}
	r := &Runner{options: o, client: newClient(), slack: slackAPI, places: make(chan struct{}, o.Concurrent), lanes: make(map[string]*lane)}
	r.perform = r.once
	r.ctx, r.stop = context.WithCancelCause(context.Background())
	return r
}

// lane is what is known of one owner's actions: no more than are listed.
type lane struct {
	// under is the job that is under way or ending; nil is none.
	under *job
	// ended are the outcomes of jobs that are still listed, by their keys.
	ended map[string]experiment.ActionFact
}

// job is a task under way.
type job struct {
	owner Owner
	task  Task
	// try counts from 1.
	try  int
	stop context.CancelCauseFunc

	mu sync.Mutex
	// last is why the newest try failed, next when the one after it begins;
	// zero while one is under way.
	last string
	next time.Time
	// off says that the job was called off.
	off bool
}

// Progress goes on with the first of an owner's actions, calls off what is under
// way and not listed, and says how all that are listed stand, in their order. It
// returns at once. An empty list forgets the owner.
func (r *Runner) Progress(_ context.Context, owner Owner, tasks []Task) []experiment.ActionFact {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[owner.UID]
	if l == nil {
		l = &lane{ended: make(map[string]experiment.ActionFact)}
		r.lanes[owner.UID] = l
	}
	l.keep(tasks)
	if len(tasks) == 0 {
		r.drop(owner.UID, l)
		return nil
	}
	if _, known := l.ended[tasks[0].Key]; !known && l.under == nil && owner.Wait == "" && r.ctx.Err() == nil {
		r.begin(l, owner, tasks[0])
	}
	facts := make([]experiment.ActionFact, len(tasks))
	for i := range tasks {
		facts[i] = l.fact(&tasks[i])
		if facts[i].Why == "" && !facts[i].Done {
			facts[i].Why = cmp.Or(owner.Wait, "it waits for "+tasks[0].Label)
		}
	}
	return facts
}

// Forget calls off all that is done for an owner, and forgets it.
func (r *Runner) Forget(uid string) { r.Progress(r.ctx, Owner{UID: uid}, nil) }

// Close calls nothing off: what is done in the cluster goes on, and whoever
// comes next finds it. It waits until nothing is done in this process.
func (r *Runner) Close() {
	r.mu.Lock() // Progress begins nothing after this.
	r.stop(errClosed)
	r.mu.Unlock()
	r.wg.Wait()
	r.client.CloseIdleConnections()
}

// keep forgets what is not listed, and calls off what of it is under way.
func (l *lane) keep(tasks []Task) {
	listed := make(map[string]bool, len(tasks))
	for i := range tasks {
		listed[tasks[i].Key] = true
	}
	for key := range l.ended {
		if !listed[key] {
			delete(l.ended, key)
		}
	}
	if l.under != nil && !listed[l.under.task.Key] {
		l.under.mu.Lock()
		l.under.off = true
		l.under.mu.Unlock()
		l.under.stop(errCalledOff)
	}
}

// drop forgets a lane that nothing is under way in; r.mu is held.
func (r *Runner) drop(uid string, l *lane) {
	if l.under == nil && len(l.ended) == 0 && r.lanes[uid] == l {
		delete(r.lanes, uid)
	}
}

// begin starts a job; r.mu is held.
func (r *Runner) begin(l *lane, owner Owner, task Task) {
	j := &job{owner: owner, task: task, try: 1}
	var ctx context.Context
	ctx, j.stop = context.WithCancelCause(r.ctx)
	l.under = j
	r.wg.Go(func() {
		defer j.stop(nil)
		fact, ended := r.do(ctx, j)
		r.mu.Lock()
		l.under = nil
		if off := j.calledOff(); ended && !off {
			l.ended[task.Key] = fact
		} else if off {
			r.drop(owner.UID, l)
		}
		r.mu.Unlock()
		if r.options.Ended != nil && r.ctx.Err() == nil {
			r.options.Ended(owner.UID)
		}
	})
}

// fact says how a task stands; one that waits for nothing that is under way has
// no reason yet.
func (l *lane) fact(t *Task) experiment.ActionFact {
	if f, ok := l.ended[t.Key]; ok {
		return f
	}
	f := experiment.ActionFact{Intent: t.Intent}
	switch {
	case l.under == nil:
	case l.under.task.Key == t.Key:
		f.Why = l.under.why(&t.Action)
	case l.under.calledOff():
		f.Why = "it waits until " + l.under.task.Label + " has stopped"
	default:
		f.Why = "it waits for " + l.under.task.Label
	}
	return f
}
