// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestParsesHeaders(t *testing.T) {
	for in, want := range map[string][2]string{
		"x-api-version: blue":   {"X-Api-Version", "blue"},
		"A:b":                   {"A", "b"},
		"A: b: c ":              {"A", "b: c"},
		"Empty;":                {"Empty", ""},
		"Authorization: Basic=": {"Authorization", "Basic="},
		"X: a;":                 {"X", "a;"},
	} {
		name, value, err := ParseHeader(in)
		if err != nil || name != want[0] || value != want[1] {
			t.Errorf("%q = %q, %q, %v; want %q", in, name, value, err, want)
		}
	}
}

func TestRefusesHeaders(t *testing.T) {
	for in, says := range map[string]string{
		"":                             "0 bytes without a colon",
		"hunter2":                      "7 bytes without a colon",
		"A:":                           `"A" has no value (write 'A`,
		": hunter2":                    `"" is no name`,
		"A b: hunter2":                 `"A b" is no name`,
		"A: hunter2\r\nB: c":           `value of "A" has a control character`,
		"content-length: hunter2":      "cannot be set",
		strings.Repeat("A", 50) + "(:": "has no value",
	} {
		_, _, err := ParseHeader(in)
		if in == "A:" {
			says = `"A" has no value (write 'Name;'`
		}
		if err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "--header: ") {
			t.Errorf("%q: %v, want %q", in, err, says)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error repeats the value: %v", in, err)
		}
		if experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%q: code %s", in, experiment.CodeOf(err))
		}
	}
}

func TestParsesOutcomes(t *testing.T) {
	for in, want := range map[string]Outcome{
		"click":                {Event: "click", Value: 1, Every: 1},
		"click=0":              {Event: "click", Value: 0, Every: 1},
		"click:0.3":            {Event: "click", Value: 1, Every: 0.3},
		"click@2s":             {Event: "click", Value: 1, Every: 1, Delay: 2 * time.Second},
		"buy=12.5:30%@1m30s":   {Event: "buy", Value: 12.5, Every: 0.3, Delay: 90 * time.Second},
		"buy=-1e3:100%":        {Event: "buy", Value: -1000, Every: 1},
		"add to cart=2@0s":     {Event: "add to cart", Value: 2, Every: 1},
		"kauf-größe=1:1@100ms": {Event: "kauf-größe", Value: 1, Every: 1, Delay: 100 * time.Millisecond},
	} {
		got, err := ParseOutcome(in)
		if err != nil || got != want {
			t.Errorf("%q = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"":                              "the event",
		"=1":                            "the event",
		" a":                            "blanks",
		"a=":                            `the value ""`,
		"a=NaN":                         `the value "NaN"`,
		"a=inf":                         `the value "inf"`,
		"a:0":                           `the share "0"`,
		"a:101%":                        `the share "101%"`,
		"a:NaN":                         `the share "NaN"`,
		"a@2":                           `the delay "2"`,
		"a@-1s":                         `the delay "-1s"`,
		"a@2h":                          `the delay "2h"`,
		"a@1s:0.5":                      `the delay "1s:0.5"`,
		"a=" + strings.Repeat("9", 999): "999…",
	} {
		_, err := ParseOutcome(in)
		if err == nil || !strings.Contains(err.Error(), says) || experiment.PathOf(err) != "--outcome" {
			t.Errorf("%q: %v, want %q", in, err, says)
		}
	}
}

func TestReadsJSONLines(t *testing.T) {
	got, err := ReadLines("--data-lines", strings.NewReader("{\"a\":1}\r\n\n  [2] \n3"))
	if err != nil || string(bytes.Join(got, []byte("|"))) != `{"a":1}|[2]|3` {
		t.Errorf("lines = %q, %v", got, err)
	}
	for in, says := range map[string]string{"": "no bodies", "\n \n": "no bodies", "1\n2\n{\n": "line 3 is not JSON"} {
		if _, err := ReadLines("--data-lines", strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", in, err, says)
		}
	}
	if _, err := ReadBody("--data", iotest.ErrReader(errPulled)); err == nil || !strings.Contains(err.Error(), "pulled") {
		t.Errorf("broken reader: %v", err)
	}
	if _, err := ReadBody("--data", endless{}); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes") {
		t.Errorf("endless reader: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestEveryWrongOptionIsNamed(t *testing.T) {
	_, err := Run(t.Context(), Options{
		URL: "ftp://x", Method: "G T", Rate: math.NaN(), N: -1, Duration: -1, Concurrency: -1, Timeout: -1,
		Units: -1, UnitHeader: "a b", VersionHeader: "c d", Header: http.Header{"Upgrade": {"x"}},
		Outcome: &Outcome{Event: "", Every: 2, Delay: -1},
	}, nil)
	if experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Fatalf("code %s", experiment.CodeOf(err))
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{
		`URL: the scheme "ftp"`, "--header: ", "--method: ", "--rate: NaN", "--requests: -1", "--duration: -1ns", "--concurrency: -1",
		"--timeout: -1ns", "--units: -1", "--unit-header: ", "--version-header: ", "--outcome: ", "--outcome: the share 2", "--outcome: the delay -1ns", "--outcomes-url: is missing",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) || !strings.HasSuffix(lines[i], ")") {
			t.Errorf("problem %d is not %q with a hint, in\n%v", i, want, err)
		}
	}
	for in, says := range map[string]string{
		"": "is missing", "http://": "names no host", "http://u:hunter2@h ost": "is not a URL", "mailto://a": "neither http nor https", "%zz": "is not a URL",
	} {
		if _, err := parseURL("URL", in); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", in, err, says)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{"x-api-version: blue", "A;", "A:", ":", "a: b\r\nc: d", "ü: 1", "A: \x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, value, err := ParseHeader(s)
		if err != nil {
			return
		}
		// What is let through goes over the wire as it is and comes back.
		var wire bytes.Buffer
		r, err := http.NewRequest(http.MethodGet, "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{name: {value}}
		if name == "Host" {
			return // It sets the request's host.
		}
		if err := r.Write(&wire); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		back, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if got := back.Header.Get(name); got != value {
			t.Fatalf("%q: %q arrived as %q", s, value, got)
		}
	})
}

func FuzzParseOutcome(f *testing.F) {
	for _, s := range []string{"click", "buy=12.5:30%@2s", "a:@", "=", "a=1e400", "a:1e-320%", "a@1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := ParseOutcome(s)
		if err != nil {
			if experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		finite := !math.IsNaN(x.Value) && !math.IsInf(x.Value, 0)
		if x.Event == "" || !finite || !(x.Every > 0 && x.Every <= 1) || x.Delay < 0 || x.Delay > maxDelay || !strings.HasPrefix(s, x.Event) {
			t.Fatalf("%q = %+v", s, x)
		}
	})
}

func FuzzNamesAreFitForATerminal(f *testing.F) {
	f.Add("v1", []byte(`"A"`))
	f.Add("", []byte("\x1b]0;x\a"))
	f.Add("", []byte("\"\\u001b\""))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		o := Options{textToo: true, VersionHeader: "X-Headgate-Version"}
		l := o.labelOf(200, http.Header{"X-Headgate-Version": {header}}, body)
		if printable(l.name, maxName) != l.name || (l.name == "") != (l.from == "") {
			t.Fatalf("%q %q = %+v", header, body, l)
		}
	})
}
