// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Experiment is what the API shows of one experiment and asks of it.
type Experiment interface {
	Viewer
	// Do obeys a command and gives the decision that it led to.
	Do(ctx context.Context, c experiment.Command) (experiment.Decision, error)
	// Journal gives the entries from the first on.
	Journal(ctx context.Context) iter.Seq2[experiment.Entry, error]
	// Assign says which version a unit gets now, and why.
	Assign(unit string) view.Assignment
	// Forget deletes the rows that are kept of a unit and says how many there
	// were. Sealed cells, which name nobody, stay.
	Forget(ctx context.Context, unit string) (rows int64, err error)
}

// Experiments are all that a process runs. Find with an empty name gives the
// only one; its error says which there are.
type Experiments interface {
	Find(name string) (Experiment, error)
	All() []Experiment
}

// List heads the answer of GET /v1/experiments.
type List struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []view.Experiment `json:"items"`
}

// Read answers what changes nothing:
//
//	GET /v1/experiments                    all views
//	GET /v1/experiment?name=NAME           one view
//
// The name may be left out where there is one experiment.
func Read(mux *http.ServeMux, es Experiments) {
	mux.HandleFunc("GET /v1/experiments", func(w http.ResponseWriter, _ *http.Request) {
		list := List{APIVersion: view.APIVersion, Kind: "ExperimentList"}
		for _, e := range es.All() {
			list.Items = append(list.Items, e.View())
		}
		WriteJSON(w, http.StatusOK, list)
	})
	mux.HandleFunc("GET /v1/experiment", ofOne(es, func(w http.ResponseWriter, _ *http.Request, e Experiment) {
		WriteJSON(w, http.StatusOK, e.View())
	}))
}

// Control answers what only those may ask who may open the control socket:
//
//	POST /v1/experiment/commands?name=NAME    a command; answered when obeyed
//	GET  /v1/experiment/journal?name=NAME     the journal, one entry a line
//	GET  /v1/experiment/assignment?name=NAME&unit=UNIT
//	POST /v1/experiment/forget?name=NAME      {"unit": UNIT}
func Control(mux *http.ServeMux, es Experiments) {
	mux.HandleFunc("POST /v1/experiment/commands", ofOne(es, command))
	mux.HandleFunc("GET /v1/experiment/journal", ofOne(es, journal))
	mux.HandleFunc("POST /v1/experiment/forget", ofOne(es, forget))
	mux.HandleFunc("GET /v1/experiment/assignment", ofOne(es, func(w http.ResponseWriter, r *http.Request, e Experiment) {
		unit := r.URL.Query().Get("unit")
		if unit == "" {
			WriteError(w, experiment.Errorf(experiment.CodeInvalid, "unit is missing"))
			return
		}
		WriteJSON(w, http.StatusOK, e.Assign(unit))
	}))
}

// Forgotten says how many rows were deleted.
type Forgotten struct {
	Rows int64 `json:"rows"`
}

// forget takes the unit from the body: addresses are logged by all sorts of
// things, bodies are not.
func forget(w http.ResponseWriter, r *http.Request, e Experiment) {
	var asked struct {
		Unit string `json:"unit"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&asked); err != nil || asked.Unit == "" {
		WriteError(w, experiment.InvalidAt("unit", "is missing").WithHint(`send {"unit": "…"}`))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), recordTimeout)
	defer cancel()
	rows, err := e.Forget(ctx, asked.Unit)
	if err != nil {
		WriteError(w, err)
		return
	}
	WriteJSON(w, http.StatusOK, Forgotten{rows})
}

// ofOne finds the experiment that a request names.
func ofOne(es Experiments, next func(http.ResponseWriter, *http.Request, Experiment)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e, err := es.Find(r.URL.Query().Get("name"))
		if err != nil {
			WriteError(w, err)
			return
		}
		next(w, r, e)
	}
}

// commandTimeout bounds how long a command waits for the engine; it steps
// several times in it.
const commandTimeout = 5 * time.Second

// verbs are the commands that people may give.
var verbs = []experiment.Verb{
	experiment.VerbKill, experiment.VerbLift, experiment.VerbPause, experiment.VerbResume,
	experiment.VerbPromote, experiment.VerbAbort, experiment.VerbRetry,
	experiment.VerbApprove, experiment.VerbFreeze, experiment.VerbLearn,
}

func command(w http.ResponseWriter, r *http.Request, e Experiment) {
	var c experiment.Command
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		WriteError(w, experiment.Errorf(experiment.CodeInvalid, "not a command: %w", err))
		return
	}
	if !slices.Contains(verbs, c.Verb) {
		WriteError(w, experiment.Errorf(experiment.CodeInvalid, "verb: unknown verb %s", quote(string(c.Verb))))
		return
	}
	if len(c.Reason) > 1000 || len(c.Author) > 200 || len(c.ID) > 100 {
		WriteError(w, experiment.Errorf(experiment.CodeInvalid, "reason, author or id is too long: at most 1000, 200 and 100 bytes"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	d, err := e.Do(ctx, c)
	if err != nil {
		WriteError(w, err)
		return
	}
	WriteJSON(w, http.StatusOK, d)
}

// journal writes entries as they are read; an error in the middle ends the
// stream without its last line feed, which a reader can tell.
func journal(w http.ResponseWriter, r *http.Request, e Experiment) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for entry, err := range e.Journal(r.Context()) {
		if err != nil {
			panic(http.ErrAbortHandler) // The answer has begun: break it visibly.
		}
		if enc.Encode(&entry) != nil {
			return
		}
	}
}
