// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"strings"
	"testing"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// two is an experiment of two versions with some variables.
func two(variables ...map[string]string) *api.Experiment {
	e := &api.Experiment{}
	e.Name = "exp"
	e.Spec.Target = "app"
	e.Spec.Strategy.TestingPattern = api.Canary
	e.Spec.Strategy.DeploymentPattern = api.FixedSplit
	e.Spec.VersionInfo = &api.VersionInfo{Baseline: api.VersionDetail{Name: "v1"}, Candidates: []api.VersionDetail{{Name: "v2"}}}
	for i, of := range variables {
		into := &e.Spec.VersionInfo.Baseline.Variables
		if i > 0 {
			into = &e.Spec.VersionInfo.Candidates[i-1].Variables
		}
		for name, value := range of {
			*into = append(*into, api.NamedValue{Name: name, Value: value})
		}
	}
	return e
}

func TestPlaceholdersBecomeTemplates(t *testing.T) {
	e := two(map[string]string{"ns": "a", "only": "x"}, map[string]string{"ns": "b"})
	for name, tc := range map[string]struct{ text, want string }{
		"the version":                       {"v='$name'", "v='{{.Version}}'"},
		"the elapsed time in braces":        {"[${elapsedTime}s]", "[{{.Elapsed}}s]"},
		"a variable of all versions":        {"$ns.${ns}", "{{.Variables.ns}}.{{.Variables.ns}}"},
		"the longest name":                  {"$ns_more", "$ns_more"},
		"two dollars":                       {"$$name $$5", "$name $5"},
		"an unknown name stays":             {"$version ${version}", "$version ${version}"},
		"a dollar alone stays":              {"100$ ${ $- ${a-b}", "100$ ${ $- ${a-b}"},
		"braces are escaped":                {"{{.X}} {{{", `{{"{{"}}.X}} {{"{{"}}{`},
		"a variable of one version":         {"$only", "{{.Variables.only_or_name}}"},
		"a variable of one version, braced": {"${only}", "{{.Variables.only_or_braces}}"},
	} {
		t.Run(name, func(t *testing.T) {
			vars := variablesOf(e, NamesOf(e, nil), "Elapsed")
			if got := fill(tc.text, asIs, vars.word); got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestVersionsWithoutAVariableAskByItsPlaceholder(t *testing.T) {
	e := two(map[string]string{"only": "x"}, nil)
	vars := variablesOf(e, NamesOf(e, nil), "Elapsed")
	fill("$only ${only}", asIs, vars.word)
	for key, want := range map[string]string{"only_or_name": "$only", "only_or_braces": "${only}"} {
		if got := vars.native(1)[key]; got != want {
			t.Errorf("%s of the candidate is %q, want %q", key, got, want)
		}
		if got := vars.native(0)[key]; got != "x" {
			t.Errorf("%s of the baseline is %q, want x", key, got)
		}
	}
	if _, ok := vars.native(1)["only"]; ok {
		t.Error("actions see a variable that the candidate does not have")
	}
}

func TestVariableNamedNameWins(t *testing.T) {
	e := two(map[string]string{"name": "other"}, nil)
	vars := variablesOf(e, NamesOf(e, nil), "Elapsed")
	if got := fill("$name", asIs, vars.word); got != "{{.Variables.name}}" {
		t.Errorf("$name becomes %q", got)
	}
	if a, b := vars.native(0)["name"], vars.native(1)["name"]; a != "other" || b != "v2" {
		t.Errorf("the names are %q and %q", a, b)
	}
}

func TestRenamedVersionsAskByTheirOwnName(t *testing.T) {
	e := two()
	e.Spec.VersionInfo.Candidates[0].Name = "V2.beta"
	names := NamesOf(e, nil)
	if got := names.Versions[1].Native; got != "v2-beta" {
		t.Errorf("the native name is %q", got)
	}
	vars := variablesOf(e, names, "Elapsed")
	if got := fill("$name", asIs, vars.word); got != "{{.Variables.name}}" || vars.native(1)["name"] != "V2.beta" {
		t.Errorf("$name becomes %q with %v", got, vars.native(1))
	}
}

func TestNamesAreMadeOnceAndStay(t *testing.T) {
	e := two()
	long := strings.Repeat("x", 80)
	e.Spec.VersionInfo.Baseline.Name = "V1"
	e.Spec.VersionInfo.Candidates = []api.VersionDetail{{Name: "v1"}, {Name: "v.1"}, {Name: long}, {Name: long + "y"}, {Name: "…"}}
	names := NamesOf(e, nil)
	seen := map[string]bool{}
	for i, v := range names.Versions {
		if seen[v.Native] || len(v.Native) > 63 || v.Iter8 != details(e)[i].Name {
			t.Errorf("version %d is %+v", i, v)
		}
		seen[v.Native] = true
	}
	if names.Versions[1].Native != "v1" {
		t.Errorf("v1, which can stay, is %q", names.Versions[1].Native)
	}
	if got, ok := names.Version("V1"); !ok || got != "v1-2" {
		t.Errorf("V1 is %q", got)
	}
}

func TestMetricNamesTakeTheirNamespaceWhereTheyMust(t *testing.T) {
	e := two()
	e.Spec.Criteria = &api.Criteria{Indicators: []string{"a/m", "b/m", "default/m", "m", "a/requests", "a/other"}}
	names := NamesOf(e, nil)
	var got []string
	for _, m := range names.Metrics {
		got = append(got, m.Iter8+"="+m.Native+"("+strings.Join(m.Written, ",")+")")
	}
	want := "a/m=a-m(a/m) b/m=b-m(b/m) default/m=default-m(default/m,m) a/requests=a-requests(a/requests) a/other=other(a/other)"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
