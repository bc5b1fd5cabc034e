// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/test/servers"
)

const (
	testdata = "../../internal/translate/testdata/"
	// schemaToo is the line of manifests that the schema refuses.
	schemaToo = "# The schema refuses it too.\n"
	// atOnce is a generous bound of what takes a turn or two.
	atOnce = time.Minute
)

// manifest is a bad manifest and what the validator says of the file.
type manifest struct {
	name   string
	object *unstructured.Unstructured
	says   []string
	schema bool
}

func badManifests(t *testing.T) []manifest {
	t.Helper()
	files, err := filepath.Glob(testdata + "badcluster/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d bad manifests, want at least 60: %v", len(files), err)
	}
	var all []manifest
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = translate.Plan(text)
		problems, ok := errors.AsType[translate.Problems](err)
		if !ok {
			t.Fatalf("%s: %v", file, err)
		}
		m := manifest{name: strings.TrimSuffix(filepath.Base(file), ".yaml"), object: objects(t, text)[0], schema: strings.Contains(string(text), schemaToo)}
		for _, p := range problems {
			p.Line = 0
			m.says = append(m.says, p.String())
		}
		slices.Sort(m.says)
		all = append(all, m)
	}
	return all
}

// objects reads the documents of a file, with the namespace that they are
// applied to.
func objects(t *testing.T, text []byte) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(text)), 4096)
	for {
		u := &unstructured.Unstructured{}
		if err := decoder.Decode(&u.Object); err != nil || u.Object == nil {
			if len(all) == 0 {
				t.Fatalf("no object: %v", err)
			}
			return all
		}
		if u.GetNamespace() == "" {
			u.SetNamespace("default")
		}
		all = append(all, u)
	}
}

// spelled writes what a file may abbreviate as an object has it: texts in
// quotes, where the schema wants a text; a list of one; and a list of values for
// {in: …}.
func spelled(value any, schema map[string]any) any {
	properties, _ := schema["properties"].(map[string]any)
	others, _ := schema["additionalProperties"].(map[string]any)
	items, _ := schema["items"].(map[string]any)
	if value == nil {
		return nil // The API server takes it for left out.
	}
	if _, list := value.([]any); schema["type"] == "array" && !list {
		value = []any{value}
	}
	if _, object := value.(map[string]any); properties["in"] != nil && !object {
		value = map[string]any{"in": value}
	}
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			if of, ok := properties[k].(map[string]any); ok {
				v[k] = spelled(v[k], of)
			} else if others != nil {
				v[k] = spelled(v[k], others)
			}
		}
	case []any:
		for i := range v {
			v[i] = spelled(v[i], items)
		}
	case float64:
		if schema["type"] == "string" {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	case int64, bool:
		if schema["type"] == "string" {
			return fmt.Sprint(v)
		}
	}
	return value
}

// schemaOf is the schema of Experiments as they are installed.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	crd := servers.CRDsOf(t, "../../config/crd/headgate.dev_experiments.yaml")[0]
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	schema, ok, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema")
	if !ok {
		t.Fatal("the CRD has no schema")
	}
	return schema
}

// causes are what a refusal says, as kubectl shows it.
func causes(err error) []string {
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return []string{fmt.Sprint(err)}
	}
	var all []string
	for _, c := range status.Status().Details.Causes {
		all = append(all, c.Field+": "+c.Message)
	}
	slices.Sort(all)
	return all
}

// TestDoors gives every manifest to all doors.
func TestDoors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	d := newDoor(t)
	bad := badManifests(t)
	first := s.controller(t, s.Kubeconfig, d.args()...)
	d.register(t, s, "/validate-experiment")
	s.opened(t, bad)

	t.Run("bad manifests are refused by webhook as by file", func(t *testing.T) { s.refuses(t, bad) })
	t.Run("kubectl shows every problem in a line of its own", s.readable)
	t.Run("good manifests pass", s.passes)
	t.Run("reusable metrics are refused by themselves", s.refusesMetrics)
	t.Run("a reusable metric that is not there is a warning", s.warns)
	t.Run("an answer is quick", func(t *testing.T) { s.quick(t, bad) })

	first.kill()
	t.Run("without the webhook the controller says it", func(t *testing.T) { s.stalls(t, bad, d) })
}

