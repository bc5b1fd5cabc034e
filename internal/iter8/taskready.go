// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// objRef is an object that common/readiness waits for.
type objRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	WaitFor   string `json:"waitFor"`
}

// readiness waits for objects and for what holds the weights.
func (t *tasks) readiness(in *inputs) ([]v1alpha1.Action, *Problem) {
	var refs []objRef
	in.read("objRefs", &refs)
	wait := in.count("initialDelaySeconds", 5) + (1+in.count("numRetries", 12))*in.count("intervalSeconds", 5)
	out := &v1alpha1.ReadinessAction{Routes: shift(t.e) != shiftNone}
	for i, r := range refs {
		object, p := readyObject(r)
		if p != nil {
			p.Message = fmt.Sprintf("objRefs[%d]: %s", i, p.Message)
			return nil, p
		}
		out.Objects = append(out.Objects, object)
	}
	if !out.Routes {
		out.Objects = append(out.Objects, t.weighed()...)
	}
	if len(out.Objects) == 0 && !out.Routes {
		return nil, nil // There is nothing to wait for.
	}
	once := int64(0)
	return []v1alpha1.Action{{Timeout: v1alpha1.Duration(fmt.Sprintf("%ds", max(1, wait))), Retries: &once, Readiness: out}}, nil
}

// weighed are the objects that hold weights which nothing moves.
func (t *tasks) weighed() []v1alpha1.ReadyObject {
	var out []v1alpha1.ReadyObject
	for _, v := range details(t.e) {
		r := v.WeightObjRef
		if r == nil {
			continue
		}
		object := v1alpha1.ReadyObject{ObjectRef: v1alpha1.ObjectRef{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}}
		if !slices.Contains(out, object) {
			out = append(out, object)
		}
	}
	return out
}

// resources are the types of objects that kubectl knows by short or plural
// names, and that experiments wait for.
var resources = []struct {
	apiVersion, kind string
	names            []string
}{
	{"v1", "Pod", []string{"pod", "pods", "po"}},
	{"v1", "Service", []string{"service", "services", "svc"}},
	{"apps/v1", "Deployment", []string{"deployment", "deployments", "deploy", "deployment.apps", "deployments.apps"}},
	{"apps/v1", "StatefulSet", []string{"statefulset", "statefulsets", "sts"}},
	{"apps/v1", "DaemonSet", []string{"daemonset", "daemonsets", "ds"}},
	{"batch/v1", "Job", []string{"job", "jobs"}},
	{"serving.knative.dev/v1", "Service", []string{"ksvc", "kservice", "kservices", "service.serving.knative.dev", "services.serving.knative.dev"}},
	{"serving.kserve.io/v1beta1", "InferenceService", []string{"isvc", "inferenceservice", "inferenceservices", "inferenceservice.serving.kserve.io", "inferenceservices.serving.kserve.io"}},
	{"serving.kubeflow.org/v1beta1", "InferenceService", []string{"inferenceservice.serving.kubeflow.org", "inferenceservices.serving.kubeflow.org"}},
	{"machinelearning.seldon.io/v1", "SeldonDeployment", []string{"sdep", "seldondeployment", "seldondeployments", "seldondeployments.machinelearning.seldon.io"}},
	{"networking.istio.io/v1", "VirtualService", []string{"vs", "virtualservice", "virtualservices", "virtualservices.networking.istio.io"}},
}

// readyObject reads kubectl's TYPE[.VERSION][.GROUP] and what is waited for.
func readyObject(r objRef) (v1alpha1.ReadyObject, *Problem) {
	out := v1alpha1.ReadyObject{ObjectRef: v1alpha1.ObjectRef{Namespace: r.Namespace, Name: r.Name}}
	if r.Name == "" || r.Kind == "" {
		return out, invalid("kind and name are required")
	}
	out.APIVersion, out.Kind = typeOf(r.Kind)
	if out.Kind == "" {
		return out, invalid("the type %s is not known", shown(r.Kind)).hint("write it with its version and group and its kind: Deployment.v1.apps")
	}
	what, condition, ok := strings.Cut(r.WaitFor, "=")
	if r.WaitFor != "" && (!ok || what != "condition" || condition == "") {
		return out, invalid("waitFor %s is not waited for", shown(r.WaitFor)).hint("write condition=NAME")
	}
	condition, value, _ := strings.Cut(condition, "=")
	if value != "" && !strings.EqualFold(value, "true") {
		return out, invalid("waitFor %s is not waited for", shown(r.WaitFor)).hint("write condition=NAME")
	}
	if condition != "" { // kubectl does not look at its case.
		out.Condition = strings.ToUpper(condition[:1]) + condition[1:]
	}
	return out, nil
}

// typeOf is the version and kind of a type; empty is one that is not known.
func typeOf(written string) (apiVersion, kind string) {
	name := strings.ToLower(written)
	for _, r := range resources {
		for _, n := range r.names {
			if n == name {
				return r.apiVersion, r.kind
			}
		}
	}
	kind, rest, ok := strings.Cut(written, ".")
	version, group, _ := strings.Cut(rest, ".")
	if !ok || kind == "" || !strings.HasPrefix(version, "v") {
		return "", ""
	}
	for _, r := range resources { // Of a known one in another version.
		for _, n := range r.names {
			if n == strings.ToLower(kind) {
				kind = r.kind
			}
		}
	}
	if kind == strings.ToLower(kind) {
		return "", ""
	}
	if group == "" {
		return version, kind
	}
	return group + "/" + version, kind
}
