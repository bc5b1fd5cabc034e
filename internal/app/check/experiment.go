// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/router/routers"
)

// experiment checks one experiment.
func (k *checker) experiment(ctx context.Context, e *kube.Experiment) {
	k.section = "experiment " + e.Namespace + "/" + e.Name
	plan, err := k.Client.PlanOf(ctx, e)
	if err != nil {
		k.failed(CodeSpec, Failed, err)
	} else {
		k.say(CodeSpec, OK, "", "the spec is valid")
	}
	k.condition(e)
	if kept := k.record(ctx, e); kept.Plan != nil {
		plan = kept.Plan // What runs is what is to be taken back.
		k.route(ctx, e, plan)
		k.evidence(ctx, plan, &kept.State)
	} else if plan != nil {
		k.route(ctx, e, plan)
		k.evidence(ctx, plan, nil)
	}
	if plan != nil {
		k.planRights(ctx, plan)
		k.topology(ctx, plan)
	}
}

// condition shows whether the controller waits for a person.
func (k *checker) condition(e *kube.Experiment) {
	ready := meta.FindStatusCondition(e.Status.Conditions, kube.ConditionReady)
	stalled := meta.FindStatusCondition(e.Status.Conditions, kube.ConditionStalled)
	switch {
	case ready == nil:
		k.say(CodeStalled, Warning, "start the controller", "no controller has seen it yet")
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		k.say(CodeStalled, Failed, "", "stalled: %s", stalled.Message)
	case ready.Status != metav1.ConditionTrue:
		k.say(CodeStalled, Warning, "", "not ready: %s", ready.Message)
	default:
		k.say(CodeStalled, OK, "", "the controller goes on: %s", ready.Message)
	}
}

// record reads what is kept of it.
func (k *checker) record(ctx context.Context, e *kube.Experiment) cluster.Kept {
	kept, err := k.Client.Recorded(ctx, e)
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound && e.Status.Record != nil:
		k.say(CodeRecord, Failed, "", "the record is gone, and the experiment had begun")
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		k.say(CodeRecord, Info, "", "it has not begun: there is no record yet")
	case experiment.CodeOf(err) == experiment.CodeInvalid:
		k.failed(CodeRecord, Failed, err)
	case err != nil:
		k.failed(CodeRecord, Unknown, err)
	default:
		k.say(CodeRecord, OK, "", "the record has %d entries", kept.Entries)
	}
	return kept
}

// route checks the objects that carry the traffic.
func (k *checker) route(ctx context.Context, e *kube.Experiment, p *experiment.Plan) {
	if p.Router.Kind() == experiment.RouterNone {
		k.say(CodeKill, Info, "", "no route holds its shares: there is nothing to take back")
		return
	}
	r, err := routers.New(p)
	if err != nil {
		k.failed(CodeKill, Failed, err)
		return
	}
	if err := k.Client.Routes.Rehearse(ctx, r, router.KilledTraffic(p)); err != nil {
		status := Failed
		if experiment.CodeOf(err) == experiment.CodeUnavailable {
			status = Unknown
		}
		k.failed(CodeKill, status, err)
	} else {
		k.say(CodeKill, OK, "", "a kill was rehearsed: %s would have all traffic", p.Versions[0].Name)
	}
	targets, err := k.Client.Routes.Targets(ctx, r)
	if err != nil {
		return // The rehearsal has said so.
	}
	for i, t := range targets {
		k.routeRights(ctx, t.Resource, t.Key.Namespace)
		k.claim(ctx, e, t, r.Owned(i))
	}
	objects, err := k.Client.Routes.Objects(ctx, r)
	if err != nil {
		return
	}
	for i, o := range objects {
		k.heal(targets[i], o, r.Owned(i))
	}
}

// claim checks that the route is this experiment's alone.
func (k *checker) claim(ctx context.Context, e *kube.Experiment, t routes.Target, owned []string) {
	seen := map[string]bool{}
	for _, pointer := range owned {
		path := beforeIndex(pointer)
		namespace := t.Key.Namespace
		if namespace == "" {
			namespace = k.Home
		}
		key := types.NamespacedName{Namespace: namespace, Name: routes.LeaseName(t.Kind.GroupKind(), t.Key, path)}
		if seen[key.Name] {
			continue
		}
		seen[key.Name] = true
		var lease coordinationv1.Lease
		ctx, cancel := context.WithTimeout(ctx, timeout)
		err := k.Client.Live.Get(ctx, key, &lease)
		cancel()
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		switch {
		case apierrors.IsNotFound(err) && e.Status.Record == nil:
			k.say(CodeClaim, Info, "", "%s %s is claimed by nobody", t, path)
		case apierrors.IsNotFound(err) || err == nil && holder == "":
			k.say(CodeClaim, Warning, "the controller claims it at its next turn", "%s %s is claimed by nobody, and the experiment had begun", t, path)
		case err != nil:
			k.say(CodeClaim, Warning, "ask somebody who may read Leases", "it cannot be found out who claims %s: %v", t, err)
		case holder != string(e.UID):
			k.say(CodeClaim, Failed, "", "%s %s is claimed by %s", t, path, lease.Annotations[routes.HolderAnnotation])
		default:
			k.say(CodeClaim, OK, "", "%s %s is claimed by it", t, path)
		}
	}
}

// beforeIndex cuts a JSON pointer before its first index: a claim is of a whole
// list.
func beforeIndex(pointer string) string {
	at := strings.Split(pointer, "/")
	for i, token := range at {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil || token == "-" {
			return strings.Join(at[:i], "/")
		}
	}
	return pointer
}

var errNoProvider = errors.New("the plan names no provider")