// opened waits until the API server asks the webhook.
func (s *site) opened(t *testing.T, bad []manifest) {
	t.Helper()
	i := slices.IndexFunc(bad, func(m manifest) bool { return !m.schema })
	var err error
	if !eventually(t.Context(), atOnce, func(ctx context.Context) bool {
		err = s.Client.Create(ctx, bad[i].object.DeepCopy(), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "admission webhook")
	}) {
		t.Fatalf("the webhook was not asked: %v", err)
	}
}

// refuses compares what the API server says, its own schema or the webhook's
// words, with what is said of the file.
func (s *site) refuses(t *testing.T, bad []manifest) {
	bySchema := 0
	strict := client.WithFieldValidation(s.Client, metav1.FieldValidationStrict) // As kubectl asks.
	for _, m := range bad {
		err := strict.Create(t.Context(), m.object.DeepCopy())
		switch {
		case err == nil:
			t.Errorf("%s: it is admitted", m.name)
		case strings.Contains(err.Error(), "admission webhook") == m.schema:
			t.Errorf("%s: by schema %v, but %v", m.name, m.schema, err)
		case m.schema:
			bySchema++
		default:
			if diff := cmp.Diff(m.says, causes(err)); diff != "" {
				t.Errorf("%s (-file +webhook):\n%s", m.name, diff)
			}
			for _, says := range m.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%s: %q is not in %q", m.name, says, err)
				}
			}
		}
	}
	t.Logf("%d by the schema, %d by the webhook", bySchema, len(bad)-bySchema)
}

const twoProblems = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: two, namespace: default}
spec:
  versions: [{name: v1, backend: "http://a"}, {name: v2, backend: a/v2}]
  traffic: {virtualService: {name: ranker}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: eror, max: "5%"}]
  stages: [{name: canary, ramp: {steps: ["10%"]}, hold: {requests: 100}}]
`

func (s *site) readable(t *testing.T) {
	for _, verb := range []string{"create", "apply"} {
		out, err := s.Kubectl(t.Context(), twoProblems, verb, "-f", "-")
		if err == nil {
			t.Fatalf("kubectl %s: it is admitted: %s", verb, out)
		}
		t.Logf("kubectl %s:\n%v", verb, err)
		for _, line := range []string{"\n* spec.objectives[0].metric: no such metric", "\n* spec.versions[0].backend: "} {
			if !strings.Contains(err.Error(), line) {
				t.Errorf("kubectl %s: no line %q", verb, line)
			}
		}
	}
}

// passes creates every experiment that the validator takes of a file, without
// keeping it: neither the schema, nor its rules, nor the webhook may refuse it.
func (s *site) passes(t *testing.T) {
	results, err := filepath.Glob(testdata + "*.out.json")
	if err != nil || len(results) < 15 {
		t.Fatalf("%d goldens: %v", len(results), err)
	}
	schema, strict := schemaOf(t), client.WithFieldValidation(s.Client, metav1.FieldValidationStrict)
	for _, result := range results {
		file := strings.Replace(result, ".out.json", ".in.yaml", 1)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := translate.Plan(text); err != nil {
			t.Errorf("%s is no good one: %v", file, err)
		}
		all := objects(t, text)
		for _, u := range all {
			s.Namespace(t, u.GetNamespace())
			if u.GetKind() == "Metric" {
				if err := s.Client.Create(t.Context(), u); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
		for _, u := range all {
			if u.GetKind() != "Experiment" {
				continue
			}
			u.Object = spelled(u.Object, schema).(map[string]any)
			if err := strict.Create(t.Context(), u, client.DryRunAll); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	t.Logf("%d experiments", len(results))
}

func (s *site) refusesMetrics(t *testing.T) {
	const good = `
apiVersion: headgate.dev/v1alpha1
kind: Metric
metadata: {name: http-errors, namespace: default}
spec:
  params: [{name: job}]
  goal: decrease
  trust: observed
  from: {prometheus: {provider: main, events: 'e{job="{{.Params.job}}",v="{{.Workload}}"}', total: 't{job="{{.Params.job}}",v="{{.Workload}}"}'}}
