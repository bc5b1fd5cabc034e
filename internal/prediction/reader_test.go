// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func decoded(t testing.TB, text string) any {
	t.Helper()
	v, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func reader(t testing.TB, p experiment.Predictions) *Reader {
	t.Helper()
	r, err := New(&p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func classed(class string) Row          { return Row{Class: class} }
func scored(x float64) Row              { return Row{Score: x, HasScore: true} }
func whole(class string, x float64) Row { return Row{Class: class, Score: x, HasScore: true} }
func named(class string) Row            { return Row{Class: class, Text: class} }
func text(s string) Row                 { return Row{Text: s} }
func read(rows ...Row) Reading          { return reading(Read, rows...) }
func vector(c string, s float64, v ...float64) Row {
	return Row{Class: c, Score: s, HasScore: true, Scores: v}
}

func reading(found Found, rows ...Row) Reading {
	out := Reading{All: rows, Rows: len(rows), Found: found}
	if len(rows) > 0 {
		out.Row = rows[0]
	}
	return out
}

// answer is one answer and what is read of it.
type answer struct {
	path, body string
	want       Reading
}

func check(t *testing.T, r *Reader, cases map[string]answer) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			body := decoded(t, tc.body)
			got := r.Read(t.Context(), body, tc.path)
			if len(got.All) == 0 {
				got.All = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.body, diff)
			}
			if diff := cmp.Diff(decoded(t, tc.body), body); diff != "" {
				t.Errorf("the body was changed:\n%s", diff)
			}
		})
	}
}

