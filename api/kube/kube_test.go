// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// node is a piece of an OpenAPI schema, as far as it is looked at here.
type node struct {
	Type       string          `json:"type"`
	Properties map[string]node `json:"properties"`
	Items      *node           `json:"items"`
	Values     json.RawMessage `json:"additionalProperties"`
	Required   []string        `json:"required"`
	MaxItems   *int            `json:"maxItems"`
	Enum       []string        `json:"enum"`
}

// crd is a CustomResourceDefinition, as far as it is looked at here.
type crd struct {
	Spec struct {
		Group string
		Names struct {
			Kind       string
			ShortNames []string
		}
		Scope    string
		Versions []struct {
			Name            string
			Served, Storage bool
			Columns         []struct{ Name, JSONPath string } `json:"additionalPrinterColumns"`
			Subresources    map[string]any
			Schema          struct{ OpenAPIV3Schema node }
		}
	}
}

func readCRD(t *testing.T, plural string) crd {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "headgate.dev_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out crd
	if err := yaml.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Spec.Versions) != 1 || out.Spec.Group != Group || out.Spec.Scope != "Namespaced" || !out.Spec.Versions[0].Storage {
		t.Fatalf("%s: %+v", plural, out.Spec)
	}
	return out
}

// TestSchemasHaveEveryField holds the schemas in config/crd against the types, so
// that a field without make generate does not pass unseen: every field is there
// with its type, none is there that the types do not have, and every list is
// bounded.
func TestSchemasHaveEveryField(t *testing.T) {
	for plural, object := range map[string]reflect.Type{
		"experiments": reflect.TypeFor[Experiment](), "metrics": reflect.TypeFor[Metric](), "experimentrecords": reflect.TypeFor[ExperimentRecord](),
	} {
		t.Run(plural, func(t *testing.T) {
			c := readCRD(t, plural)
			s := c.Spec.Versions[0].Schema.OpenAPIV3Schema
			if len(s.Properties) < 4 {
				t.Fatalf("only %d properties; does the reading work?", len(s.Properties))
			}
			compare(t, object, s, object.Name())
		})
	}
}

func compare(t *testing.T, typ reflect.Type, s node, path string) {
	t.Helper()
	want := ""
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, typ.Elem(), s, path)
		return
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			want = "string"
			break
		}
		want = "array"
		if s.MaxItems == nil {
			t.Errorf("%s: the list has no bound", path)
		}
		if s.Items != nil {
			compare(t, typ.Elem(), *s.Items, path+"[]")
		}
	case reflect.Map:
		want = "object"
		var values node
		if err := json.Unmarshal(s.Values, &values); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		compare(t, typ.Elem(), values, path+".*")
	case reflect.Struct:
		want = "object"
		if typ == reflect.TypeFor[metav1.Time]() {
			want = "string"
			break
		}
		if typ != reflect.TypeFor[metav1.ObjectMeta]() {
			compareFields(t, typ, s, path)
		}
	case reflect.Int64:
		want = "integer"
	case reflect.Bool:
		want = "boolean"
	case reflect.String:
		want = "string"
	default:
		t.Fatalf("%s is a %s", path, typ)
	}
	if s.Type != want {
		t.Errorf("%s: the schema has type %q, want %q; run make generate", path, s.Type, want)
	}
}

// outOfLine lists the fields of a type, those of structs inline in it among them.
func outOfLine(typ reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Tag.Get("json") == ",inline" && f.Type != reflect.TypeFor[metav1.TypeMeta]() {
			out = append(out, outOfLine(f.Type)...)
			continue
		}
		out = append(out, f)
	}
	return out
}

func compareFields(t *testing.T, typ reflect.Type, s node, path string) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range outOfLine(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Type == reflect.TypeFor[metav1.TypeMeta]() {
			known["apiVersion"], known["kind"] = true, true
			continue
		}
		known[name] = true
		property, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s.%s is not in the schema; run make generate", path, name)
			continue
		}
		if optional := strings.Contains(options, "omit"); optional == slices.Contains(s.Required, name) {
			t.Errorf("%s.%s: required %t, optional %t", path, name, !optional, optional)
		}
		compare(t, f.Type, property, path+"."+name)
	}
	for name := range s.Properties {
		if !known[name] && typ != reflect.TypeFor[metav1.Condition]() {
			t.Errorf("%s.%s is in the schema and not in the types; run make generate", path, name)
		}
	}
}