`
	for name, tc := range map[string]struct{ old, replacement, want string }{
		"a goal":                {"goal: decrease", "goal: down", `spec.goal: unknown value, got "down" (write increase or decrease)`},
		"no goal":               {"  goal: decrease\n", "", `spec.goal: which way is better is required`},
		"a template":            {`v="{{.Workload}}"}', total`, `v="{{.Model}}"}', total`, `spec.from.prometheus.events: {{.Model}}: there is no such name`},
		"a bracket":             {"'e{", "'e[", `spec.from.prometheus.events: the bracket } closes nothing`},
		"an unknown parameter":  {"Params.job", "Params.task", `spec.from.prometheus.events: task is no parameter of it`},
		"a spare parameter":     {"[{name: job}]", "[{name: job}, {name: spare, default: x}]", `spec.params[1]: nothing uses the parameter, got "spare"`},
		"two sources":           {"from: {", "from: {builtin: error-rate, ", `spec.from: exactly one of`},
		"one for both versions": {"{{.Workload}}", "x", `spec.from.prometheus.events: `},
	} {
		text := strings.ReplaceAll(good, tc.old, tc.replacement)
		if text == good {
			t.Fatalf("%s: nothing is changed", name)
		}
		err := s.Client.Create(t.Context(), objects(t, []byte(text))[0], client.DryRunAll)
		if err == nil || !strings.HasPrefix(causes(err)[0], tc.want) || len(causes(err)) > 2 {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	for _, from := range []string{
		"{prediction: absent-features}", "{outcomes: {event: click, window: 1h}}", "{builtin: restarts}", "{builtin: error-rate}",
		"{pairs: {compare: ranking}}", "{drift: {of: class}}", "{response: {header: x-tokens}}", `{output: {sum: ".a", count: ".b"}}`,
		`{prometheus: {query: 'q{v="{{.Backend}}",j="{{.Params.job}}"}'}}`,
	} {
		text, _, _ := strings.Cut(good, "  from: ")
		text = strings.ReplaceAll(text, "  trust: observed\n", "") + "  from: " + from + "\n"
		if !strings.Contains(from, "Params") {
			text = strings.ReplaceAll(text, "  params: [{name: job}]\n", "")
		}
		if !strings.Contains(from, "prometheus") {
			text = strings.ReplaceAll(text, "  goal: decrease\n", "")
		}
		if err := s.Client.Create(t.Context(), objects(t, []byte(text))[0], client.DryRunAll); err != nil {
			t.Errorf("%s: %v", from, err)
		}
	}
}

const referring = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %s, namespace: %s}
spec:
  versions: [{name: v1, backend: a}, {name: v2, backend: b}]
  traffic: {virtualService: {name: ranker}}
  metrics: [{name: errors, ref: {name: absent}}]
  objectives: [{metric: errors, max: "%s"}]
  stages: [{name: canary, ramp: {steps: ["10%%"]}, hold: {requests: 100}}]
`

func (s *site) warns(t *testing.T) {
	// kubectl prints warnings to standard error, which an error holds.
	out, err := s.Kubectl(t.Context(), fmt.Sprintf(referring, "early", "default", "5%"), "create", "--dry-run=server", "--warnings-as-errors", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), `Warning: spec.metrics[0].ref.name: there is no such metric in the namespace "default", got "absent" (apply it`) {
		t.Errorf("%v, %s", err, out)
	}
	t.Logf("kubectl:\n%v", err)
	// With a mistake beside it, it is one of the problems.
	err = s.Client.Create(t.Context(), objects(t, []byte(fmt.Sprintf(referring, "early", "default", "much")))[0], client.DryRunAll)
	if got := causes(err); len(got) != 2 || !strings.HasPrefix(got[0], "spec.metrics[0].ref.name: ") || !strings.HasPrefix(got[1], "spec.objectives[0].max: ") {
		t.Errorf("refused for %q", got)
	}
}