func TestOIP(t *testing.T) {
	const path = "/v2/models/iris/versions/3/infer?x=1"
	output := func(datatype, shape, data string) string {
		return fmt.Sprintf(`{"model_name":"iris","model_version":"3","id":"a1","outputs":[{"name":"predict","datatype":%q,"shape":%s,"data":%s}]}`, datatype, shape, data)
	}
	vectors := read(vector("2", 0.7, 0.1, 0.2, 0.7), vector("0", 0.6, 0.6, 0.3, 0.1))
	check(t, reader(t, experiment.Predictions{}), map[string]answer{
		"texts are classes of a batch":            {path, output("BYTES", `[2]`, `["cat","dog"]`), read(named("cat"), named("dog"))},
		"whole numbers are classes and scores":    {path, output("INT64", `[2,1]`, `[1, 0]`), read(whole("1", 1), whole("0", 0))},
		"a whole number may have a point":         {path, output("UINT8", `[1]`, `[1.0]`), read(whole("1", 1))},
		"booleans are classes":                    {path, output("BOOL", `[1]`, `[true]`), read(classed("true"))},
		"floats are scores":                       {path, output("FP32", `[2]`, `[0.25,1]`), read(scored(0.25), scored(1))},
		"the greatest of a flat vector":           {path, output("FP32", `[2,3]`, `[0.1,0.2,0.7,0.6,0.3,0.1]`), vectors},
		"the greatest of a nested vector":         {path, output("FP64", `[2,3]`, `[[0.1,0.2,0.7],[0.6,0.3,0.1]]`), vectors},
		"dimensions of one do not count":          {path, output("FP32", `[2,1,3]`, `[[[0.1,0.2,0.7]],[[0.6,0.3,0.1]]]`), vectors},
		"of two classes the second is the score":  {path, output("FP32", `[1,2]`, `[0.75,0.25]`), read(vector("0", 0.25, 0.75, 0.25))},
		"a matrix has no class":                   {path, output("FP32", `[1,2,2]`, `[1,2,3,4]`), read(Row{Scores: []float64{1, 2, 3, 4}})},
		"a scalar is one row":                     {path, output("FP32", `[]`, `[0.5]`), read(scored(0.5))},
		"several texts are a ranking":             {path, output("BYTES", `[1,3]`, `["c","a","b"]`), read(Row{Ranking: []string{"c", "a", "b"}})},
		"several whole numbers are a ranking":     {path, output("INT32", `[1,3]`, `[30,10,20]`), read(Row{Ranking: []string{"30", "10", "20"}})},
		"the shape tells where the path does not": {"/infer", output("INT64", `[1]`, `[7]`), read(whole("7", 7))},

		"class and probabilities of two outputs": {path, `{"outputs":[
			{"name":"predict","datatype":"INT64","shape":[1],"data":[0]},
			{"name":"predict_proba","datatype":"FP64","shape":[1,2],"data":[0.9,0.1]}]}`, read(vector("0", 0.1, 0.9, 0.1))},
		"label, score and an output of another size": {path, `{"outputs":[
			{"name":"label","datatype":"BYTES","shape":[1],"data":["fraud"]},
			{"name":"aux","datatype":"FP32","shape":[3],"data":[1,2,3]},
			{"name":"p","datatype":"FP32","shape":[1],"data":[0.5]}]}`, read(Row{Class: "fraud", Text: "fraud", Score: 0.5, HasScore: true})},
		"a codec of objects in texts": {path, `{"outputs":[{"name":"output","datatype":"BYTES","shape":[1,1],"parameters":{"content_type":"hg_jsonlist"},
			"data":["{\"label\":\"POSITIVE\",\"score\":0.75}"]}]}`, read(whole("POSITIVE", 0.75))},
		"generated text":             {path, `{"outputs":[{"name":"text_output","datatype":"BYTES","shape":[1],"data":["Hello there"]}]}`, read(text("Hello there"))},
		"text of the generate route": {"/v2/models/llm/generate", `{"model_name":"llm","text_output":"Hi"}`, read(text("Hi"))},

		"null":                      {path, output("FP32", `[2]`, `[null,0.5]`), reading(Null, Row{}, scored(0.5))},
		"null in a vector":          {path, output("FP32", `[1,2]`, `[0.5,null]`), reading(Null, Row{})},
		"NaN as it is no JSON":      {path, output("FP32", `[1]`, `[NaN]`), reading(Null, Row{})},
		"NaN as a text":             {path, output("FP32", `[1]`, `["NaN"]`), reading(Null, Row{})},
		"beyond all numbers":        {path, output("FP32", `[1]`, `[1e999]`), reading(Null, Row{})},
		"null text":                 {path, output("BYTES", `[1]`, `[null]`), reading(Null, Row{})},
		"no data":                   {path, output("FP32", `[0]`, `[]`), reading(Empty)},
		"rows of nothing":           {path, output("FP32", `[1000000000,0]`, `[]`), reading(Empty)},
		"no outputs":                {path, `{"outputs":[]}`, reading(Empty)},
		"only empty texts":          {path, output("BYTES", `[2]`, `["",""]`), Reading{Rows: 2, Found: Empty}},
		"an error":                  {path, `{"error":"no such model"}`, reading(Invalid)},
		"another protocol":          {path, `{"predictions":[1]}`, reading(Invalid)},
		"no object":                 {path, `[1]`, reading(Invalid)},
		"fewer data than the shape": {path, output("FP32", `[2,3]`, `[1,2,3]`), reading(Invalid)},
		"a shape beyond all bodies": {path, output("FP32", `[1000000,1000000,1000000]`, `[1]`), reading(Invalid)},
		"a negative shape":          {path, output("FP32", `[-1]`, `[1]`), reading(Invalid)},
		"texts that are floats":     {path, output("FP32", `[1]`, `["high"]`), reading(Invalid)},
		"numbers that are texts":    {path, output("BYTES", `[1]`, `[1]`), reading(Invalid)},
		"a data type of its own":    {path, output("FLOAT", `[1]`, `[1]`), reading(Invalid)},
		"data in binary":            {path, `{"outputs":[{"name":"o","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}`, reading(Unread)},
		"data that nobody sends":    {path, `{"outputs":[{"name":"o","datatype":"FP32","shape":[1,2]}]}`, reading(Invalid)},
		"an explanation":            {"/v2/models/iris/explain", output("FP32", `[1]`, `[1]`), reading(Unread)},
	})
}

