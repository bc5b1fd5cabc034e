// SPDX-License-Identifier: Apache-2.0

package clustergateway_test

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

var inferenceKind = schema.GroupVersionKind{Group: "serving.kserve.io", Version: "v1beta1", Kind: "InferenceService"}

// kserve stands in for KServe on Knative and Istio, and for the application that
// asks its models. It rolls a revision out for each change of a predictor, gives
// the newest what canaryTrafficPercent says and tells so in the status, draws a
// version for each request, counts as Istio does, and its logger tells of each
// answer where the revision's spec says. Once the answer is there, the
// application learns the truth and posts it as a label.
type kserve struct {
	site   *site
	client *http.Client
	// api and token are where labels go, and prometheus scrapes what is counted.
	api, token, prometheus string

	mu       sync.Mutex
	services map[string]*inference
	wrong    []string // What loggers and labels were answered and should not.
}

// inference is one InferenceService.
type inference struct {
	revisions []*revision
	percent   int64 // What the newest revision serves.
	trace     []int64
	listening bool // An event was taken.
	labels    []label
}

// revision is a model as it was rolled out.
type revision struct {
	predictor map[string]any // Without the percent.
	model     string         // The last part of its storageUri.
	sink      string         // Its logger's; empty is none.
	served    float64
}

// label is the truth about a request.
type label struct {
	Request string    `json:"request"`
	Event   string    `json:"event"`
	Label   string    `json:"label"`
	Time    time.Time `json:"time"`
}

const (
	// inferenceRate is the requests a second for each InferenceService.
	inferenceRate = 80
	// frauds is the part of the requests that are a fraud.
	frauds = .3
	// labelWindow is how long after its request a label counts.
	labelWindow = 3 * time.Second
)

// answers is what a model says, by what is true and a draw from 0 to 1.
func answers(model, truth string, draw float64) string {
	switch {
	case model == "alarmed":
		return "fraud"
	case model == "guessing" && draw < frauds, model == "careful" && (truth == "fraud") == (draw < .95):
		return "fraud"
	default:
		return "fine"
	}
}

