// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/headgate-dev/headgate/internal/translate"
)

// WebhookPath is where the API server asks about Experiments.
const WebhookPath = "/validate-experiment"

const defaultWebhookPort = 9443

// NewWebhookServer serves admission with the certificate in a directory, read
// again when it changes.
func NewWebhookServer(certificates string, port int) webhook.Server {
	return webhook.NewServer(webhook.Options{Port: cmp.Or(port, defaultWebhookPort), CertDir: certificates})
}

// AddWebhook serves the admission of Experiments.
func AddWebhook(m manager.Manager) error {
	m.GetWebhookServer().Register(WebhookPath, &webhook.Admission{Handler: admitter{}})
	return nil
}

// admitter says what is wrong with an Experiment, in the validator's words. It
// never stands between a person and spec.control: a kill must get through
// whatever the rest of the spec has become.
type admitter struct{}

// Handle implements admission.Handler.
func (admitter) Handle(_ context.Context, req admission.Request) admission.Response {
	if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
		return admission.Allowed("")
	}
	obj, err := withoutControl(req.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if req.Operation == admissionv1.Update {
		old, err := withoutControl(req.OldObject.Raw)
		if err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		if obj.GetDeletionTimestamp() != nil || apiequality.Semantic.DeepEqual(obj.Object["spec"], old.Object["spec"]) {
			return admission.Allowed("")
		}
	}
	text, err := obj.MarshalJSON()
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	if _, err := translate.Plan(text); err != nil {
		return admission.Denied(err.Error())
	}
	return admission.Allowed("")
}

// withoutControl reads an object as it was sent, without the wish in it.
func withoutControl(raw []byte) (*unstructured.Unstructured, error) {
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(u.Object, "spec", "control")
	return &u, nil
}