func TestKServe(t *testing.T) {
	const path = "/v1/models/iris:predict"
	yes := Row{Class: "b", Score: 0.75, HasScore: true, Scores: []float64{0.25, 0.75}, Names: []string{"a", "b"}}
	check(t, reader(t, experiment.Predictions{}), map[string]answer{
		"whole numbers are classes":         {path, `{"predictions":[1,0,1]}`, read(whole("1", 1), whole("0", 0), whole("1", 1))},
		"numbers are scores":                {path, `{"predictions":[0.25,1.0]}`, read(scored(0.25), scored(1))},
		"texts are classes":                 {path, `{"predictions":["cat"]}`, read(named("cat"))},
		"vectors":                           {path, `{"predictions":[[0.1,0.2,0.7]]}`, read(vector("2", 0.7, 0.1, 0.2, 0.7))},
		"a vector of one is a score":        {path, `{"predictions":[[0.93],[0.5]]}`, read(scored(0.93), scored(0.5))},
		"a list of texts is a ranking":      {path, `{"predictions":[["x","y"]]}`, read(Row{Ranking: []string{"x", "y"}})},
		"a matrix":                          {path, `{"predictions":[[[1,2],[3,4]]]}`, read(Row{Scores: []float64{1, 2, 3, 4}})},
		"label and score":                   {path, `{"predictions":[{"label":"cat","score":0.5}]}`, read(whole("cat", 0.5))},
		"label, score and probabilities":    {path, `{"predictions":[{"label":"b","probability":0.5,"probabilities":[0.5,0.5]}]}`, read(vector("b", 0.5, 0.5, 0.5))},
		"probabilities by class":            {path, `{"predictions":[{"probabilities":{"b":0.75,"a":0.25}}]}`, read(yes)},
		"labels and scores by size":         {path, `{"predictions":[{"labels":["b","a"],"scores":[0.75,0.25]}]}`, read(yes)},
		"labelled scores by size":           {path, `{"predictions":[[{"label":"b","score":0.75},{"label":"a","score":0.25}]]}`, read(yes)},
		"one labelled score":                {path, `{"predictions":[[{"label":"b","score":0.75}]]}`, read(Row{Class: "b", Score: 0.75, HasScore: true, Scores: []float64{0.75}, Names: []string{"b"}})},
		"results of classify":               {"/v1/models/m:classify", `{"results":[[["b",0.75],["a",0.25]]]}`, read(yes)},
		"results of regress":                {"/v1/models/m:regress", `{"result":[0.5]}`, read(scored(0.5))},
		"an object of one is what it holds": {path, `{"predictions":[{"dense_1":[0.25,0.75]}]}`, read(vector("1", 0.75, 0.25, 0.75))},
		"ranked objects":                    {path, `{"predictions":[{"items":[{"id":7,"score":0.5},{"id":"k"}]}]}`, read(Row{Ranking: []string{"7", "k"}})},
		"a class and a score":               {path, `{"predictions":[["cat",0.5]]}`, read(Row{Class: "cat", Text: "cat", Score: 0.5, HasScore: true})},
		"outputs in columns":                {path, `{"outputs":{"classes":["b","a"],"scores":[0.75,0.5]}}`, read(Row{Class: "b"}, Row{Class: "a"})},
		"outputs in rows":                   {path, `{"outputs":[[0.25,0.75]]}`, read(vector("1", 0.75, 0.25, 0.75))},
		"an embedding":                      {path, `{"predictions":[{"embedding":[3,4]}]}`, read(Row{Scores: []float64{3, 4}})},
		"a boolean":                         {path, `{"predictions":[true]}`, read(classed("true"))},
		"a number that predicts":            {path, `{"predictions":[{"prediction":0.5,"id":"x"}]}`, read(scored(0.5))},
		"a class that predicts":             {path, `{"predictions":[{"prediction":"cat","probability":0.5}]}`, read(whole("cat", 0.5))},
		"a vector that predicts":            {path, `{"predictions":[{"prediction":[0.25,0.75],"class_names":["x"]}]}`, read(vector("1", 0.75, 0.25, 0.75))},
		"pairs of nothing known":            {path, `{"predictions":[[["a",1],["b","c"]]]}`, read(Row{})},
		"a ranking that is none":            {path, `{"predictions":[{"items":[[1]],"ids":["a"]}]}`, read(Row{Ranking: []string{"a"}})},
		"labels of other length":            {path, `{"predictions":[{"labels":["a"],"scores":[0.25,0.75]}]}`, read(vector("1", 0.75, 0.25, 0.75))},
		"three with the class named":        {path, `{"predictions":[{"label":"b","probabilities":{"a":0.5,"b":0.25,"c":0.25}}]}`, read(Row{Class: "b", Score: 0.25, HasScore: true, Scores: []float64{0.5, 0.25, 0.25}, Names: []string{"a", "b", "c"}})},
		"outputs in one object":             {path, `{"outputs":{"label":"cat","score":0.5}}`, read(whole("cat", 0.5))},
		"what nobody can tell":              {path, `{"predictions":[{"a":{"b":1},"c":[]}]}`, read(Row{})},
		"without a path":                    {"", `{"predictions":["cat"]}`, read(named("cat"))},

		"null":              {path, `{"predictions":[null,1]}`, reading(Null, Row{}, whole("1", 1))},
		"all null":          {path, `{"predictions":null}`, reading(Null)},
		"NaN in a vector":   {path, `{"predictions":[[NaN,0.5]]}`, reading(Null, Row{})},
		"infinite":          {path, `{"predictions":[-Infinity]}`, reading(Null, Row{})},
		"null by its score": {path, `{"predictions":[{"label":"a","score":null}]}`, reading(Null, classed("a"))},
		"null by a class":   {path, `{"predictions":[{"scores":{"a":null,"b":1}}]}`, reading(Null, Row{})},
		"NaN in its place":  {path, `{"predictions":["NaN",["a",null]]}`, reading(Null, Row{}, named("a"))},
		"null by its label": {path, `{"predictions":[{"label":null,"score":0.5}]}`, reading(Null, scored(0.5))},
		"no predictions":    {path, `{"predictions":[]}`, reading(Empty)},
		"only empty ones":   {path, `{"predictions":[[],{},""]}`, Reading{Rows: 3, Found: Empty}},
		"one that is empty": {path, `{"predictions":[[],0.5]}`, read(Row{}, scored(0.5))},
		"an error":          {path, `{"error":"x","predictions":[1]}`, reading(Invalid)},
		"nothing of it":     {path, `{"answer":[1]}`, reading(Invalid)},
		"no list":           {path, `{"predictions":"cat"}`, reading(Invalid)},
	})
}