// quick measures the longest of many answers, one at a time.
func (s *site) quick(t *testing.T, bad []manifest) {
	var longest time.Duration
	strict := client.WithFieldValidation(s.Client, metav1.FieldValidationStrict)
	for _, m := range bad {
		began := time.Now()
		if err := strict.Create(t.Context(), m.object.DeepCopy(), client.DryRunAll); err == nil {
			t.Errorf("%s: it is admitted", m.name)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("the longest of %d answers took %v", len(bad), longest)
	if longest > 10*time.Second { // It is milliseconds, on a machine that has nothing else to do.
		t.Errorf("an answer took %v", longest)
	}
	// As large as an object's annotations may be.
	large := bad[0].object.DeepCopy()
	large.SetAnnotations(map[string]string{"a/b": strings.Repeat("x", 200<<10)})
	began := time.Now()
	if err := s.Client.Create(t.Context(), large, client.DryRunAll); err == nil {
		t.Error("the large one is admitted")
	}
	t.Logf("a large one took %v", time.Since(began))
}

// stalls creates what the webhook would have refused while it is down, and has
// the controller say it. Then nothing holds a wish or a deletion up.
func (s *site) stalls(t *testing.T, bad []manifest, d *door) {
	var invalid []manifest
	for _, m := range bad {
		if m.schema {
			continue
		}
		if err := s.Client.Create(t.Context(), m.object.DeepCopy()); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if !strings.HasPrefix(m.says[0], "spec.control") { // A wish is no part of the plan.
			invalid = append(invalid, m)
		}
	}
	began := time.Now()
	s.controller(t, s.Kubeconfig, d.args()...)
	for _, m := range invalid {
		u := s.await(t, m.object.GetNamespace(), m.name, "stalled", heals, func(u *unstructured.Unstructured) bool {
			stalled, _, _ := condition(u, "Stalled")
			return stalled == "True"
		})
		_, reason, message := condition(u, "Stalled")
		ready, _, _ := condition(u, "Ready")
		if reason != "InvalidSpec" || ready != "False" {
			t.Errorf("%s: reason %s, ready %s", m.name, reason, ready)
		}
		for _, says := range m.says {
			if !strings.Contains(message, says) {
				t.Errorf("%s: %q is not in %q", m.name, says, message)
			}
		}
	}
	t.Logf("%d stalled within %v", len(invalid), time.Since(began))
	s.opened(t, bad)
	s.obeys(t, invalid[0])
	s.lets(t, bad)
}

// obeys changes an experiment that is wrong by now.
func (s *site) obeys(t *testing.T, m manifest) {
	t.Helper()
	patch := func(text string) error {
		return s.Client.Patch(t.Context(), s.object(t, experimentKind, "default", m.name), client.RawPatch(types.MergePatchType, []byte(text)))
	}
	if err := patch(`{"spec": {"owner": "somebody else"}}`); err == nil || !strings.Contains(err.Error(), m.says[0]) {
		t.Errorf("a change beside what is wrong: %v", err)
	}
	for _, text := range []string{
		`{"spec": {"control": {"verb": "kill", "reason": "wrong prices"}}}`,
		`{"spec": {"control": {"verb": "promote", "version": "nobody"}}}`,
		`{"spec": {"control": null}}`,
		`{"metadata": {"labels": {"a": "b"}}}`,
	} {
		if err := patch(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	u := s.object(t, experimentKind, "default", m.name)
	if err := unstructured.SetNestedField(u.Object, "looked at", "status", "message"); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Status().Update(t.Context(), u); err != nil && !apierrors.IsConflict(err) {
		t.Errorf("the status: %v", err)
	}
}

// lets deletes experiments that are wrong.
func (s *site) lets(t *testing.T, bad []manifest) {
	t.Helper()
	began := time.Now()
	for _, m := range bad {
		if m.schema {
			continue
		}
		if err := s.Client.Delete(t.Context(), m.object.DeepCopy()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(experimentKind)
	if !eventually(t.Context(), atOnce, func(ctx context.Context) bool {
		return s.Client.List(ctx, list) == nil && len(list.Items) == 0
	}) {
		for _, u := range list.Items {
			t.Errorf("%s is there after %v: %v, %v", u.GetName(), time.Since(began), u.GetFinalizers(), u.Object["status"])
		}
	}
}
