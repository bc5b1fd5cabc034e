// SPDX-License-Identifier: Apache-2.0

package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// read reads all rows of a text. It ends at the first error that is not of a row.
func read(t *testing.T, format, text string, c Columns) (rows []Row, bad []string, err error) {
	t.Helper()
	s, err := openRows(strings.NewReader(text), format, c, origin{file: "rows"}, func() {})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	for {
		row, err := s.Next(context.Background())
		b, isBad := errors.AsType[*BadRow](err)
		switch {
		case isBad:
			bad = append(bad, b.Error())
		case errors.Is(err, io.EOF):
			return rows, bad, nil
		case err != nil:
			return rows, bad, err
		default:
			rows = append(rows, row)
		}
	}
}

func renamed(t *testing.T, list string) map[string]string {
	t.Helper()
	m, err := ParseRenamed(list)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRowsBecomeOutcomes(t *testing.T) {
	at := time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		format, text, renamed, event string
		want                         []experiment.UnitOutcome
	}{
		"all columns": {
			CSV, "token,event,value,key,time\nt1,purchase,12.5,o-1,2026-11-01T10:30:00Z\n", "", "",
			[]experiment.UnitOutcome{{Token: "t1", Event: "purchase", Value: 12.5, Key: "o-1", At: at}},
		},
		"one event for all, other names, columns that are not used": {
			CSV, "id,truth,country\nr1,cat,DE\nr2,\"a \"\"b\"\"\nc\",FR\n", "request=id,label=truth,key=id", "truth",
			[]experiment.UnitOutcome{{Request: "r1", Event: "truth", Value: 1, Label: "cat", Key: "r1"}, {Request: "r2", Event: "truth", Value: 1, Label: "a \"b\"\nc", Key: "r2"}},
		},
		"byte order mark, blank lines and tabs": {
			TSV, "\ufeffunit\tkey\tevent\n\nu\tk\tclick\n", "", "",
			[]experiment.UnitOutcome{{Unit: "u", Event: "click", Value: 1, Key: "k"}},
		},
		"one of several ways to say whom": {
			CSV, "unit,token,key,event\nu,,1,e\n,t,2,e\n", "", "",
			[]experiment.UnitOutcome{{Unit: "u", Event: "e", Value: 1, Key: "1"}, {Token: "t", Event: "e", Value: 1, Key: "2"}},
		},
		"label or value": {
			CSV, "unit,label,value,key\nu,cat,,1\nu,, 2e1 ,2\n", "", "e",
			[]experiment.UnitOutcome{{Unit: "u", Event: "e", Value: 1, Label: "cat", Key: "1"}, {Unit: "u", Event: "e", Value: 20, Key: "2"}},
		},
		"the times of databases": {
			CSV, "unit,key,time\nu,1,2026-11-01 10:30:00+00\nu,2,2026-11-01 12:30:00+02:00\nu,3,2026-11-01 10:30:00\nu,4,1793529000\nu,5,2026-11-01T10:30:00.000\n", "", "e",
			[]experiment.UnitOutcome{
				{Unit: "u", Event: "e", Value: 1, Key: "1", At: at},
				{Unit: "u", Event: "e", Value: 1, Key: "2", At: at},
				{Unit: "u", Event: "e", Value: 1, Key: "3", At: at},
				{Unit: "u", Event: "e", Value: 1, Key: "4", At: at},
				{Unit: "u", Event: "e", Value: 1, Key: "5", At: at},
			},
		},
		"a row each counts 1 if that is said": {
			CSV, "unit,key,country\nu,1,DE\n", "value=", "e",
			[]experiment.UnitOutcome{{Unit: "u", Event: "e", Value: 1, Key: "1"}},
		},
		"JSON with the API's names": {
			NDJSON, `{"token":"t","event":"purchase","value":12.5,"key":"o","time":"2026-11-01T10:30:00Z"}` + "\n\n" + `{"request":"r","event":"truth","label":"c\u0061t","key":"1"}`, "", "",
			[]experiment.UnitOutcome{{Token: "t", Event: "purchase", Value: 12.5, Key: "o", At: at}, {Request: "r", Event: "truth", Value: 1, Label: "cat", Key: "1"}},
		},
		"JSON with numbers as ids, and booleans and numbers as labels": {
			NDJSON, `{"unit":12345678901234567890,"label":true,"key":1,"extra":{"a":[1]}}` + "\n" + `{"unit":"u","label":3.0,"value":null,"key":"2"}`, "", "e",
			[]experiment.UnitOutcome{{Unit: "12345678901234567890", Event: "e", Value: 1, Label: "true", Key: "1"}, {Unit: "u", Event: "e", Value: 1, Label: "3", Key: "2"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad, err := read(t, tc.format, tc.text, Columns{Event: tc.event, Renamed: renamed(t, tc.renamed)})
			if err != nil || len(bad) > 0 {
				t.Fatalf("error %v, bad rows %q", err, bad)
			}
			got := make([]experiment.UnitOutcome, len(rows))
			for i := range rows {
				got[i] = rows[i].Outcome
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateApproxTime(0)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadRowsAreNamedAndPassedOver(t *testing.T) {
	const secret = "user-4711"
	for name, tc := range map[string]struct{ format, text, want string }{
		"words for a number":    {CSV, "unit,value\nu,1\n" + secret + ",abc\nu,2\n", `line 3, column value: "abc" is not a number`},
		"not a number at all":   {CSV, "unit,value\nu,NaN\nu,1\nu,2\n", "line 2, column value: NaN is not a finite number"},
		"a number too large":    {CSV, "unit,value\nu,1e101\nu,1\nu,2\n", "line 2, column value: 1e+101 is beyond 1e+100"},
		"no label yet":          {CSV, "unit,label\nu,\nu,1\nu,2\n", "line 2, column label: is empty"},
		"no value":              {CSV, "unit,value\nu,\nu,1\nu,2\n", "line 2, column value: is empty"},
		"a request and no more": {CSV, "request,unit\nr,\n,u\n,v\n", "line 2, column label: is missing, and so is value"},
		"nobody":                {CSV, "unit,value\n,1\nu,1\nu,2\n", "line 2: has none of token, unit and request"},
		"two who":               {CSV, "unit,token,value\n" + secret + ",t,1\nu,,1\nu,,2\n", "line 2: has more than one of token, unit and request"},
		"a time of no kind":     {CSV, "unit,time\nu,yesterday\nu,2026-11-01\nu,2026-11-02\n", `line 2, column time: "yesterday" is not a time`},
		"a time in milliseconds": {
			CSV, "unit,time\nu,1793529000000\nu,2026-11-01\nu,2026-11-02\n", `line 2, column time: "1793529000000" is not a time in seconds since 1970`,
		},
		"a date without dashes": {CSV, "unit,time\nu,20261101\nu,2026-11-01\nu,2026-11-02\n", `line 2, column time: "20261101" is not a time in seconds since 1970`},
		"a year of no use":      {CSV, "unit,time\nu,0001-01-01T00:00:00Z\nu,2026-11-01\nu,2026-11-02\n", "line 2, column time: lies in the year 1"},
		"a unit that is long":   {CSV, "unit,value\n" + strings.Repeat(secret, 40) + ",1\nu,1\nu,2\n", "line 2, column unit: has 360 bytes: want at most 256"},
		"Latin-1":               {CSV, "unit,label\nu,caf\xe9\nu,1\nu,2\n", "line 2, column label: is not UTF-8"},
		"a comma too much":      {CSV, "unit,value\nu,1,5\nu,1\nu,2\n", "line 2: has 3 fields, and the header 2"},
		"rows of many lines":    {CSV, "unit,label,value\nu,\"a\nb\",\nu,,x\nu,,1\n", `line 4, column value: "x" is not a number`},
		"no JSON":               {NDJSON, "{\"unit\":\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1: is not JSON"},
		"no object":             {NDJSON, "[1]\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1: is not a JSON object"},
		"two objects":           {NDJSON, "{} {}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1: is not JSON"},
		"a field twice":         {NDJSON, "{\"unit\":\"a\",\"unit\":\"b\"}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1, column unit: stands twice"},
		"a number in quotes":    {NDJSON, "{\"unit\":\"a\",\"value\":\"1\"}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", `line 1, column value: is the string "1"`},
		"a list":                {NDJSON, "{\"unit\":[\"" + secret + "\"]}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1, column unit: is a list or an object"},
		"a name that is nearly right": {
			NDJSON, "{\"unit\":\"a\",\"valeu\":1}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1, column valeu: is no column that is known, but nearly value",
		},
		"very many fields":   {NDJSON, "{\"unit\":\"u\"" + manyFields() + "}\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1: has more than 1000 fields"},
		"a line without end": {NDJSON, strings.Repeat("x", maxRow+1) + "\n{\"unit\":\"u\"}\n{\"unit\":\"v\"}\n", "line 1: has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, bad, err := read(t, tc.format, tc.text, Columns{Event: "e"})
			if err != nil || len(rows) != 2 || !slices.Equal(bad, []string{tc.want}) {
				t.Errorf("read %d rows, bad %q, error %v; want 2 rows and\n%s", len(rows), bad, err, tc.want)
			}
			if strings.Contains(strings.Join(bad, ""), secret) {
				t.Errorf("the unit is repeated: %q", bad)
			}
		})
	}
}

func manyFields() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `,"x%d":0`, i)
	}
	return b.String()
}

// TestNamesOfAFileCannotMoveTheCursor: they are shown, so they are made plain.
func TestNamesOfAFileCannotMoveTheCursor(t *testing.T) {
	for format, text := range map[string]string{CSV: "unit,value,\x1b[2Jx\nu,1,\n", NDJSON: `{"unit":"u","value":1,"\u001b[2Jx":0}`} {
		s, err := openRows(strings.NewReader(text), format, Columns{Event: "e"}, origin{file: "rows"}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.Unused(); !slices.Equal(got, []string{"?[2Jx"}) {
			t.Errorf("%s: not used are %q", format, got)
		}
	}
}

func TestFilesThatCannotBeReadEndTheReading(t *testing.T) {
	for name, tc := range map[string]struct{ text, renamed, event, want string }{
		"no header":             {"", "", "e", "line 1: there is no header"},
		"nobody in the header":  {"id,label\n", "", "e", "line 1: no column is token, unit or request"},
		"no event":              {"unit,label\n", "", "", "line 1: no column is event"},
		"two events":            {"unit,event\n", "", "e", "line 1, column event: stands beside --event"},
		"a column twice":        {"unit,unit\n", "", "e", "line 1, column unit: stands twice"},
		"a column that is gone": {"unit,label\n", "label=truth", "e", "line 1, column truth: is not there, and --map says that it is label"},
		"a label by another name": {
			"unit,truth\n", "", "e", "line 1: no column is label or value, and not used are truth",
		},
		"nearly a name":         {"unit,value,tmie\n", "", "e", "line 1, column tmie: is no column that is known, but nearly time"},
		"very many columns":     {"unit" + strings.Repeat(",x", 1000) + "\n", "", "e", "line 1: has 1001 columns, and may have 1000"},
		"a quote without end":   {"unit,value\n\"u,1\nu,2\n", "", "e", "line 3: a quote is out of place, or not closed (the row begins at line 2)"},
		"a quote out of place":  {"unit,value\nu\"x,1\nu,2\n", "", "e", "line 2: a quote is out of place"},
		"a quote that is large": {"unit,value\nu,1\n\"u" + strings.Repeat("\nx", maxRow), "", "e", "the row after line 2 has more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, bad, err := read(t, CSV, tc.text, Columns{Event: tc.event, Renamed: renamed(t, tc.renamed)})
			if err == nil || len(bad) > 0 || !strings.HasPrefix(err.Error(), tc.want) || experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) == "" {
				t.Errorf("error %v (%s, hint %q), bad %q; want %s", err, experiment.CodeOf(err), experiment.HintOf(err), bad, tc.want)
			}
		})
	}
	for _, list := range []string{"label", "lable=x", "label=x,label=y"} {
		if _, err := ParseRenamed(list); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("--map %s: error %v, want invalid", list, err)
		}
	}
}