func TestSeldon(t *testing.T) {
	const path = "/seldon/ns/iris/api/v1.0/predictions"
	probable := Row{Class: "t:1", Score: 0.75, HasScore: true, Scores: []float64{0.25, 0.75}, Names: []string{"t:0", "t:1"}}
	check(t, reader(t, experiment.Predictions{}), map[string]answer{
		"an array with names":    {path, `{"data":{"names":["t:0","t:1"],"ndarray":[[0.25,0.75]]},"meta":{"puid":"x"}}`, read(probable)},
		"an array without names": {path, `{"data":{"names":[],"ndarray":[[0.25,0.75],[0.5,0.25]]},"meta":{}}`, read(vector("1", 0.75, 0.25, 0.75), vector("0", 0.25, 0.5, 0.25))},
		"a tensor":               {path, `{"data":{"names":["t:0","t:1"],"tensor":{"shape":[1,2],"values":[0.25,0.75]}}}`, read(probable)},
		"a tensor of a batch":    {path, `{"data":{"tensor":{"shape":[2,1],"values":[0.25,0.5]}}}`, read(scored(0.25), scored(0.5))},
		"a tensor of matrices":   {path, `{"data":{"tensor":{"shape":[1,2,2],"values":[1,2,3,4]}}}`, read(Row{Scores: []float64{1, 2, 3, 4}})},
		"texts in an array":      {path, `{"data":{"names":["label"],"ndarray":[["cat"],["dog"]]}}`, read(named("cat"), named("dog"))},
		"a text":                 {path, `{"strData":"cat","meta":{}}`, read(named("cat"))},
		"a JSON object":          {path, `{"jsonData":{"label":"cat","score":0.5}}`, read(whole("cat", 0.5))},
		"a JSON list":            {path, `{"jsonData":[0.5,0.25]}`, read(scored(0.5), scored(0.25))},
		"without a path":         {"/", `{"data":{"names":["t:0","t:1"],"ndarray":[[0.25,0.75]]}}`, read(probable)},

		"NaN as Python has it":       {path, `{"data":{"ndarray":[[NaN,0.5]]}}`, reading(Null, Row{})},
		"NaN as protocol buffers do": {path, `{"data":{"tensor":{"shape":[1,2],"values":["NaN",0.5]}}}`, reading(Null, Row{})},
		"null text":                  {path, `{"strData":null}`, reading(Null)},
		"an empty array":             {path, `{"data":{"names":[],"ndarray":[]}}`, reading(Empty)},
		"an empty tensor":            {path, `{"data":{"tensor":{"shape":[1000000000,0],"values":[]}}}`, reading(Empty)},
		"an empty text":              {path, `{"strData":""}`, Reading{Rows: 1, Found: Empty}},
		"a failure":                  {path, `{"status":{"code":500,"status":"FAILURE"},"data":{"ndarray":[1]}}`, reading(Invalid)},
		"a tensor without values":    {path, `{"data":{"tensor":{"shape":[1,2]}}}`, reading(Invalid)},
		"a tensor of other size":     {path, `{"data":{"tensor":{"shape":[1,2],"values":[1]}}}`, reading(Invalid)},
		"nothing but meta":           {path, `{"meta":{}}`, reading(Invalid)},
		"in binary":                  {path, `{"binData":"AAA="}`, reading(Unread)},
		"an explanation":             {"/seldon/ns/iris/api/v1.0/explanations", `{"data":{"ndarray":[[1]]}}`, reading(Unread)},
	})
}