// newKServe starts it, and a Prometheus that scrapes Istio's counters there.
func newKServe(s *site) *kserve {
	s.t.Helper()
	token, err := os.ReadFile(s.token)
	if err != nil {
		s.t.Fatal(err)
	}
	k := &kserve{
		site: s, api: "http://" + s.api, token: string(token), services: map[string]*inference{},
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	sidecars := httptest.NewServer(k)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { every(ctx, 100*time.Millisecond, k.turn) })
	wg.Go(func() { every(ctx, 500*time.Millisecond, k.tell) })
	s.life.Cleanup(func() {
		cancel()
		wg.Wait()
		sidecars.Close()
		k.client.CloseIdleConnections()
	})
	k.prometheus = servers.Prometheus(s.life, fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 400ms}
scrape_configs:
- job_name: istio
  static_configs: [{targets: [%q]}]
`, sidecars.Listener.Addr()))
	return k
}

// every does something until the context is done, and says how much time passed.
func every(ctx context.Context, period time.Duration, do func(ctx context.Context, passed time.Duration)) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			do(ctx, now.Sub(last))
			last = now
		}
	}
}

// turn takes over what the specs say, and sends the requests of the time that
// passed. It waits for none of the loggers longer than KServe's agent would.
func (k *kserve) turn(ctx context.Context, passed time.Duration) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(inferenceKind)
	if err := k.site.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return // An API server that does not answer leaves KServe as it is.
	}
	var wg sync.WaitGroup
	for i := range list.Items {
		u := &list.Items[i]
		x := k.roll(ctx, u)
		for range int(passed.Seconds() * inferenceRate) {
			k.mu.Lock()
			newest := len(x.revisions) - 1
			r := x.revisions[newest]
			if newest > 0 && rand.Int64N(100) >= x.percent {
				r = x.revisions[newest-1]
			}
			r.served++
			k.mu.Unlock()
			truth := "fine"
			if rand.Float64() < frauds {
				truth = "fraud"
			}
			if r.sink != "" {
				wg.Go(func() { k.log(ctx, u.GetName(), x, r, truth) })
			}
		}
	}
	wg.Wait()
}

// roll makes a revision of a predictor that changed, and gives the newest its
// percent: nobody asks for one where nothing is left to a revision before.
func (k *kserve) roll(ctx context.Context, u *unstructured.Unstructured) *inference {
	predictor, _, _ := unstructured.NestedMap(u.Object, "spec", "predictor")
	percent, given := predictor["canaryTrafficPercent"].(int64)
	delete(predictor, "canaryTrafficPercent")
	k.mu.Lock()
	x := k.services[u.GetName()]
	if x == nil {
		x = &inference{percent: -1}
		k.services[u.GetName()] = x
	}
	if n := len(x.revisions); n == 0 || !reflect.DeepEqual(x.revisions[n-1].predictor, predictor) {
		uri, _, _ := unstructured.NestedString(predictor, "model", "storageUri")
		sink, _, _ := unstructured.NestedString(predictor, "logger", "url")
		x.revisions = append(x.revisions, &revision{predictor: predictor, model: uri[strings.LastIndex(uri, "/")+1:], sink: sink})
	}
	if len(x.revisions) == 1 || !given {
		percent = 100
	}
	traffic := []any{map[string]any{"latestRevision": true, "percent": percent, "revisionName": revisionName(u.GetName(), len(x.revisions))}}
	if percent < 100 {
		traffic = append(traffic, map[string]any{"latestRevision": false, "percent": 100 - percent, "revisionName": revisionName(u.GetName(), len(x.revisions)-1), "tag": "prev"})
	}
	k.mu.Unlock()
	if told, _, _ := unstructured.NestedSlice(u.Object, "status", "components", "predictor", "traffic"); !reflect.DeepEqual(told, traffic) {
		patch, _ := json.Marshal(map[string]any{"status": map[string]any{"components": map[string]any{"predictor": map[string]any{"traffic": traffic}}}})
		if err := k.site.Client.Status().Patch(ctx, u, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return x // At the next turn.
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if x.percent != percent {
		x.percent, x.trace = percent, append(x.trace, percent)
	}
	return x
}

// revisionName is what Knative calls the nth revision; its Deployment has the
// same name and a suffix.
func revisionName(service string, n int) string {
	return fmt.Sprintf("%s-predictor-%05d", service, n)
}

// log is KServe's logger: it tells of an answer as a CloudEvent in binary mode,
// which names neither revision nor version.
func (k *kserve) log(ctx context.Context, service string, x *inference, r *revision, truth string) {
	body, _ := json.Marshal(map[string]any{"predictions": []string{answers(r.model, truth, rand.Float64())}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.sink, bytes.NewReader(body))
	if err != nil {
		k.blame("%v", err)
		return
	}
	id := cryptorand.Text()
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Ce-Id": id, "Ce-Specversion": "1.0", "Ce-Type": "org.kubeflow.serving.inference.response",
		"Ce-Source": "http://localhost:9081/", "Ce-Inferenceservicename": service, "Ce-Namespace": namespace, "Ce-Component": "predictor",
	} {
		req.Header.Set(name, value)
	}
	status, answer, err := k.ask(req)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil && status == http.StatusAccepted:
		x.listening = true
		x.labels = append(x.labels, label{Request: id, Event: "chargeback", Label: truth, Time: time.Now()})
	case ctx.Err() == nil && (x.listening || status != http.StatusNotFound): // Before its experiment is there nobody knows it.
		k.wrong = append(k.wrong, fmt.Sprintf("an event of %s: %d, %v: %s", service, status, err, answer))
	}
}

// tell posts the labels, and again while the ledger does not know some of their
// predictions yet: those that it knows it says are duplicates.
func (k *kserve) tell(ctx context.Context, _ time.Duration) {
	k.mu.Lock()
	due := map[string][]label{}
	for name, x := range k.services {
		x.labels = slices.DeleteFunc(x.labels, func(l label) bool { return time.Since(l.Time) > labelWindow })
		due[name] = slices.Clone(x.labels)
	}
	k.mu.Unlock()
	for name, labels := range due {
		if len(labels) == 0 {
			continue
		}
		body, _ := json.Marshal(map[string]any{"experiment": namespace + "/" + name, "outcomes": labels})
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.api+"/v1/outcomes", bytes.NewReader(body))
		if err != nil {
			k.blame("%v", err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+k.token)
		switch status, answer, err := k.ask(req); {
		case ctx.Err() != nil:
		case err != nil || status != http.StatusAccepted:
			k.blame("labels of %s: %d, %v: %s", name, status, err, answer)
		case strings.Contains(answer, `"unmatched":0`):
			k.known(name, labels[len(labels)-1].Time)
		}
	}
}

// known lets go of labels that arrived.
func (k *kserve) known(service string, upTo time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.services[service]
	x.labels = slices.DeleteFunc(x.labels, func(l label) bool { return !l.Time.After(upTo) })
}

func (k *kserve) ask(req *http.Request) (status int, answer string, err error) {
	res, err := k.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func (k *kserve) blame(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong = append(k.wrong, fmt.Sprintf(format, args...))
}

func (k *kserve) wrongs() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.wrong)
}

// trace is what the newest revision of a service was given, one after the other.
func (k *kserve) trace(service string) []int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.services[service].trace)
}

// ServeHTTP is Prometheus' view of Istio's sidecars: all went well.
func (k *kserve) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintln(w, "# TYPE istio_requests_total counter")
	for name, x := range k.services {
		for i, r := range x.revisions {
			labels := fmt.Sprintf(`reporter="destination",destination_workload_namespace=%q,destination_workload="%s-deployment"`, namespace, revisionName(name, i+1))
			fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"200\"} %v\n", labels, r.served)
			fmt.Fprintf(w, "istio_requests_total{%s,response_code=\"503\"} 0\n", labels)
		}
	}
}

// rollOut applies a revision of an InferenceService, and waits until it runs. The
// first has all traffic, the second none yet. A logger tells of each by a URL of
// its own.
func (k *kserve) rollOut(service string, n int, model, sink string) {
	s := k.site
	s.t.Helper()
	more := ""
	if sink != "" {
		more += fmt.Sprintf("\n    logger: {mode: response, url: %q}", fmt.Sprintf("%s?experiment=%s/%s&version=v%d", sink, namespace, service, n))
	}
	if n > 1 {
		more += "\n    canaryTrafficPercent: 0"
	}
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: %s, namespace: %s, annotations: {serving.kserve.io/deploymentMode: Serverless}}
spec:
  predictor:
    minReplicas: %d
    model: {modelFormat: {name: sklearn}, storageUri: "s3://models/%s"}%s
`, service, namespace, n, model, more))
	s.Apply(s.t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s-deployment, namespace: %[2]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: kserve-container, image: "registry.example/model:1"}]}