// TestKeys: which rows are one, and which are two.
func TestKeys(t *testing.T) {
	c := Columns{Event: "e"}
	keys := func(file, text string) (list []string) {
		t.Helper()
		s, err := openRows(strings.NewReader(text), CSV, c, origin{file: file}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		for {
			row, err := s.Next(t.Context())
			if errors.Is(err, io.EOF) {
				return list
			}
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row.Outcome.Key)
		}
	}
	timed := keys("a.csv", "unit,value,time\nu,1,2026-11-01T10:00:00Z\nu,2,2026-11-01T10:00:00Z\nu,1,2026-11-01 12:00:00+02\n")
	if timed[0] == timed[1] || timed[0] != timed[2] {
		t.Errorf("keys of rows with a time are %q: want the first and the last, which say the same, to be one", timed)
	}
	other := keys("b.csv", "time,unit,value\n2026-11-01 10:00:00,u,2.0\n")
	if other[0] != timed[1] {
		t.Error("a row with a time has another key in another file, place and spelling")
	}
	untimed, longer := keys("a.csv", "unit,value\nu,1\nu,1\n"), keys("a.csv", "unit,value\nu,1\nu,1\nu,1\n")
	if untimed[0] == untimed[1] || !slices.Equal(untimed, longer[:2]) {
		t.Errorf("keys of equal rows without a time are %q, of the longer file %q: want two, and the same", untimed, longer)
	}
	if moved := keys("b.csv", "unit,value\nu,1\n"); moved[0] == untimed[0] {
		t.Error("a row without a time has the same key in another file")
	}
	if own := keys("a.csv", "unit,key\nu,mine\nu,\n"); own[0] != "mine" || !strings.HasPrefix(own[1], "row-") || len(own[1]) != 36 {
		t.Errorf("keys %q: want the row's own, and a made one where it is empty", own)
	}
	// What each field says is in the key, and no two run into each other.
	seen := map[string]string{}
	for _, o := range []experiment.UnitOutcome{
		{Token: "a", Event: "e"},
		{Unit: "a", Event: "e"},
		{Request: "a", Event: "e"},
		{Request: "a", Event: "f"},
		{Request: "a", Event: "e", Label: "x"},
		{Request: "a", Event: "ex"},
		{Request: "a", Event: "e", Value: 2},
		{Request: "a", Event: "e", At: t0},
	} {
		k := keyOf(&o, origin{}, 1)
		if was, twice := seen[k]; twice {
			t.Errorf("%+v and %s have one key", o, was)
		}
		seen[k] = o.Request + o.Event
	}
	s, err := OpenFile("-", NDJSON, strings.NewReader(`{"unit":"u"}`+"\n"+`{"unit":"u","key":"k"}`), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "line 1: has neither key nor time") {
		t.Errorf("a row of standard input without time: %v", err)
	}
	if _, err := s.Next(t.Context()); err != nil {
		t.Errorf("a row of standard input with a key: %v", err)
	}
}