func TestOpenAI(t *testing.T) {
	const chat, embeddings = "/openai/v1/chat/completions", "/v1/embeddings"
	check(t, reader(t, experiment.Predictions{}), map[string]answer{
		"a message":                      {chat, `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`, read(text("Hello."))},
		"each choice":                    {chat, `{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}`, read(text("a"), text("b"))},
		"a message in parts":             {chat, `{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}`, read(text("ab"))},
		"a call of a tool":               {chat, `{"choices":[{"message":{"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`, read(text(`[{"arguments":"{}","name":"f"}]`))},
		"a call beside an empty message": {chat, `{"choices":[{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}`, read(text(`[{"arguments":"{}","name":"f"}]`))},
		"a refusal":                      {chat, `{"choices":[{"message":{"content":null,"refusal":"No."}}]}`, read(text("No."))},
		"a completion":                   {"/v1/completions", `{"choices":[{"text":" world"}]}`, read(text(" world"))},
		"a response":                     {"/v1/responses", `{"object":"response","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"Hi"}]},{"type":"function_call","call_id":"x","name":"f","arguments":"{}"}]}`, read(text(`Hi{"arguments":"{}","name":"f"}`))},
		"embeddings":                     {embeddings, `{"object":"list","data":[{"index":0,"embedding":[0.5,-0.25]},{"index":1,"embedding":[1,2]}]}`, read(Row{Scores: []float64{0.5, -0.25}}, Row{Scores: []float64{1, 2}})},
		"an embedding in base64":         {embeddings, `{"data":[{"embedding":"AAAAPwAAgL4="}]}`, read(Row{Scores: []float64{0.5, -0.25}})},
		"a reranker":                     {"/v1/rerank", `{"results":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}`, read(Row{Ranking: []string{"2", "0"}})},
		"without a path":                 {"", `{"choices":[{"message":{"content":"a"}}]}`, read(text("a"))},

		"an empty message": {chat, `{"choices":[{"message":{"content":""}}]}`, Reading{Rows: 1, Found: Empty}},
		"no choices":       {chat, `{"choices":[]}`, reading(Empty)},
		"a null message":   {chat, `{"choices":[{"message":{"content":null}}]}`, reading(Null, Row{})},
		"a null embedding": {embeddings, `{"data":[{"embedding":[0.5,null]}]}`, reading(Null, Row{})},
		"a NaN in base64":  {embeddings, `{"data":[{"embedding":"AADAfw=="}]}`, reading(Null, Row{})},
		"an error":         {chat, `{"error":{"message":"overloaded"}}`, reading(Invalid)},
		"something else":   {chat, `{"detail":"Not Found"}`, reading(Invalid)},
	})
}

