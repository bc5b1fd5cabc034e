// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// WebhookPath is where the API server asks about Experiments and Metrics.
const WebhookPath = "/validate-experiment"

const defaultWebhookPort = 9443

// NewWebhookServer serves admission with the certificate in a directory, read
// again when it changes.
func NewWebhookServer(certificates string, port int) webhook.Server {
	return webhook.NewServer(webhook.Options{Port: cmp.Or(port, defaultWebhookPort), CertDir: certificates})
}

// AddWebhook serves the admission of Experiments and Metrics. It answers within
// the time that it takes to read an object of a megabyte, and metricsTimeout for
// the reusable metrics that it names; larger requests are refused unread.
func AddWebhook(m manager.Manager) error {
	m.GetWebhookServer().Register(WebhookPath, &webhook.Admission{Handler: admitter{library{m.GetAPIReader()}}})
	return nil
}

// admitter says what is wrong with an object, in the validator's words. It never
// stands between a person and spec.control: a kill must get through whatever the
// rest of the spec has become. Nor does it say what the cluster will be: a
// reusable metric that is not there yet is a warning, since what is applied
// together comes in any order.
type admitter struct{ library library }

// Handle implements admission.Handler.
func (a admitter) Handle(ctx context.Context, req admission.Request) admission.Response {
	if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
		return admission.Allowed("")
	}
	var obj unstructured.Unstructured
	if err := obj.UnmarshalJSON(req.Object.Raw); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if req.Operation == admissionv1.Update {
		var old unstructured.Unstructured
		if err := old.UnmarshalJSON(req.OldObject.Raw); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		if obj.GetDeletionTimestamp() != nil || sameWithoutWish(&obj, &old) {
			return admission.Allowed("")
		}
	}
	obj.SetManagedFields(nil)
	unstructured.RemoveNestedField(obj.Object, "status")
	written, err := obj.MarshalJSON()
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	if req.Kind.Kind == kube.KindMetric {
		err = checkMetric(written)
	} else {
		_, err = a.library.plan(ctx, written, req.Namespace, metricsOf(written))
	}
	return answer(&req, err)
}

// sameWithoutWish reports whether two specs differ in spec.control at most; what
// is new has its wish taken out.
func sameWithoutWish(obj, old *unstructured.Unstructured) bool {
	for _, u := range []*unstructured.Unstructured{obj, old} {
		unstructured.RemoveNestedField(u.Object, "spec", "control")
	}
	return apiequality.Semantic.DeepEqual(obj.Object["spec"], old.Object["spec"])
}

// metricsOf are the metrics of an experiment, as far as they can be read: of
// others the validator says why not.
func metricsOf(written []byte) []v1alpha1.Metric {
	var e struct {
		Spec struct {
			Metrics []struct {
				Ref *v1alpha1.MetricRef `json:"ref"`
			} `json:"metrics"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(written, &e); err != nil {
		return nil
	}
	metrics := make([]v1alpha1.Metric, len(e.Spec.Metrics))
	for i, m := range e.Spec.Metrics {
		metrics[i].Ref = m.Ref
	}
	return metrics
}

// answer makes a refusal one that kubectl shows as it shows the API server's
// own: every problem in a line of its own that begins with its path.
func answer(req *admission.Request, err error) admission.Response {
	r := refusalOf(err)
	switch {
	case err == nil:
		return admission.Allowed("")
	case r == nil:
		return admission.Errored(http.StatusInternalServerError, err)
	case r.lacking:
		var warnings []string
		for _, p := range r.problems {
			warnings = append(warnings, p.String())
		}
		return admission.Allowed("").WithWarnings(warnings...)
	}
	status := &metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: r.lines(),
		Details: &metav1.StatusDetails{Group: req.Kind.Group, Kind: req.Kind.Kind, Name: req.Name},
	}
	for _, p := range r.problems {
		field := cmp.Or(p.Path, "spec")
		p.Path = ""
		status.Details.Causes = append(status.Details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: p.String()})
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Allowed: false, Result: status}}
}
