// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestFeatures(t *testing.T) {
	const oip, kserve, seldon = "/v2/models/m/infer", "/v1/models/m:predict", "/api/v1.0/predictions"
	type seen struct{ absent, null bool }
	fine, absentOne, nullOne := seen{}, seen{absent: true}, seen{null: true}
	for name, tc := range map[string]struct {
		path, request string
		want          seen
	}{
		"OIP: all inputs":          {oip, `{"inputs":[{"name":"age","datatype":"FP32","shape":[2],"data":[1,2]},{"name":"city","datatype":"BYTES","shape":[1],"data":["x"]}]}`, fine},
		"OIP: an input is missing": {oip, `{"inputs":[{"name":"age","data":[1]}]}`, absentOne},
		"OIP: null among data":     {oip, `{"inputs":[{"name":"age","data":[[1],[null]]},{"name":"city","data":["x"]}]}`, nullOne},
		"OIP: NaN among data":      {oip, `{"inputs":[{"name":"age","data":[NaN]},{"name":"city","data":["x"]}]}`, nullOne},
		"OIP: no data":             {oip, `{"inputs":[{"name":"age","data":[]},{"name":"city"}]}`, nullOne},
		"OIP: data in binary":      {oip, `{"inputs":[{"name":"age","parameters":{"binary_data_size":4}},{"name":"city","data":["x"]}]}`, fine},
		"OIP: told by its shape":   {"/", `{"inputs":[{"name":"age","datatype":"FP32","shape":[1],"data":[null]}]}`, seen{true, true}},
		"OIP: nothing":             {oip, `{}`, absentOne},

		"KServe: every instance":             {kserve, `{"instances":[{"age":1,"city":"x"},{"age":2,"city":"y"}]}`, fine},
		"KServe: one instance lacks one":     {kserve, `{"instances":[{"age":1,"city":"x"},{"age":2}]}`, absentOne},
		"KServe: one instance has a null":    {kserve, `{"instances":[{"age":1,"city":"x"},{"age":null,"city":"y"}]}`, nullOne},
		"KServe: columns":                    {kserve, `{"inputs":{"age":[1,2],"city":["x","y"]}}`, fine},
		"KServe: a column with a null":       {kserve, `{"inputs":{"age":[1,NaN],"city":["x","y"]}}`, nullOne},
		"KServe: a column is missing":        {kserve, `{"inputs":{"city":["x"]}}`, absentOne},
		"KServe: no instances":               {kserve, `{"instances":[]}`, absentOne},
		"KServe: instances without names":    {kserve, `{"instances":[[1,2]]}`, absentOne},
		"KServe: told by its shape, and bad": {"/", `{"instances":[{"city":null}]}`, seen{true, true}},

		"Seldon: columns":             {seldon, `{"data":{"names":["age","city"],"ndarray":[[1,"x"],[2,"y"]]}}`, fine},
		"Seldon: a null in a column":  {seldon, `{"data":{"names":["age","city"],"ndarray":[[1,"x"],[null,"y"]]}}`, nullOne},
		"Seldon: a column is missing": {seldon, `{"data":{"names":["city"],"ndarray":[["x"]]}}`, absentOne},
		"Seldon: a row is short":      {seldon, `{"data":{"names":["age","city"],"ndarray":[[1]]}}`, absentOne},
		"Seldon: a tensor":            {seldon, `{"data":{"names":["age","city"],"tensor":{"shape":[1,2],"values":[1,"NaN"]}}}`, nullOne},
		"Seldon: a JSON object":       {seldon, `{"jsonData":{"age":1,"city":null}}`, nullOne},

		"JSON: names":           {"/score", `{"age":1,"city":"x"}`, fine},
		"JSON: a null":          {"/score", `{"age":null,"city":"x"}`, nullOne},
		"JSON: one is missing":  {"/score", `{"age":1}`, absentOne},
		"JSON: empty is a word": {"/score", `{"age":0,"city":""}`, fine},
		"JSON: no object":       {"/score", `[1]`, absentOne},
	} {
		r := reader(t, experiment.Predictions{Features: []string{"age", "city"}})
		absent, null := r.Features(decoded(t, tc.request), tc.path)
		if got := (seen{absent, null}); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestFeaturesByPathAndPlace(t *testing.T) {
	for name, tc := range map[string]struct {
		feature, path, request string
		absent, null           bool
	}{
		"a dotted path":                  {"user.age", "/score", `{"user":{"age":1}}`, false, false},
		"a dotted name comes first":      {"user.age", "/score", `{"user.age":1,"user":{"age":null}}`, false, false},
		"a dotted path to null":          {"user.age", "/score", `{"user":{"age":null}}`, false, true},
		"a dotted path to nothing":       {"user.age", "/score", `{"user":7}`, true, false},
		"a place in a list":              {"rows.1", "/score", `{"rows":[1,null]}`, false, true},
		"a message":                      {"messages.0.content", "/v1/chat/completions", `{"messages":[{"content":"x"}]}`, false, false},
		"a dotted path in each instance": {"user.age", "/v1/models/m:predict", `{"instances":[{"user":{"age":1}},{"user":{}}]}`, true, false},
		"a place in each instance":       {"1", "/v1/models/m:predict", `{"instances":[[1,2],[1,null]]}`, false, true},
		"a place in each row":            {"2", "/api/v1.0/predictions", `{"data":{"ndarray":[[1,2]]}}`, true, false},
		"a place in a row that is there": {"1", "/api/v1.0/predictions", `{"data":{"ndarray":[[1,2]]}}`, false, false},
		"a place below 0":                {"-1", "/v1/models/m:predict", `{"instances":[[1,2]]}`, true, false},
	} {
		r := reader(t, experiment.Predictions{Features: []string{tc.feature}})
		if absent, null := r.Features(decoded(t, tc.request), tc.path); absent != tc.absent || null != tc.null {
			t.Errorf("%s: absent %v, null %v, want %v, %v", name, absent, null, tc.absent, tc.null)
		}
	}
	if absent, null := reader(t, experiment.Predictions{}).Features(nil, ""); absent || null {
		t.Error("without declared features nothing can be missing")
	}
}