func TestPlainJSON(t *testing.T) {
	check(t, reader(t, experiment.Predictions{}), map[string]answer{
		"is read without an idea of it": {"/score", `{"label":"cat"}`, read(Row{})},
		"null":                          {"/score", `null`, reading(Null)},
		"nothing":                       {"/score", `{}`, reading(Empty)},
		"no text":                       {"/score", `""`, reading(Empty)},
		"no list":                       {"/score", `[]`, reading(Empty)},
		"a number":                      {"/score", `0`, read(Row{})},
	})
	check(t, reader(t, experiment.Predictions{Protocol: experiment.ProtocolJSON, Class: ".items[].label", Score: ".items[].p"}), map[string]answer{
		"a value for each prediction": {"/score", `{"items":[{"label":1.0,"p":0.5},{"label":"b","p":"NaN"}]}`, reading(Null, whole("1", 0.5), classed("b"))},
		"one prediction":              {"/score", `{"items":[{"label":true,"p":1}]}`, read(whole("true", 1))},
		"none":                        {"/score", `{"items":[]}`, reading(Empty)},
		"null":                        {"/score", `{"items":[{"label":null,"p":1}]}`, reading(Null, scored(1))},
		"something else":              {"/score", `{"items":[{"label":["a"],"p":1}]}`, reading(Invalid)},
		"a text for a score":          {"/score", `{"items":[{"label":"a","p":"high"}]}`, reading(Invalid)},
		"where it fails":              {"/score", `{"items":7}`, reading(Invalid)},
		"a declared protocol wins":    {"/v1/models/m:predict", `{"predictions":[1],"items":[{"label":"a","p":1}]}`, read(whole("a", 1))},
	})
}

func TestExpressionsComeBeforeTheProtocol(t *testing.T) {
	const path = "/v1/models/m:predict"
	check(t, reader(t, experiment.Predictions{Class: ".predictions[].name", Score: ".predictions[].p"}), map[string]answer{
		"both":                     {path, `{"predictions":[{"name":"x","p":0.5,"scores":[0.25,0.75]}]}`, read(vector("x", 0.5, 0.25, 0.75))},
		"more than the protocol's": {path, `{"outputs":[1],"predictions":[{"name":"x","p":1},{"name":"y","p":2}]}`, read(whole("x", 1), whole("y", 2))},
		"a score that is missing":  {path, `{"predictions":[{"name":"x"}]}`, reading(Null, Row{Class: "x", Text: "x"})},
		"an invalid answer":        {path, `{"error":"x"}`, reading(Invalid)},
	})
	check(t, reader(t, experiment.Predictions{Score: ".scores[1]"}), map[string]answer{
		"a score beside the class": {path, `{"predictions":["cat"],"scores":[0,0.5]}`, read(Row{Class: "cat", Text: "cat", Score: 0.5, HasScore: true})},
		"a score of no batch":      {path, `{"predictions":["cat","dog"],"scores":[0,0.5]}`, read(scored(0.5))},
		"an answer of its own":     {path, `{"scores":[0,0.5]}`, read(scored(0.5))},
		"null of an invalid one":   {path, `{"scores":[0]}`, reading(Invalid)},
		"null of a valid one":      {path, `{"predictions":["cat"]}`, reading(Null, named("cat"))},
	})
	check(t, reader(t, experiment.Predictions{Class: ".a[]", Score: ".b[]"}), map[string]answer{
		"classes and scores must be as many": {"/", `{"a":[1,2],"b":[1]}`, reading(Invalid)},
	})
}

func TestTimeRunsOut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := reader(t, experiment.Predictions{Class: "def f: f; f"})
	if got := r.Read(ctx, decoded(t, `{"predictions":[1]}`), ""); !cmp.Equal(got, Reading{}) {
		t.Errorf("got %+v, want nothing read", got)
	}
}

