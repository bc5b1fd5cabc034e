// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// The marks that GitOps tools leave on what they apply.
const (
	argoTracking  = "argocd.argoproj.io/tracking-id"
	argoInstance  = "argocd.argoproj.io/instance"
	fluxName      = "kustomize.toolkit.fluxcd.io/name"
	fluxNamespace = "kustomize.toolkit.fluxcd.io/namespace"
	fluxApply     = "kustomize.toolkit.fluxcd.io/ssa"
	fluxOff       = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxHelm      = "helm.toolkit.fluxcd.io/name"
	argoRollouts  = "rollouts.argoproj.io/gatewayapi-canary"
)

// heal looks for whoever would write the shares again after a kill.
func (k *checker) heal(t routes.Target, o router.Object, owned []string) {
	warned := false
	warn := func(who, hint string) {
		warned = true
		k.say(CodeHeal, Warning, hint, "%s is applied by %s, which may write the shares of its repository again", t, who)
	}
	u := unstructured.Unstructured{Object: o}
	labels, notes := u.GetLabels(), u.GetAnnotations()
	if app := argoOf(labels, notes); app != "" {
		warn("Argo CD (application "+app+")", argoHint(app, t, owned))
	}
	if name := labels[fluxName]; name != "" && notes[fluxApply] != "Ignore" && notes[fluxOff] != "disabled" {
		warn(fmt.Sprintf("Flux (Kustomization %s/%s)", labels[fluxNamespace], name), fluxHint(t))
	}
	if name := labels[fluxHelm]; name != "" {
		warn("Flux (HelmRelease "+name+")", helmHint(t, owned))
	}
	for _, owner := range u.GetOwnerReferences() {
		if owner.Kind == "Canary" && strings.HasPrefix(owner.APIVersion, "flagger.app/") ||
			owner.Kind == "Rollout" && strings.HasPrefix(owner.APIVersion, "argoproj.io/") {
			warned = true
			k.say(CodeHeal, Failed, "delete it, or let it and the experiment work on routes of their own", "%s belongs to the %s %s, which moves traffic, too", t, owner.Kind, owner.Name)
		}
	}
	if labels[argoRollouts] != "" {
		warned = true
		k.say(CodeHeal, Failed, "end the rollout first", "%s is in the hands of Argo Rollouts", t)
	}
	if !warned {
		k.say(CodeHeal, OK, "", "no tool is known to write the shares of %s again", t)
	}
}

// argoOf is the application that an object belongs to.
func argoOf(labels, notes map[string]string) string {
	if id := notes[argoTracking]; id != "" {
		app, _, _ := strings.Cut(id, ":")
		return app
	}
	return labels[argoInstance]
}

// argoHint is what belongs into an Application. Without the sync option a sync
// overwrites what a comparison ignores.
func argoHint(app string, t routes.Target, owned []string) string {
	return fmt.Sprintf(`add to the spec of Application %s, if it is not there:
  ignoreDifferences:
  - group: %s
    kind: %s
    namespace: %s
    name: %s
    jsonPointers: [%s]
  syncPolicy:
    syncOptions: [RespectIgnoreDifferences=true]`, app, t.Kind.Group, t.Kind.Kind, t.Key.Namespace, t.Key.Name, quoted(owned))
}

func fluxHint(t routes.Target) string {
	return fmt.Sprintf(`annotate %s in its repository; from then on its first version stays as it is:
  metadata:
    annotations:
      %s: Ignore`, t, fluxApply)
}

func helmHint(t routes.Target, owned []string) string {
	return fmt.Sprintf(`add to the spec of the HelmRelease, if it is not there:
  driftDetection:
    ignore:
    - paths: [%s]
      target: {kind: %s, name: %s, namespace: %s}`, quoted(owned), t.Kind.Kind, t.Key.Name, t.Key.Namespace)
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = `"` + s + `"`
	}
	return strings.Join(out, ", ")
}
