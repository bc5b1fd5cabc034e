// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// Recorder stores outcomes. It returns once they are safe, or with an
// experiment.Error. It may be called concurrently.
type Recorder interface {
	Record(ctx context.Context, experiment string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error)
}

const (
	// MaxBody bounds the body of a request, in bytes.
	MaxBody = 1 << 20
	// MaxIdempotencyKey bounds the Idempotency-Key header, in bytes.
	MaxIdempotencyKey = 128
	// recordTimeout bounds how long a client waits for the commit.
	recordTimeout = 10 * time.Second
)

// Outcomes answers POST /v1/outcomes. The body is one outcome, or
//
//	{"experiment": "search/ranker", "outcomes": [
//	  {"token": "…", "event": "purchase", "value": 12.5, "key": "order-1", "time": "2026-11-21T11:26:00Z"},
//	  {"unit": "u-17", "event": "refund"},
//	  {"request": "6f1c", "event": "truth", "label": "cat"}]}
//
// with value 1 and the time of arrival as defaults; experiment may be left out
// where experiments names only one. The answer is 202 with the receipt, and
// comes after the outcomes are stored. An Idempotency-Key header makes the
// whole request safe to repeat: it becomes part of each outcome's key.
func Outcomes(recorder Recorder, experiments func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, "POST", r.Method == http.MethodPost) || !acceptable(w, r) {
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			writeReadError(w, err)
			return
		}
		receipt, err := record(r, body, recorder, experiments())
		if err != nil {
			WriteError(w, err)
			return
		}
		WriteJSON(w, http.StatusAccepted, receipt)
	})
}

func writeReadError(w http.ResponseWriter, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		writeFailure(w, http.StatusRequestEntityTooLarge, Failure{
			Code: experiment.CodeInvalid, Message: "the body has more than " + strconv.Itoa(MaxBody) + " bytes",
			Hint: "send the outcomes in several requests",
		})
		return
	}
	WriteError(w, experiment.Errorf(experiment.CodeInvalid, "the body could not be read to its end").WithHint("send it again"))
}

// acceptable answers 415 unless the body is plain JSON in UTF-8.
func acceptable(w http.ResponseWriter, r *http.Request) bool {
	got := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(got)
	charset := strings.ToLower(params["charset"])
	encoding := r.Header.Get("Content-Encoding")
	f := Failure{Code: experiment.CodeInvalid}
	switch {
	case got == "":
		f.Path, f.Message, f.Hint = "Content-Type", "Content-Type is missing", "send Content-Type: application/json"
	case err != nil || media != "application/json" || (charset != "" && charset != "utf-8"):
		f.Path, f.Message, f.Hint = "Content-Type", "Content-Type "+quote(got)+" is not JSON in UTF-8", "send Content-Type: application/json"
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		f.Path, f.Message, f.Hint = "Content-Encoding", "Content-Encoding "+quote(encoding)+" is not understood", "send the body as it is"
	default:
		return true
	}
	writeFailure(w, http.StatusUnsupportedMediaType, f)
	return false
}

func record(r *http.Request, body []byte, recorder Recorder, experiments []string) (experiment.Receipt, error) {
	b, err := decode(body)
	if err != nil {
		return experiment.Receipt{}, err
	}
	id, err := choose(b.experiment, experiments, "outcomes")
	if err != nil {
		return experiment.Receipt{}, err
	}
	if err := prefixKeys(b.outcomes, r.Header.Values("Idempotency-Key")); err != nil {
		return experiment.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), recordTimeout)
	defer cancel()
	receipt, err := recorder.Record(ctx, id, b.outcomes)
	switch {
	case err == nil:
		return receipt, nil
	case ctx.Err() != nil && experiment.CodeOf(err) != experiment.CodeInvalid:
		return receipt, experiment.Errorf(experiment.CodeUnavailable, "the outcomes could not be stored in time").
			WithHint("send them again with the same keys; what was stored counts once")
	case b.bare:
		return receipt, atTop(err)
	}
	return receipt, err
}

// atTop moves an error about the only outcome of a batch to where the client
// wrote it.
func atTop(err error) error {
	f, ok := errors.AsType[*experiment.FieldError](err)
	if !ok {
		return err
	}
	path := strings.TrimPrefix(f.Path, experiment.OutcomePath(0, ""))
	return experiment.InvalidAt(path, "%s", f.Problem).WithHint("%s", experiment.HintOf(err))
}

// choose is the experiment that a request means; what is what it takes.
func choose(asked *string, experiments []string, what string) (string, error) {
	switch {
	case asked == nil && len(experiments) == 1:
		return experiments[0], nil
	case asked == nil && len(experiments) == 0:
		return "", experiment.Errorf(experiment.CodeNotFound, "no experiment takes %s now", what).
			WithHint("start one first")
	case asked == nil:
		return "", experiment.InvalidAt("experiment", "is missing, and %d experiments take %s", len(experiments), what).
			WithHint("say which: %s", list(experiments))
	}
	for _, id := range experiments {
		if id == *asked {
			return id, nil
		}
	}
	err := experiment.Errorf(experiment.CodeNotFound, "%w", &experiment.FieldError{
		Path: "experiment", Problem: quote(*asked) + " takes no " + what + " here",
	})
	switch near := suggest.Closest(*asked, experiments); {
	case near != "":
		return "", err.WithHint("did you mean %q?", near)
	case len(experiments) > 0:
		return "", err.WithHint("it may be one of %s", list(experiments))
	default:
		return "", err.WithHint("no experiment takes %s now; start one first", what)
	}
}

// list names a few of many.
func list(names []string) string {
	const few = 8
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// prefixKeys makes every outcome's key out of the request's and its own, or
// its place.
func prefixKeys(outcomes []experiment.UnitOutcome, header []string) error {
	if len(header) == 0 {
		return nil
	}
	prefix := header[0]
	if len(header) > 1 || prefix == "" || len(prefix) > MaxIdempotencyKey {
		return experiment.InvalidAt("Idempotency-Key", "%d headers, the first of %d bytes: want one of 1 to %d bytes", len(header), len(prefix), MaxIdempotencyKey).
			WithHint("send a random value of your own, such as a UUID")
	}
	for i := range outcomes {
		own := outcomes[i].Key
		if len(own) > experiment.MaxOutcomeText {
			continue // The recorder says so, with the path.
		}
		// The separators keep an own key from meaning a place.
		if own == "" {
			own = "#" + strconv.Itoa(i)
		} else {
			own = "=" + own
		}
		key := prefix + own
		if len(key) > experiment.MaxOutcomeText {
			return experiment.InvalidAt(experiment.OutcomePath(i, "key"), "has, with Idempotency-Key, %d bytes: want at most %d", len(key), experiment.MaxOutcomeText).
				WithHint("send a shorter key")
		}
		outcomes[i].Key = key
	}
	return nil
}