func TestWhatIsReadIsBounded(t *testing.T) {
	r := reader(t, experiment.Predictions{})
	for name, tc := range map[string]struct {
		body       string
		rows, read int
		scores     int // of the first row
	}{
		"many rows":                  {`{"predictions":[` + strings.Repeat("1,", 4999) + `1]}`, 5000, MaxRows, 0},
		"rows of vectors":            {`{"predictions":[` + strings.Repeat("["+strings.Repeat("0.5,", 29)+"0.5],", 499) + `[1]]}`, 500, MaxComponents / 30, 30},
		"as many as there may be":    {`{"predictions":[[` + strings.Repeat("0.5,", MaxComponents-1) + `0.5]]}`, 1, 1, MaxComponents},
		"a vector that is too large": {`{"predictions":[[` + strings.Repeat("0.5,", MaxComponents) + `0.5]]}`, 1, 0, 0},
		"a matrix that is too large": {`{"predictions":[[[` + strings.Repeat("0.5,", MaxComponents) + `0.5],[1]]]}`, 1, 0, 0},
		"a tensor":                   {`{"outputs":[{"name":"o","datatype":"FP32","shape":[500,30],"data":[` + strings.Repeat("0.5,", 14999) + `0.5]}]}`, 500, MaxComponents / 30, 30},
		"another tensor":             {`{"data":{"tensor":{"shape":[500,20],"values":[` + strings.Repeat("0.5,", 9999) + `0.5]}}}`, 500, 500, 20},
		"lists in lists":             {`{"predictions":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 1, 1, 0},
		"objects in objects":         {`{"predictions":[` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + `]}`, 1, 1, 0},
	} {
		got := r.Read(t.Context(), decoded(t, tc.body), "")
		if got.Found != Read || got.Rows != tc.rows || len(got.All) != tc.read || len(got.Scores) != tc.scores {
			t.Errorf("%s: %s, %d rows, %d read, %d scores; want read, %d, %d, %d", name, got.Found, got.Rows, len(got.All), len(got.Scores), tc.rows, tc.read, tc.scores)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		in            experiment.Predictions
		message, hint string
	}{
		"an unknown protocol": {experiment.Predictions{Protocol: "grpc"}, `protocol "grpc" is not known`, "take oip, kserve, seldon, openai or json, or leave it out"},
		"a class":             {experiment.Predictions{Class: "now"}, "class: the expression uses now", "the same answer must give the same number, anywhere and at any time"},
		"a score":             {experiment.Predictions{Score: ".["}, "score: not a jq expression: it ends too early", "try it with jq on an answer of the model"},
	} {
		_, err := New(&tc.in)
		if err == nil || err.Error() != tc.message || experiment.HintOf(err) != tc.hint || experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%s: %v (hint %q), want %q (hint %q)", name, err, experiment.HintOf(err), tc.message, tc.hint)
		}
	}
	if _, err := New(nil); err != nil {
		t.Error(err)
	}
}

func TestIsExplanation(t *testing.T) {
	for path, want := range map[string]bool{
		"/v1/models/m:explain":                    true,
		"/v1/models/m:explain/?x=:predict":        true,
		"/v2/models/m/versions/1/explain":         true,
		"/seldon/ns/m/api/v1.0/explanations":      true,
		"/v1/models/m:predict":                    false,
		"/v2/models/m/infer":                      false,
		"/seldon/ns/m/api/v1.0/predictions":       false,
		"/explain":                                false,
		"/v1/models/m:predict?next=/explanations": false,
	} {
		if got := IsExplanation(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestFoundIsAWord(t *testing.T) {
	got := fmt.Sprint(Unread, Read, Invalid, Empty, Null)
	if want := "unread read invalid empty null"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, bm := range []struct {
		name, path, body string
		predictions      experiment.Predictions
	}{
		{"oip/one class of three", "/v2/models/m/infer", `{"model_name":"m","outputs":[{"name":"predict","datatype":"FP32","shape":[1,3],"data":[0.1,0.2,0.7]}]}`, experiment.Predictions{}},
		{"kserve/label and score", "/v1/models/m:predict", `{"predictions":[{"label":"cat","score":0.93}]}`, experiment.Predictions{}},
		{"kserve/batch of 100 vectors of 10", "/v1/models/m:predict", `{"predictions":[` + strings.Repeat(`[0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9],`, 99) + `[0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]]}`, experiment.Predictions{}},
		{"seldon/names", "/api/v1.0/predictions", `{"data":{"names":["t:0","t:1"],"ndarray":[[0.1,0.9]]},"meta":{}}`, experiment.Predictions{}},
		{"openai/chat", "/v1/chat/completions", `{"choices":[{"message":{"role":"assistant","content":"Hello."}}],"usage":{"total_tokens":12}}`, experiment.Predictions{}},
		{"openai/embedding of 1536", "/v1/embeddings", `{"data":[{"embedding":[` + strings.Repeat("0.0123456789,", 1535) + `1]}]}`, experiment.Predictions{}},
		{"json/class and score by jq", "/score", `{"result":{"label":"cat","p":0.93}}`, experiment.Predictions{Class: ".result.label", Score: ".result.p"}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r, body := reader(b, bm.predictions), decoded(b, bm.body)
			b.ReportAllocs()
			for b.Loop() {
				if got := r.Read(b.Context(), body, bm.path); got.Found != Read {
					b.Fatal(got.Found)
				}
			}
		})
	}
}
