// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Evaluator says which version a unit gets, and counts the exposure. Errors
// are CodeNotFound for an experiment that is not there, CodeInvalid for a unit
// that cannot be one, CodeUnavailable before anything is served. It may be
// called concurrently.
type Evaluator interface {
	Evaluate(experiment string, asked *experiment.Asked) (experiment.Evaluation, error)
}

// maxContext bounds the body of an evaluation, in bytes.
const maxContext = 64 << 10

// The error codes of the protocol that are used here.
const (
	flagNotFound        = "FLAG_NOT_FOUND"
	parseError          = "PARSE_ERROR"
	targetingKeyMissing = "TARGETING_KEY_MISSING"
	invalidContext      = "INVALID_CONTEXT"
	generalError        = "GENERAL"
)

// flagEvaluation is the answer for one flag: a version, or an error.
type flagEvaluation struct {
	Key      string        `json:"key"`
	Value    string        `json:"value,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Variant  string        `json:"variant,omitempty"`
	Metadata *flagMetadata `json:"metadata,omitempty"`
	flagError
}

type flagMetadata struct {
	Epoch int `json:"epoch"`
	Phase int `json:"phase"`
	// Slot is left out where slots had no say.
	Slot *int `json:"slot,omitempty"`
	// Exposure is the token to send outcomes with; left out where the unit is
	// not counted.
	Exposure string `json:"exposure,omitempty"`
}

type flagError struct {
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorDetails string `json:"errorDetails,omitempty"`
}

// OpenFeature answers OpenFeature's remote evaluation protocol (OFREP 0.3):
//
//	POST /ofrep/v1/evaluate/flags/{key}    one experiment, by its name
//	POST /ofrep/v1/evaluate/flags          all that experiments names
//
// A flag is an experiment, its value and variant the name of the version that
// the unit in context.targetingKey gets. Other fields of the context are values
// of segments, by their names, and of headers, in lower case. Each evaluation
// is an exposure. The second path answers 304 where nothing has changed.
func OpenFeature(e Evaluator, experiments func() []string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ofrep/v1/evaluate/flags/{key...}", func(w http.ResponseWriter, r *http.Request) {
		key := r.PathValue("key")
		asked, ok := readContext(w, r, key)
		if !ok {
			return
		}
		flag, err := evaluate(e, key, asked)
		switch status := StatusOf(experiment.CodeOf(err)); {
		case status >= http.StatusInternalServerError:
			writeUnready(w, status, flag.ErrorDetails)
		default:
			WriteJSON(w, status, flag)
		}
	})
	mux.HandleFunc("/ofrep/v1/evaluate/flags", func(w http.ResponseWriter, r *http.Request) {
		asked, ok := readContext(w, r, "")
		if !ok {
			return
		}
		flags := []flagEvaluation{}
		for _, id := range experiments() {
			flag, err := evaluate(e, id, asked)
			if experiment.CodeOf(err) == experiment.CodeInvalid { // No experiment has such a unit.
				WriteJSON(w, http.StatusBadRequest, flag.flagError)
				return
			}
			flags = append(flags, flag)
		}
		writeFlags(w, r, asked.Unit, flags)
	})
	return mux
}

// evaluate asks for one flag. The error is what the flag's own says.
func evaluate(e Evaluator, key string, asked *experiment.Asked) (flagEvaluation, error) {
	flag := flagEvaluation{Key: key}
	var got experiment.Evaluation
	err := error(experiment.Errorf(experiment.CodeNotFound, "a flag has a name"))
	if key != "" {
		got, err = e.Evaluate(key, asked)
	}
	if err != nil {
		flag.ErrorDetails = err.Error()
		switch experiment.CodeOf(err) {
		case experiment.CodeNotFound:
			flag.ErrorCode, flag.ErrorDetails = flagNotFound, "no experiment is called "+quote(key)
		case experiment.CodeInvalid:
			flag.ErrorCode, flag.ErrorDetails = invalidContext, "targetingKey: "+experiment.HintOf(err)
		case experiment.CodeUnavailable:
			flag.ErrorCode = generalError
		default:
			flag.ErrorCode, flag.ErrorDetails = generalError, "something is wrong inside Headgate"
		}
		return flag, err
	}
	flag.Value, flag.Variant = got.Version, got.Version
	flag.Reason = map[experiment.Why]string{
		experiment.WhySplit: "SPLIT", experiment.WhyOnly: "STATIC", experiment.WhyTargeted: "TARGETING_MATCH",
	}[got.Why]
	flag.Metadata = &flagMetadata{Epoch: got.Epoch, Phase: got.Phase, Exposure: got.Token}
	if got.Slot >= 0 {
		flag.Metadata.Slot = &got.Slot
	}
	return flag, nil
}

// readContext reads who is asked about, or answers why it cannot.
func readContext(w http.ResponseWriter, r *http.Request, key string) (*experiment.Asked, bool) {
	if !allow(w, r, "POST", r.Method == http.MethodPost) || !acceptable(w, r) {
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxContext))
	if err != nil {
		status := http.StatusBadRequest
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status = http.StatusRequestEntityTooLarge
		}
		writeContextError(w, status, key, flagError{parseError, fmt.Sprintf("the body could not be read, or has more than %d bytes", maxContext)})
		return nil, false
	}
	asked, wrong := decodeContext(body)
	if wrong != nil {
		writeContextError(w, http.StatusBadRequest, key, *wrong)
		return nil, false
	}
	return asked, true
}

// decodeContext reads the context of an evaluation. Fields beside it are those
// of later versions of the protocol.
func decodeContext(body []byte) (*experiment.Asked, *flagError) {
	var request struct {
		Context json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, &flagError{parseError, `the body is not JSON such as {"context": {"targetingKey": "…"}}`}
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(request.Context))
	d.UseNumber()
	if d.Decode(&fields) != nil || fields == nil {
		return nil, &flagError{invalidContext, "context is missing, or not an object"}
	}
	key, given := fields["targetingKey"]
	unit, isText := key.(string)
	switch {
	case !given || isText && unit == "":
		return nil, &flagError{targetingKeyMissing, "context has no targetingKey: it is the unit"}
	case !isText:
		return nil, &flagError{invalidContext, "targetingKey is not a string"}
	}
	asked := &experiment.Asked{Unit: unit, Values: map[string]string{}}
	for name, value := range fields {
		if text, ok := textOf(value); ok && name != "targetingKey" {
			asked.Values[name] = text
		}
	}
	return asked, nil
}

// textOf is a string, number or boolean as it would stand in a header.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// writeContextError answers with an error about the request as a whole.
func writeContextError(w http.ResponseWriter, status int, key string, e flagError) {
	if key == "" {
		WriteJSON(w, status, e)
		return
	}
	WriteJSON(w, status, flagEvaluation{Key: key, flagError: e})
}

// writeUnready answers what is no fault of the request.
func writeUnready(w http.ResponseWriter, status int, details string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	WriteJSON(w, status, flagError{ErrorDetails: details})
}

// writeFlags answers with all flags, or 304 where the client has them.
func writeFlags(w http.ResponseWriter, r *http.Request, unit string, flags []flagEvaluation) {
	tag := flagsTag(unit, time.Now().UTC().Format(time.DateOnly), flags)
	w.Header().Set("ETag", tag)
	if tagListed(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	WriteJSON(w, http.StatusOK, map[string]any{"flags": flags})
}

// flagsTag is the entity tag of a unit's flags. Tokens tell their time, so they
// are left out and the tag is a weak one; but it changes with the day, or a
// client would go on with a token until it is too old for outcomes.
func flagsTag(unit, day string, flags []flagEvaluation) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %s\n", unit, day)
	for _, f := range flags {
		fmt.Fprintf(h, "%q %q %s %s", f.Key, f.Value, f.Reason, f.ErrorCode)
		if f.Metadata != nil {
			fmt.Fprintf(h, " %d %d %t", f.Metadata.Epoch, f.Metadata.Phase, f.Metadata.Exposure != "")
		}
		fmt.Fprintln(h)
	}
	return `W/"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// tagListed says whether a tag is among those of If-None-Match, which compares
// weakly (RFC 9110, section 13.1.2).
func tagListed(header []string, tag string) bool {
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}
