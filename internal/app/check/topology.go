// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// topology compares the Deployments of the versions with the baseline's.
func (k *checker) topology(ctx context.Context, p *experiment.Plan) {
	var baseline *appsv1.Deployment
	for i, v := range p.Versions {
		if v.Workload == "" {
			continue
		}
		d, err := k.deployment(ctx, types.NamespacedName{Namespace: p.Namespace, Name: v.Workload})
		switch {
		case apierrors.IsNotFound(err):
			k.say(CodeTopology, Warning, "correct versions[].workload", "Deployment %s of %s is not there", v.Workload, v.Name)
			continue
		case err != nil:
			k.say(CodeTopology, Warning, "ask somebody who may read Deployments", "Deployment %s of %s: %v", v.Workload, v.Name, err)
			continue
		case i == 0:
			baseline = d
			continue
		case baseline == nil:
			continue
		}
		if differs := Differing(baseline, d); len(differs) > 0 {
			k.say(CodeTopology, Warning, "", "%s differs from %s in %s", v.Name, p.Versions[0].Name, strings.Join(differs, "; "))
			continue
		}
		k.say(CodeTopology, OK, "", "%s has the shape of %s", v.Name, p.Versions[0].Name)
	}
}

func (k *checker) deployment(ctx context.Context, key types.NamespacedName) (*appsv1.Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d := &appsv1.Deployment{}
	return d, k.Client.Live.Get(ctx, key, d)
}

// Differing says in what the shapes of two Deployments differ: replicas,
// resources of the containers in their order, and where the pods may run.
func Differing(a, b *appsv1.Deployment) []string {
	var out []string
	if x, y := replicas(a), replicas(b); x != y {
		out = append(out, fmt.Sprintf("replicas (%d and %d)", x, y))
	}
	pa, pb := &a.Spec.Template.Spec, &b.Spec.Template.Spec
	if x, y := len(pa.Containers), len(pb.Containers); x != y {
		out = append(out, fmt.Sprintf("containers (%d and %d)", x, y))
	}
	for i := range min(len(pa.Containers), len(pb.Containers)) {
		x, y := &pa.Containers[i], &pb.Containers[i]
		if !apiequality.Semantic.DeepEqual(x.Resources, y.Resources) {
			out = append(out, fmt.Sprintf("resources of container %s (%s and %s)", y.Name, resources(x), resources(y)))
		}
	}
	places := []struct {
		what string
		same bool
	}{
		{"node selectors", apiequality.Semantic.DeepEqual(pa.NodeSelector, pb.NodeSelector)},
		{"node affinity", apiequality.Semantic.DeepEqual(nodeAffinity(pa), nodeAffinity(pb))},
		{"tolerations", apiequality.Semantic.DeepEqual(pa.Tolerations, pb.Tolerations)},
		{"runtime classes", apiequality.Semantic.DeepEqual(pa.RuntimeClassName, pb.RuntimeClassName)},
	}
	for _, p := range places {
		if !p.same {
			out = append(out, p.what)
		}
	}
	return out
}

func replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

func nodeAffinity(p *corev1.PodSpec) *corev1.NodeAffinity {
	if p.Affinity == nil {
		return nil
	}
	return p.Affinity.NodeAffinity
}

// resources writes what a container asks for and may use.
func resources(c *corev1.Container) string {
	var out []string
	for _, list := range []struct {
		word string
		of   corev1.ResourceList
	}{{"requests", c.Resources.Requests}, {"limits", c.Resources.Limits}} {
		var parts []string
		for _, name := range sortedNames(list.of) {
			q := list.of[name]
			parts = append(parts, string(name)+" "+q.String())
		}
		if len(parts) > 0 {
			out = append(out, list.word+" "+strings.Join(parts, ", "))
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
