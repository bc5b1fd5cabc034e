// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

func ptr[T any](v T) *T { return &v }

func TestSecretsAreKeysOfObjectsOfTheNamespace(t *testing.T) {
	header := []api.NamedValue{{Name: "Authorization", Value: "Bearer ${token} $$ $other"}}
	for name, tc := range map[string]struct {
		spec api.MetricSpec
		want v1alpha1.HTTPProvider
	}{
		"no secret: all is literal": {
			api.MetricSpec{URLTemplate: ptr("https://x.org/$a"), HeaderTemplates: header, AuthType: ptr(api.Bearer)},
			v1alpha1.HTTPProvider{URL: "https://x.org/$a", Headers: []v1alpha1.NameValue{{Name: "Authorization", Value: "Bearer ${token} $$ $other"}}},
		},
		"a secret without a type: the address alone": {
			api.MetricSpec{URLTemplate: ptr("https://x.org/${a}"), HeaderTemplates: []api.NamedValue{{Name: "X", Value: "$$"}}, Secret: ptr("s")},
			v1alpha1.HTTPProvider{URL: "https://x.org/${a}", Headers: []v1alpha1.NameValue{{Name: "X", Value: "$$"}}, Secrets: []v1alpha1.NamedSecret{{As: "a", Secret: v1alpha1.Secret{Name: "s", Key: "a"}}}},
		},
		"a bearer": {
			api.MetricSpec{URLTemplate: ptr("https://x.org"), HeaderTemplates: header, AuthType: ptr(api.Bearer), Secret: ptr("default/s")},
			v1alpha1.HTTPProvider{
				URL: "https://x.org", Headers: []v1alpha1.NameValue{{Name: "Authorization", Value: "Bearer ${token} $ ${other}"}},
				Secrets: []v1alpha1.NamedSecret{{As: "token", Secret: v1alpha1.Secret{Name: "s", Key: "token"}}, {As: "other", Secret: v1alpha1.Secret{Name: "s", Key: "other"}}},
			},
		},
		"basic": {
			api.MetricSpec{URLTemplate: ptr("https://x.org"), HeaderTemplates: []api.NamedValue{{Name: "X", Value: "$y"}}, AuthType: ptr(api.Basic), Secret: ptr("s")},
			v1alpha1.HTTPProvider{
				URL: "https://x.org", Username: "${username}", Password: &v1alpha1.Secret{Name: "s", Key: "password"}, Headers: []v1alpha1.NameValue{{Name: "X", Value: "$y"}},
				Secrets: []v1alpha1.NamedSecret{{As: "username", Secret: v1alpha1.Secret{Name: "s", Key: "username"}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, metrics := rewarded()
			tc.spec.JQExpression = ptr(".x")
			metrics[0].Spec = tc.spec
			native, err := Native(e, metrics)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, native.Spec.Providers[0].HTTP); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			planned(t, native)
		})
	}
}

func TestMetricsThatCannotBeAskedAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		spec api.MetricSpec
		want string
	}{
		"no address":           {api.MetricSpec{JQExpression: ptr(".x")}, "urlTemplate"},
		"no expression":        {api.MetricSpec{URLTemplate: ptr("http://x.org")}, "jqExpression"},
		"another's secret":     {api.MetricSpec{URLTemplate: ptr("http://x.org"), JQExpression: ptr(".x"), Secret: ptr("iter8-system/s")}, "copy it to default"},
		"basic without secret": {api.MetricSpec{URLTemplate: ptr("http://x.org"), JQExpression: ptr(".x"), AuthType: ptr(api.Basic)}, "username and password"},
		"a body that is got":   {api.MetricSpec{URLTemplate: ptr("http://x.org"), JQExpression: ptr(".x"), Body: ptr("{}")}, "POST"},
		"an unknown built-in":  {api.MetricSpec{Provider: ptr("iter8")}, "request-count"},
		"a mock of nobody":     {api.MetricSpec{Mock: []api.NamedLevel{{Name: "other"}}}, "no version"},
	} {
		t.Run(name, func(t *testing.T) {
			e, metrics := rewarded()
			metrics[0].Spec = tc.spec
			_, err := Native(e, metrics)
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Reason != MetricsUnreadable || p.Message != "Unable to load metric default/reward" || !strings.Contains(p.Hint, tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestMetricsAreFoundOnceWithThoseThatTheyReferTo(t *testing.T) {
	e, metrics := rewarded()
	e.Spec.Criteria.RequestCount = ptr("iter8-system/request-count")
	e.Spec.Criteria.Indicators = []string{"default/reward", "a/x"}
	x := api.Metric{Spec: api.MetricSpec{SampleSize: ptr("n")}}
	n := api.Metric{Spec: api.MetricSpec{SampleSize: ptr("a/x")}}
	asked := map[Ref]int{}
	infos, err := Gather(e, func(r Ref) (*api.Metric, error) {
		asked[r]++
		return map[Ref]*api.Metric{{Namespace: "default", Name: "reward"}: &metrics[0], {Namespace: "a", Name: "x"}: &x, {Namespace: "a", Name: "n"}: &n}[r], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		got = append(got, i.Name+"="+i.MetricObj.Namespace+"/"+i.MetricObj.Name)
	}
	want := []string{"reward=default/reward", "default/reward=default/reward", "iter8-system/request-count=iter8-system/request-count", "a/x=a/x", "a/n=a/n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for r, times := range asked {
		if times != 1 {
			t.Errorf("%s was asked for %d times", r, times)
		}
	}
	if got := MetricsOf(infos); len(got) != 4 {
		t.Errorf("%d metrics", len(got))
	}
}

func TestMissingMetricsAreToldInIter8sWords(t *testing.T) {
	e, _ := rewarded()
	_, err := Gather(e, func(Ref) (*api.Metric, error) { return nil, nil })
	if p, ok := errors.AsType[*Problem](err); !ok || p.Reason != MetricUnavailable || p.Message != "Unable to find metric default/reward" {
		t.Errorf("missing: %v", err)
	}
	_, err = Gather(e, func(Ref) (*api.Metric, error) { return nil, errors.New("forbidden") })
	if p, ok := errors.AsType[*Problem](err); !ok || p.Reason != MetricsUnreadable || p.Message != "Unable to load metric default/reward" || p.Hint != "forbidden" {
		t.Errorf("unreadable: %v", err)
	}
	if _, err = Native(e, nil); err == nil {
		t.Error("a native experiment without its metric")
	}
}

func TestMetricsWithOneAddressHaveOneProvider(t *testing.T) {
	e, metrics := rewarded()
	e.Spec.Criteria.Indicators = []string{"second", "third"}
	second, third := *metrics[0].DeepCopy(), *metrics[0].DeepCopy()
	second.Name, third.Name = "second", "third"
	third.Spec.HeaderTemplates = []api.NamedValue{{Name: "X", Value: "y"}}
	native, err := Native(e, append(metrics, second, third))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range native.Spec.Metrics {
		got = append(got, m.From.HTTP.Provider)
	}
	if diff := cmp.Diff([]string{"iter8", "iter8", "iter8-2"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	planned(t, native)
}

func TestStrengthInHeadgatesWordsAsksForStatistics(t *testing.T) {
	e, metrics := rewarded()
	s := raw(`{"alpha": 0.01, "power": "90%", "method": "anytime", "minimumEffect": {"absolute": 2}, "pack": "istio"}`)
	e.Spec.Criteria.Strength = &s
	native, err := Native(e, metrics)
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, native)
	if p.Strict || p.Analysis.Alpha != 0.01 || p.Analysis.Power != 0.9 || p.Reward.MinimumEffect.Absolute != 2 || p.Router.Pack != "istio" {
		t.Errorf("the plan is %+v of %+v", p.Analysis, p.Reward)
	}
	if q := native.Spec.Metrics[0].From.HTTP.Params[0].Value; q != "q('{{.Version}}')[{{.Window}}s]" {
		t.Errorf("the query is %s", q)
	}
}

func TestStrengthThatIsWrongIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"alpha": 0.05, "minimumEfect": {}}`:        "did you mean minimumEffect?",
		`{"alpha": true}`:                            "alpha",
		`{"minimumEffect": 5}`:                       "relative or absolute",
		`{"minimumEffect": {"relative": 1, "x": 2}}`: "relative or absolute",
		`{"minimumEffect": {}}`:                      "relative or absolute",
		`{"looks": "many"}`:                          "looks",
	} {
		e, metrics := rewarded()
		s := raw(text)
		e.Spec.Criteria.Strength = &s
		if _, err := Native(e, metrics); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	e, metrics := rewarded()
	s := raw(`{"alpha": "5%"}`)
	e.Spec.Criteria.Strength = &s
	metrics[0].Spec = api.MetricSpec{Mock: []api.NamedLevel{{Name: "v1"}}}
	if _, err := Native(e, metrics); err == nil || !strings.Contains(err.Error(), "no sample") {
		t.Errorf("a mock: %v", err)
	}
}

// TestEveryPatternIsDecidedByStatistics turns all of them.
func TestEveryPatternIsDecidedByStatistics(t *testing.T) {
	for _, pattern := range []api.TestingPattern{api.Canary, api.AB, api.ABN, api.Conformance} {
		for _, deployment := range []api.DeploymentPattern{api.Progressive, api.BlueGreen, api.FixedSplit} {
			for _, weights := range []*api.Weights{nil, {MaxCandidateWeight: ptr(int32(5)), MaxCandidateWeightIncrement: ptr(int32(1))}, {MaxCandidateWeightIncrement: ptr(int32(0))}} {
				t.Run(string(pattern)+" "+string(deployment), func(t *testing.T) {
					e, metrics := rewarded()
					e.Spec.Strategy = api.Strategy{TestingPattern: pattern, DeploymentPattern: deployment, Weights: weights}
					limit := resource.MustParse("5")
					e.Spec.Criteria.Objectives = []api.Objective{{Metric: "reward", UpperLimit: &limit}}
					switch pattern {
					case api.Canary:
						e.Spec.Criteria.Rewards = nil
					case api.Conformance:
						e.Spec.Criteria.Rewards, e.Spec.VersionInfo.Candidates = nil, nil
					case api.ABN:
						third := *e.Spec.VersionInfo.Candidates[0].DeepCopy()
						third.Name, third.WeightObjRef.FieldPath = "v3", ".spec.traffic[2].percent"
						e.Spec.VersionInfo.Candidates = append(e.Spec.VersionInfo.Candidates, third)
					}
					s := raw(`{"alpha": "5%"}`)
					e.Spec.Criteria.Strength = &s
					native, err := Native(e, metrics)
					if err != nil {
						t.Fatal(err)
					}
					planned(t, native)
				})
			}
		}
	}
}
