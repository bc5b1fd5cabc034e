// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"encoding/json"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kyaml "sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

func TestConditionsBecomeJQ(t *testing.T) {
	const won, found = ".experiment.candidateWon", ".experiment.winnerFound"
	for text, want := range map[string]string{
		"CandidateWon()":                              won,
		"not CandidateWon()":                          "(" + won + " | not)",
		"!CandidateWon()":                             "(" + won + " | not)",
		"WinnerFound() and not CandidateWon()":        "(" + found + " and (" + won + " | not))",
		"WinnerFound() && CandidateWon() || true":     "((" + found + " and " + won + ") or true)",
		"not (WinnerFound() or CandidateWon( )) ":     "((" + found + " or " + won + ") | not)",
		"false or (CandidateWon() and WinnerFound())": "(false or (" + won + " and " + found + "))",
	} {
		if got, err := condition(text); err != nil || got != want {
			t.Errorf("%q becomes %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "CandidateWon", "CandidateWon() ==", "Status.Analysis != nil", "CandidateWon() WinnerFound()", "(CandidateWon()", "not", "and",
		"CandidateWon(1)", strings.Repeat("not ", 1000) + "true", strings.Repeat("(", 1000) + "true",
	} {
		if got, err := condition(text); err == nil {
			t.Errorf("%.40q becomes %q, want an error", text, got)
		}
	}
}

func TestScriptsBecomeTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"echo hi":           "echo hi",
		"helm x {{ .y }}":   `helm x {{"{{"}} .y }}`,
		"echo @< .Name >@":  "echo {{.experiment.name}}",
		"@<.Namespace>@ {{": `{{.experiment.namespace}} {{"{{"}}`,
		"@< if .CandidateWon >@yes@< else >@no@< end >@":                 "{{if .experiment.candidateWon}}yes{{else}}no{{end}}",
		"@< if not .WinnerFound >@x@< end >@":                            "{{if not .experiment.winnerFound}}x{{end}}",
		"@< .Spec.Target >@":                                             "{{.this.spec.target}}",
		"@< .Status.VersionRecommendedForPromotion >@":                   "{{.this.status.versionRecommendedForPromotion}}",
		"@< range .Spec.VersionInfo.Candidates >@@< .Name >@ @< end >@":  "{{range .this.spec.versionInfo.candidates}}{{.name}} {{end}}",
		"@< (index .Spec.VersionInfo.Candidates 0).WeightObjRef.Name >@": "{{(index .this.spec.versionInfo.candidates 0).weightObjRef.name}}",
		"@< with $x := .Spec.Criteria >@@< $x.RequestCount >@@< end >@":  "{{with $x := .this.spec.criteria}}{{$x.requestCount}}{{end}}",
		"@< range .Spec.Criteria.Objectives >@@< $.Name >@@< end >@":     "{{range .this.spec.criteria.objectives}}{{$.experiment.name}}{{end}}",
		"@< (index .Spec.Criteria.Objectives 0).RollbackOnFailure >@":    "{{(index .this.spec.criteria.objectives 0).rollback_on_failure}}",
		"@< .promote >@": "{{.promote}}",
	} {
		if got, err := scriptTemplate(text); err != nil || got != want {
			t.Errorf("%q becomes %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`@< .Secret "token" >@`, "@< . >@", "@< .Name", `@< define "x" >@a@< end >@`, `@< template "x" >@`, "@< exec .Name >@"} {
		if got, err := scriptTemplate(text); err == nil {
			t.Errorf("%q becomes %q, want an error", text, got)
		}
	}
}

func TestOnlyPlainAppliesAreApplies(t *testing.T) {
	for script, want := range map[string]applied{
		"kubectl apply -f https://x.org/a.yaml":                         {"https://x.org/a.yaml", ""},
		"kubectl -n shop apply -f {{ .promote }}":                       {"{{ .promote }}", "shop"},
		"  kubectl apply -f \"https://x.org/{{ .promote }}.yaml\" \n":   {"https://x.org/{{ .promote }}.yaml", ""},
		"kubectl apply --namespace=a --filename='https://x.org/a b'":    {"https://x.org/a b", "a"},
		"/usr/bin/kubectl apply -n {{ .ns }} -f=https://x.org/a?ref=ba": {"https://x.org/a?ref=ba", "{{ .ns }}"},
	} {
		words, ok := shellWords(script)
		if !ok {
			t.Errorf("%q is no simple command", script)
			continue
		}
		if got, ok := kubectlApply(words); !ok || got != want {
			t.Errorf("%q is %+v (%v), want %+v", script, got, ok, want)
		}
	}
	for _, script := range []string{
		"", "kubectl", "kubectl apply", "kubectl apply -f", "kubectl apply -f -", "kubectl apply -k dir", "kubectl delete -f https://x.org/a",
		"kubectl apply -f a -f b", "kubectl apply -f a; rm b", "kubectl apply -f a && echo b", "kubectl apply -f $(cat x)", "kubectl apply -f $X",
		"kubectl apply -f `x`", "cat x | kubectl apply -f -", "kubectl apply -f a\nkubectl apply -f b", "kubectl apply -f 'a", "kubectl apply -f {{ .x",
		"kubectl apply --prune -f a", "helm upgrade x", "kubectl apply apply -f a", "kubectl -f a apply", "kubectl apply -f a > b", "kubectl apply -n a -n b -f c",
		`kubectl apply -f "$X"`, "kubectl apply -f a\\ b", "kubectl apply -f a extra",
	} {
		if words, ok := shellWords(script); ok {
			if got, ok := kubectlApply(words); ok {
				t.Errorf("%q is taken for %+v", script, got)
			}
		}
	}
}

// actionsIn turns the actions of a canary that are given as YAML.
func actionsIn(t *testing.T, text string) (*api.Experiment, *v1alpha1.Actions, *Problem) {
	t.Helper()
	e := two(map[string]string{"promote": "https://example.org/v1.yaml"}, map[string]string{"promote": "https://example.org/v2.yaml"})
	if err := kyaml.Unmarshal([]byte(text), &e.Spec.Strategy.Actions); err != nil {
		t.Fatal(err)
	}
	actions, p := actionsOf(e, NamesOf(e, nil))
	return e, actions, p
}

func TestTasksBecomeActions(t *testing.T) {
	for name, tc := range map[string]struct{ task, want string }{
		"exec of an apply in a shell": {
			`{task: common/exec, with: {cmd: /bin/sh, args: ["-c", "kubectl apply -f https://x.org/{{ .promote }}.yaml\n"]}}`,
			`{apply: {url: "https://x.org/{{ .promote }}.yaml"}}`,
		},
		"exec of kubectl itself": {
			`{task: common/exec, with: {cmd: kubectl, args: [apply, -f, "{{ .promote }}"]}}`, `{apply: {url: "{{ .promote }}"}}`,
		},
		"exec of something else, with a number": {
			`{task: common/exec, with: {cmd: sleep, args: [5, true, "{{ .name }}"]}}`,
			`{timeout: 5m, retries: 1, exec: {command: [sleep, "5", "true", "{{ .name }}"]}}`,
		},
		"exec without interpolation": {
			`{task: common/exec, with: {cmd: /bin/sh, args: ["-c", "kubectl apply -f {{ .x }}"], disableInterpolation: true}}`,
			`{timeout: 5m, retries: 1, exec: {command: [/bin/sh, -c, "kubectl apply -f {{ .x }}"], literal: true}}`,
		},
		"bash": {
			`{task: common/bash, with: {script: "helm upgrade {{ .this.metadata.name }} x | tee y"}}`,
			`{timeout: 5m, retries: 1, exec: {command: [/bin/bash, -c, "helm upgrade {{ .this.metadata.name }} x | tee y"]}}`,
		},
		"promote-kubectl": {
			`{task: common/promote-kubectl, with: {namespace: shop, manifest: "{{ .promote }}"}}`, `{apply: {url: "{{ .promote }}", namespace: shop}}`,
		},
		"run of an apply, with a condition": {
			`{if: not CandidateWon(), run: "kubectl apply -f https://x.org/v1.yaml"}`,
			`{if: "(.experiment.candidateWon | not)", apply: {url: "https://x.org/v1.yaml"}}`,
		},
		"the older name of a condition": {
			`{condition: CandidateWon(), task: common/bash, with: {script: "true"}}`,
			`{if: .experiment.candidateWon, timeout: 5m, retries: 1, exec: {command: [/bin/bash, -c, "true"]}}`,
		},
		"run of a script": {
			`{run: "echo @< .Name >@ {{ x }} >$SCRATCH_DIR/y"}`,
			`{timeout: 5m, retries: 1, exec: {command: [/bin/bash, -c, "export SCRATCH_DIR=\"${SCRATCH_DIR:-$(mktemp -d)}\"\necho {{.experiment.name}} {{\"{{\"}} x }} >$SCRATCH_DIR/y"]}}`,
		},
		"collect of the newer form": {
			`{task: metrics/collect, with: {numQueries: 50, qps: 0, loadOnly: true, payloadStr: "{}", contentType: application/json, versions: [{name: v1, url: "http://a"}, {name: pseudo, url: "http://b", headers: {X-B: "2", X-A: "1"}}]}}`,
			`{retries: 1, load: {rate: "0", requests: 50, concurrency: 4, discard: true, body: "{}", contentType: application/json, targets: [{version: v1, url: "http://a"}, {url: "http://b", headers: [{name: X-A, value: "1"}, {name: X-B, value: "2"}]}]}}`,
		},
		"collect of the older form": {
			`{task: metrics/collect, with: {payloadURL: "http://p", versions: [{name: v1, url: "http://a"}]}}`,
			`{retries: 1, load: {rate: "8", for: 5s, concurrency: 4, bodyURL: "http://p", targets: [{version: v1, url: "http://a"}]}}`,
		},
		"slack, ignored when it fails": {
			`{task: notification/slack, with: {channel: C1, secret: default/slack}}`,
			`{onFailure: ignore, slack: {channel: C1, token: {name: slack, key: token}, text: "*Canary experiment on app*\nName: default/exp\nVersions: v1, v2\nStage: Finishing\nWinner: {{if .experiment.winnerFound}}{{.experiment.winner}}{{else}}not found{{end}}"}}`,
		},
		"http with a secret in a header": {
			`{task: notification/http, with: {url: "https://x.org/h", secret: s, ignoreFailure: false, body: '{"n": "@< .this.metadata.name >@"}', headers: [{name: Authorization, value: "Key {{ .secret.key }}"}]}}`,
			`{timeout: 5s, webhook: {url: "https://x.org/h", body: '{"n": "{{.this.metadata.name}}"}', headers: [{name: Authorization, value: "Key ${key}"}, {name: Content-Type, value: application/json}], secrets: [{as: key, name: s, key: key}]}}`,
		},
		"http with a bearer's token": {
			`{task: notification/http, with: {URL: "https://x.org/h", method: GET, authType: Bearer, secret: s, headers: [{name: content-type, value: text/plain}]}}`,
			`{timeout: 5s, onFailure: ignore, webhook: {url: "https://x.org/h", method: GET, headers: [{name: content-type, value: text/plain}], token: {name: s, key: token}}}`,
		},
		"readiness": {
			`{task: common/readiness, with: {initialDelaySeconds: 1, numRetries: 2, intervalSeconds: 3, objRefs: [{kind: deploy, name: d, waitFor: condition=available}, {kind: Widget.v1.example.org, namespace: ns, name: w}, {kind: services.v1.serving.knative.dev, name: s}]}}`,
			`{timeout: 10s, retries: 0, readiness: {objects: [{apiVersion: apps/v1, kind: Deployment, name: d, condition: Available}, {apiVersion: example.org/v1, kind: Widget, namespace: ns, name: w}, {apiVersion: serving.knative.dev/v1, kind: Service, name: s}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, p := actionsIn(t, "{finish: ["+tc.task+"]}")
			if p != nil {
				t.Fatal(p)
			}
			var want v1alpha1.Action
			if err := kyaml.UnmarshalStrict([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]v1alpha1.Action{want}, got.OnFinish); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTasksThatCannotBeDoneAreRefused(t *testing.T) {
	for task, want := range map[string]string{
		`{task: common/exek}`: "unknown task", `{task: nothing/like-it}`: "unknown task",
		`{task: common/exec}`:                                                                      "cmd is required",
		`{task: common/exec, with: {cmd: x, args: [[1]]}}`:                                         "argument 1",
		`{task: common/exec, with: {cmd: 5}}`:                                                      "cmd cannot be read",
		`{task: common/bash, with: {}}`:                                                            "script is required",
		`{task: gitops/helmex-update}`:                                                             "helmex",
		`{task: knative/init-experiment}`:                                                          "weightObjRef",
		`{task: common/bash, with: {script: x}, if: "Status.X"}`:                                   "cannot be asked",
		`{run: '@< .Secret "x" >@'}`:                                                               "secret",
		`{task: notification/slack, with: {channel: C}}`:                                           "secret is required",
		`{task: notification/slack, with: {channel: C, secret: other/s}}`:                          "another namespace",
		`{task: notification/http, with: {url: "https://x", body: "{{ .secret.x }}", secret: s}}`:  "a secret stands in a body",
		`{task: notification/http, with: {url: "https://x", authType: Basic}}`:                     "needs a secret",
		`{task: notification/http}`:                                                                "url is required",
		`{task: metrics/collect}`:                                                                  "versions are required",
		`{task: metrics/collect, with: {versions: [{name: v1}]}}`:                                  "no url",
		`{task: metrics/collect, with: {numQueries: -1, versions: [{name: v1, url: "http://a"}]}}`: "negative",
		`{task: common/readiness, with: {objRefs: [{kind: gizmo, name: x}]}}`:                      "not known",
		`{task: common/readiness, with: {objRefs: [{kind: deploy, name: x, waitFor: delete}]}}`:    "not waited for",
		`{task: common/readiness, with: {objRefs: [{kind: deploy}]}}`:                              "required",
		`{task: common/promote-kubectl, with: {manifest: "https://x", recursive: true}}`:           "recursive",
	} {
		_, _, p := actionsIn(t, "{finish: ["+task+"]}")
		if p == nil || !strings.Contains(p.Message, want) || p.Reason != InvalidExperiment || !strings.HasPrefix(p.Message, "task 1 of the action finish: ") {
			t.Errorf("%s: %v, want %q", task, p, want)
		}
	}
}

func TestFinishIsDoneOnRollbackUnlessThereIsARollback(t *testing.T) {
	const bash = `{task: common/bash, with: {script: "true"}}`
	_, with, p := actionsIn(t, "{finish: [{if: CandidateWon(), run: x}, "+bash+"], rollback: ["+bash+"], failure: [{task: never/done}]}")
	if p != nil {
		t.Fatal(p)
	}
	const not = `.experiment.outcome != "rolled-back"`
	if got := with.OnFinish[0].If; got != "(.experiment.candidateWon) and ("+not+")" {
		t.Errorf("the condition is %q", got)
	}
	if got := with.OnFinish[1].If; got != not || len(with.OnRollback) != 1 {
		t.Errorf("the condition is %q, and %d actions are done on rollback", got, len(with.OnRollback))
	}
	_, without, p := actionsIn(t, "{finish: ["+bash+"]}")
	if p != nil || without.OnFinish[0].If != "" || len(without.OnRollback) != 0 {
		t.Errorf("without rollback: %+v (%v)", without, p)
	}
}

// TestEveryTaskBecomesAPlan holds what tasks become against the validator.
func TestEveryTaskBecomesAPlan(t *testing.T) {
	e, _, p := actionsIn(t, `
start:
- {task: common/readiness, with: {objRefs: [{kind: deploy, name: d, waitFor: condition=available}]}}
loop:
- {task: metrics/collect, with: {versions: [{name: v1, url: "http://a"}, {name: v2, url: "http://b", qps: 2}]}}
finish:
- {task: common/exec, with: {cmd: sleep, args: [5]}}
- {run: "echo {{ x }} @< .Name >@ | tee $SCRATCH_DIR/x"}
- {task: notification/slack, with: {channel: C1, secret: slack}}
- {task: notification/http, with: {url: "https://x.org/h"}}
- {task: notification/http, with: {url: "https://x.org/h", authType: Bearer, secret: s}}
- {if: CandidateWon() and WinnerFound(), run: "kubectl apply -f https://x.org/v2.yaml"}
`)
	if p != nil {
		t.Fatal(p)
	}
	native, err := Native(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := planned(t, native)
	if n := len(plan.Actions.OnStep); n != 2 {
		t.Errorf("%d loads for two rates", n)
	}
}

// TestSummaryIsJSON fills the body of a notification in.
func TestSummaryIsJSON(t *testing.T) {
	for name, doc := range map[string]map[string]any{
		"without a winner": {"winnerFound": false, "winner": "", "recommended": "v1", "shares": map[string]any{"v1": 95, "v2": 5}, "name": "e", "namespace": "n"},
		"with one":         {"winnerFound": true, "winner": "v2", "recommended": "v2", "shares": map[string]any{}, "name": "e", "namespace": "n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := template.Must(template.New("").Parse(summary)).Execute(&b, map[string]any{"experiment": doc}); err != nil {
				t.Fatal(err)
			}
			if !json.Valid([]byte(b.String())) {
				t.Errorf("it is no JSON: %s", b.String())
			}
		})
	}
}

func raw(s string) apiextensionsv1.JSON { return apiextensionsv1.JSON{Raw: []byte(s)} }
