// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// HTTPProvider is a server that answers with JSON.
type HTTPProvider struct {
	// URL may hold ${NAME} of Secrets, as may the values of Headers.
	URL     string        `json:"url"`
	Headers []NameValue   `json:"headers,omitempty"`
	Secrets []NamedSecret `json:"secrets,omitempty"`
	// Username and Password are for basic authentication, Token is a bearer's.
	Username string  `json:"username,omitempty"`
	Password *Secret `json:"password,omitempty"`
	Token    *Secret `json:"token,omitempty"`
	// CA verifies the server, beside the system's roots; Certificate and Key
	// are the client's own. All are PEM.
	CA          *Secret `json:"ca,omitempty"`
	Certificate *Secret `json:"certificate,omitempty"`
	Key         *Secret `json:"key,omitempty"`
	// Timeout bounds one question.
	Timeout time.Duration `json:"timeout"`
	// Delay is how long after the end of a window it is asked.
	Delay time.Duration `json:"delay"`
}

// The words for time in the texts of HTTPQuery, which whoever asks fills in: the
// window's length in whole seconds, its ends in Unix seconds, and in strict plans
// the whole seconds since the first iteration, at least 1. There From is the time
// of the first iteration, To is now and Window the same as Elapsed.
const (
	WordWindow  = "{{.Window}}"
	WordFrom    = "{{.From}}"
	WordTo      = "{{.To}}"
	WordElapsed = "{{.Elapsed}}"
)

// HTTPQuery says what is asked and how the answer becomes evidence. Texts are
// one for each of the plan's versions in every list. Exactly one form is filled;
// each names jq expressions that give one number:
//
//   - Value: one number, and windows become the sample
//   - Events and Total: counts, whose ratio is a share
//   - Sum and Count: their ratio; with Squares, the sum of the squares of what
//     Sum adds, Count is a number of independent units, else windows become the
//     sample
type HTTPQuery struct {
	Method string `json:"method"` // GET or POST
	// Path is added to the provider's URL, Params to its query. Either may be
	// empty.
	Path   []string      `json:"path,omitempty"`
	Params [][]NameValue `json:"params,omitempty"`
	Body   []string      `json:"body,omitempty"`

	Value   string `json:"value,omitempty"`
	Events  string `json:"events,omitempty"`
	Total   string `json:"total,omitempty"`
	Sum     string `json:"sum,omitempty"`
	Count   string `json:"count,omitempty"`
	Squares string `json:"squares,omitempty"`
}

// SQLProvider is a database. Exactly one of Postgres, the secret that is its URL,
// and SQLite, the path of its file on the machine that asks, is set.
type SQLProvider struct {
	Postgres *Secret `json:"postgres,omitempty"`
	SQLite   string  `json:"sqlite,omitempty"`
	// Timeout bounds one query, Delay is how long after the end of a window it
	// is asked.
	Timeout time.Duration `json:"timeout"`
	Delay   time.Duration `json:"delay"`
}

// SQLQuery is one query for all versions of a window: :from and :to in it are
// the window's ends. Its columns say what it gives; Form is which they are.
type SQLQuery struct {
	Query string  `json:"query"`
	Form  SQLForm `json:"form"`
}

// SQLForm is what the rows of a query are. Every form has a column version, by
// the version's name.
type SQLForm string

// The forms, by the other columns: unit, value and perhaps weight (the
// denominator, 1 by default), one row for each unit; n, sum, squares, one row
// for each version; events, total, likewise; value, likewise, and windows become
// the sample.
const (
	SQLUnits   SQLForm = "units"
	SQLMoments SQLForm = "moments"
	SQLCounts  SQLForm = "counts"
	SQLValue   SQLForm = "value"
)

// LoadQuery is a figure of the load that a strict plan's own actions made.
type LoadQuery struct {
	Of LoadFigure `json:"of"`
	// Quantile goes with LoadLatency.
	Quantile float64 `json:"quantile,omitempty"`
}

// LoadFigure names a figure; latencies are in milliseconds.
type LoadFigure string

// The figures.
const (
	LoadRequests  LoadFigure = "requests"
	LoadErrors    LoadFigure = "errors"
	LoadErrorRate LoadFigure = "error-rate"
	LoadMean      LoadFigure = "mean-latency"
	LoadLatency   LoadFigure = "latency"
)

// MockQuery makes a number up, for trying a strict plan without a provider: a
// counter is the elapsed seconds times the level, anything else varies about the
// level, less and less as time goes by. Levels are by version; nil gives none.
type MockQuery struct {
	Counter bool       `json:"counter,omitempty"`
	Levels  []*float64 `json:"levels"`
}
