// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// authority is some certificate, PEM in base64.
func authority(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return base64.StdEncoding.EncodeToString(certificateOf(s))
}

func certificateOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// webhookAsks puts a webhook that allows everything where the API server asks,
// and counts what it is asked.
func webhookAsks(t *testing.T, c *servers.Cluster) {
	var asked atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		var review admissionv1.AdmissionReview
		if err == nil {
			err = json.Unmarshal(body, &review)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		_ = json.NewEncoder(w).Encode(review) // A broken connection shows up in the count.
	}))
	t.Cleanup(s.Close)
	hook := objects(t, kustomize(t, withOptions(t)))["ValidatingWebhookConfiguration /headgate"]
	hooks, _, _ := unstructured.NestedSlice(hook.Object, "webhooks")
	// There is no network of Services here, so only where it is asked differs.
	hooks[0].(map[string]any)["clientConfig"] = map[string]any{"url": s.URL + "/validate-experiment", "caBundle": base64.StdEncoding.EncodeToString(certificateOf(s))}
	if err := unstructured.SetNestedSlice(hook.Object, hooks, "webhooks"); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server asks the webhook", time.Minute, func() error {
		err := c.Client.Create(t.Context(), objects(t, spec(""))["Experiment "+namespace+"/ranker"], client.DryRunAll)
		if err == nil && asked.Load() == 0 {
			return http.ErrServerClosed
		}
		return err
	})
	c.Apply(t, spec(""))
	patch := func(kind types.PatchType, text string) int64 {
		t.Helper()
		before := asked.Load()
		if err := c.Client.Patch(t.Context(), experimentOf(t, c), client.RawPatch(kind, []byte(text))); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return asked.Load() - before
	}
	for _, tc := range []struct {
		what, patch string
		want        int64
	}{
		{"a kill", `{"spec": {"control": {"verb": "kill", "reason": "wrong prices"}}}`, 0},
		{"another wish", `{"spec": {"control": {"verb": "resume", "reason": null}}}`, 0},
		{"no wish any more", `{"spec": {"control": null}}`, 0},
		{"a label", `{"metadata": {"labels": {"a": "b"}}}`, 0},
		{"an owner", `{"spec": {"owner": "somebody"}}`, 1},
		{"a list", `{"spec": {"objectives": [{"metric": "errors", "max": "6%"}]}}`, 1},
		{"a wish and a new field", `{"spec": {"hypothesis": "better", "control": {"verb": "pause"}}}`, 1},
		{"a field that goes", `{"spec": {"hypothesis": null}}`, 1},
	} {
		if got := patch(types.MergePatchType, tc.patch); got != tc.want {
			t.Errorf("%s: it was asked %d times, want %d", tc.what, got, tc.want)
		}
	}
	s.Close()
	patch(types.MergePatchType, `{"spec": {"hypothesis": "a webhook that is down stops nobody"}}`)
	for _, o := range []client.Object{hook, experimentOf(t, c)} {
		if err := c.Client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}