`, revisionName(service, n), namespace))
	d := &unstructured.Unstructured{}
	d.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	d.SetNamespace(namespace)
	d.SetName(revisionName(service, n) + "-deployment")
	ready := []byte(`{"status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}}`)
	if err := s.Client.Status().Patch(s.t.Context(), d, client.RawPatch(types.MergePatchType, ready)); err != nil {
		s.t.Fatal(err)
	}
	within(s.t, soon, "KServe rolls it out", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if x := k.services[service]; x == nil || len(x.revisions) < n || n > 1 && x.percent != 0 {
			return fmt.Errorf("%s has %+v", service, x)
		}
		return nil
	})
}

// counted waits until Prometheus knows the requests of so many revisions: what
// was counted before it looked is nobody's.
func (k *kserve) counted(revisions int) {
	k.site.t.Helper()
	const query = `/api/v1/query?query=count(count_over_time(istio_requests_total{response_code="200"}[1m])>1)`
	want := fmt.Sprintf(`"%d"]`, revisions)
	within(k.site.t, soon, "Prometheus has scraped every revision", func() error {
		req, err := http.NewRequestWithContext(k.site.t.Context(), http.MethodGet, k.prometheus+strings.ReplaceAll(query, ">", "%3E"), nil)
		if err != nil {
			return err
		}
		status, answer, err := k.ask(req)
		if err == nil && (status != http.StatusOK || !strings.Contains(answer, want)) {
			err = fmt.Errorf("%d: %s", status, answer)
		}
		return err
	})
}

// kserveCRDs are KServe's own where HEADGATE_CRDS has them, else one that takes
// any InferenceService.
func kserveCRDs(t *testing.T, dir string) []*servers.CRD {
	t.Helper()
	files := slices.DeleteFunc(servers.GivenCRDFiles(t), func(f string) bool { return !strings.HasPrefix(filepath.Base(f), "kserve") })
	crds := slices.DeleteFunc(servers.CRDsOf(t, files...), func(c *servers.CRD) bool { return c.GetName() != "inferenceservices.serving.kserve.io" })
	if len(crds) > 0 {
		return crds
	}
	t.Log("the definition of an InferenceService is the test's, for HEADGATE_CRDS has none of KServe's")
	file := filepath.Join(dir, "inferenceservices.yaml")
	if err := os.WriteFile(file, []byte(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: inferenceservices.serving.kserve.io}
spec:
  group: serving.kserve.io
  scope: Namespaced
  names: {kind: InferenceService, listKind: InferenceServiceList, plural: inferenceservices, singular: inferenceservice}
  versions:
  - name: v1beta1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	return servers.CRDsOf(t, file)
}
