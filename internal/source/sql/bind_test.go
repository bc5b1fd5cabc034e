// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestParametersAreFoundOutsideOfTexts(t *testing.T) {
	for text, want := range map[string]string{
		`SELECT 1 WHERE at >= :from AND at < :to`:        `SELECT 1 WHERE at >= ($1::timestamptz) AND at < ($2::timestamptz)`,
		`SELECT :to, :from, :to`:                         `SELECT ($1::timestamptz), ($2::timestamptz), ($1::timestamptz)`,
		`SELECT x::from, :from::date, :to::text`:         `SELECT x::from, ($1::timestamptz)::date, ($2::timestamptz)::text`,
		`SELECT ':no' || 'it''s :no', ":no", :from, :to`: `SELECT ':no' || 'it''s :no', ":no", ($1::timestamptz), ($2::timestamptz)`,
		`SELECT E'\':no', e'\\', :from, :to`:             `SELECT E'\':no', e'\\', ($1::timestamptz), ($2::timestamptz)`,
		`SELECT type'\', :from, :to --'`:                 `SELECT type'\', ($1::timestamptz), ($2::timestamptz) --'`,
		"SELECT :from -- :no\n, :to /* :no */":           "SELECT ($1::timestamptz) -- :no\n, ($2::timestamptz) /* :no */",
		`SELECT $$:no$$, $tag$ $$ :no $tag$, :from, :to`: `SELECT $$:no$$, $tag$ $$ :no $tag$, ($1::timestamptz), ($2::timestamptz)`,
		`SELECT a$b, :from+interval'1h', :to`:            `SELECT a$b, ($1::timestamptz)+interval'1h', ($2::timestamptz)`,
		`SELECT a [1:2], :from, :to`:                     `SELECT a [1:2], ($1::timestamptz), ($2::timestamptz)`,
		`SELECT :from, :to, 'this one does not end :no`:  `SELECT ($1::timestamptz), ($2::timestamptz), 'this one does not end :no`,
		`SELECT :from, :to /* nor this :no`:              `SELECT ($1::timestamptz), ($2::timestamptz) /* nor this :no`,
	} {
		q, err := prepare(text, true)
		if err != nil || q.numbered != want || q.text != text {
			t.Errorf("%s: %+v, %v\nwant %s", text, q, err, want)
		}
	}
	for text, says := range map[string]string{
		`SELECT :from`:              "does not use :to",
		`SELECT ':from', :to`:       "does not use :from",
		`SELECT :from, :to, :until`: "a parameter :until",
		`SELECT :from, :to_`:        "a parameter :to_",
	} {
		if _, err := prepare(text, true); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if q, err := prepare(`SELECT 1 WHERE at < :to`, false); err != nil || len(q.arguments(began, began)) != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

func FuzzPrepare(f *testing.F) {
	f.Add(`SELECT ':a' || E'\'' || $x$ :b $x$ /* -- */ , :from, :to::date`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := prepare(text, false)
		if err != nil {
			return
		}
		back := strings.NewReplacer("($1::timestamptz)", "", "($2::timestamptz)", "").Replace(q.numbered)
		if len(back) > len(text) || q.text != text {
			t.Errorf("%q became %q", text, q.numbered)
		}
	})
}
