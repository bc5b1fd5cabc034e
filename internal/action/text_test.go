// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var doc = map[string]any{"name": "v2", "tag": "<no value>", "markup": "a<b", "none": nil, "experiment": map[string]any{"promoted": true, "shares": map[string]any{"v1": 0, "v2": 100}}}

func TestTextsAreFilledIn(t *testing.T) {
	for text, want := range map[string]string{
		"plain":              "plain",
		"{{.name}}":          "v2",
		"x-{{.nothing}}-y":   "x--y",
		"{{.none}}":          "",
		"{{.tag}}":           "<no value>",
		"{{.markup}}":        "a<b",
		"{{.markup | html}}": "a&lt;b",
		"{{with .experiment}}{{if .promoted}}yes {{.nothing}}{{else}}no{{end}}{{end}}": "yes ",
		"{{range $k, $v := .experiment.shares}}{{$k}}={{$v}};{{end}}":                  "v1=0;v2=100;",
		`{{printf "%05d|%s" 7 .name}}`:                                                 "00007|v2",
		`{{define "a"}}<{{.}}>{{end}}{{template "a" .name}}`:                           "<v2>",
		`{{$x := .name}}{{$x}}`:                                                        "v2",
	} {
		got, err := fill(t.Context(), text, doc)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestTextsThatCannotBeFilledInAreRefused(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	for text, want := range map[string]string{
		"{{":                       "no template",
		"{{.nothing.deeper}}":      "nil pointer",
		"{{nofunction}}":           "not defined",
		`{{printf "%9999999d" 1}}`: "four digits",
		`{{printf "%*d" 9 1}}`:     "four digits",
		"{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}":                              "too often",
		"{{range 100}}" + long + "{{end}}":                                                             "256 KiB",
		`{{define "a"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`:                        "too often",
		`{{$x := "` + strings.Repeat(`\\`, 8000) + `"}}{{` + `$x` + strings.Repeat(" | js", 20) + `}}`: "256 KiB",
		"{{print" + strings.Repeat(" .name", 40) + "}}":                                                "256 KiB",
	} {
		begin := time.Now()
		_, err := fill(t.Context(), text, doc)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%.60s took %s", text, took)
		}
	}
}

func TestALoopStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fill(ctx, "{{range 10}}x{{end}}", doc); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

func TestAllTextsOfAnActionAreFilledInButSecrets(t *testing.T) {
	a := &experiment.WebhookAction{
		URL: "http://h/{{.name}}", Headers: []experiment.NameValue{{Name: "X", Value: "{{.name}}"}},
		Token: &experiment.Secret{Name: "{{.name}}", Key: "k"}, Secrets: []experiment.NamedSecret{{Name: "N", Secret: experiment.Secret{Name: "{{.name}}"}}},
	}
	got, err := fillAll(t.Context(), a, doc)
	if err != nil {
		t.Fatal(err)
	}
	want := &experiment.WebhookAction{
		URL: "http://h/v2", Headers: []experiment.NameValue{{Name: "X", Value: "v2"}},
		Token: &experiment.Secret{Name: "{{.name}}", Key: "k"}, Secrets: []experiment.NamedSecret{{Name: "N", Secret: experiment.Secret{Name: "{{.name}}"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a.Headers[0].Value != "{{.name}}" {
		t.Error("the plan was changed")
	}
}