// TestExperimentsAreNamedAsPeopleAskForThem keeps what scripts rely on.
func TestExperimentsAreNamedAsPeopleAskForThem(t *testing.T) {
	c := readCRD(t, "experiments")
	if diff := cmp.Diff([]string{"hgx"}, c.Spec.Names.ShortNames); diff != "" {
		t.Error(diff)
	}
	v := c.Spec.Versions[0]
	if v.Name != VersionName || v.Subresources["status"] == nil {
		t.Errorf("version %s, subresources %v", v.Name, v.Subresources)
	}
	var columns []string
	for _, column := range v.Columns {
		columns = append(columns, column.Name)
	}
	if diff := cmp.Diff([]string{"CONDITION", "STAGE", "SHARES", "SEEN", "MESSAGE", "AGE"}, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if got := v1alpha1.APIVersion; got != GroupVersion().String() {
		t.Errorf("files say %s, objects %s", got, GroupVersion())
	}
}

// TestSchemaKnowsTheWords holds what the schema refuses by itself against the
// words of the engine: it may refuse nothing that the validator takes.
func TestSchemaKnowsTheWords(t *testing.T) {
	spec := readCRD(t, "experiments").Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties
	words := func(list ...any) []string {
		out := make([]string, len(list))
		for i, w := range list {
			out[i] = fmt.Sprint(w)
		}
		return out
	}
	for name, tc := range map[string]struct{ want, have []string }{
		"control.verb": {words(
			experiment.VerbKill, experiment.VerbLift, experiment.VerbPause, experiment.VerbResume, experiment.VerbPromote,
			experiment.VerbAbort, experiment.VerbRetry, experiment.VerbApprove, experiment.VerbFreeze, experiment.VerbLearn,
		), spec["control"].Properties["verb"].Enum},
		"drift":    {words(experiment.DriftCorrect, experiment.DriftHold, experiment.DriftAlert), spec["drift"].Enum},
		"onDelete": {words(experiment.OnDeleteRestore, experiment.OnDeleteLeave), spec["onDelete"].Enum},
	} {
		if diff := cmp.Diff(tc.want, tc.have); diff != "" {
			t.Errorf("%s (-words +schema):\n%s", name, diff)
		}
	}
	if most := spec["versions"].MaxItems; most == nil || *most != experiment.MaxVersions {
		t.Errorf("at most %v versions, the engine takes %d", most, experiment.MaxVersions)
	}
}

func TestSchemeKnowsEveryKind(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{KindExperiment, KindMetric, KindExperimentRecord} {
		for _, kind := range []string{kind, kind + "List"} {
			object, err := s.New(schema.GroupVersionKind{Group: Group, Version: VersionName, Kind: kind})
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			} else if reflect.TypeOf(object).Elem().Name() != kind {
				t.Errorf("%s is a %T", kind, object)
			}
		}
	}
}

// TestDeepCopiesShareNothing fills every field and looks for memory that a copy
// shares with the original, so that a new list without make generate is found.
func TestDeepCopiesShareNothing(t *testing.T) {
	e, m, r := &Experiment{}, &Metric{}, &ExperimentRecord{}
	for _, object := range []any{e, m, r} {
		fill(reflect.ValueOf(object).Elem())
	}
	for _, pair := range [][2]runtime.Object{{e, e.DeepCopyObject()}, {m, m.DeepCopyObject()}, {r, r.DeepCopyObject()}} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("the copy of a %T differs (-original +copy):\n%s", pair[0], diff)
		}
		shares(t, reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1]), reflect.TypeOf(pair[0]).Elem().Name())
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type() == reflect.TypeFor[*metav1.Time]() {
			v.Set(reflect.ValueOf(&metav1.Time{}))
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		item := reflect.New(v.Type().Elem()).Elem()
		fill(item)
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), item)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != reflect.TypeFor[metav1.Time]() && v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// shares reports lists, maps and pointers that a and b have in common.
func shares(t *testing.T, a, b reflect.Value, path string) {
	t.Helper()
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if a.IsNil() {
			return
		}
		empty := a.Kind() == reflect.Pointer && a.Type().Elem().Size() == 0 // It has no memory to share.
		if a.Pointer() == b.Pointer() && !empty {
			t.Errorf("%s is shared; run make generate", path)
			return
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		shares(t, a.Elem(), b.Elem(), path)
	case reflect.Slice:
		for i := range a.Len() {
			shares(t, a.Index(i), b.Index(i), path+"[]")
		}
	case reflect.Map:
		for _, key := range a.MapKeys() {
			shares(t, a.MapIndex(key), b.MapIndex(key), path+".*")
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type() != reflect.TypeFor[metav1.Time]() {
				shares(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
			}
		}
	}
}
