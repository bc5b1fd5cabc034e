// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Exposer stores the exposures that an application tells of. It returns once
// they are safe, or with an experiment.Error; what makes no sense it refuses
// one by one, in the receipt. Telling again changes nothing. It may be called
// concurrently.
type Exposer interface {
	ExposeTold(ctx context.Context, experiment string, told []experiment.ClientExposure) (experiment.ExposureReceipt, error)
}

// Exposures answers POST /v1/exposures, by which an application that assigns
// units itself says which version they met. The body is one exposure, or
//
//	{"experiment": "search/ranker", "exposures": [
//	  {"unit": "u-17", "version": "v2", "at": "2026-11-21T11:26:00Z", "segments": {"tier": "premium"}},
//	  {"unit": "u-18", "version": "v1"}]}
//
// with the time of arrival as default; experiment may be left out where
// experiments names only one. The answer is 202 with the receipt, and comes
// after the exposures are stored. It is 400 for what cannot be read, and where
// none of the exposures makes sense.
func Exposures(exposer Exposer, experiments func() []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, "POST", r.Method == http.MethodPost) || !acceptable(w, r) {
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			writeReadError(w, err)
			return
		}
		receipt, none, err := expose(r.Context(), body, exposer, experiments())
		switch {
		case err != nil:
			WriteError(w, err)
		case none:
			first := receipt.Refused[0]
			writeFailure(w, http.StatusBadRequest, Failure{Code: experiment.CodeInvalid, Message: first.Message, Path: first.Path, Hint: first.Hint})
		default:
			WriteJSON(w, http.StatusAccepted, receipt)
		}
	})
}

// expose stores a body of exposures; none says that all are refused.
func expose(ctx context.Context, body []byte, exposer Exposer, experiments []string) (receipt experiment.ExposureReceipt, none bool, err error) {
	b, err := decodeExposures(body)
	if err != nil {
		return receipt, false, err
	}
	id, err := choose(b.experiment, experiments, "exposures")
	if err != nil {
		return receipt, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	receipt, err = exposer.ExposeTold(ctx, id, b.told)
	if err != nil && ctx.Err() != nil && experiment.CodeOf(err) != experiment.CodeInvalid {
		err = experiment.Errorf(experiment.CodeUnavailable, "the exposures could not be stored in time").
			WithHint("send them again; what was stored counts once")
	}
	if b.bare && len(receipt.Refused) == 1 { // It stands at the top of the body.
		receipt.Refused[0].Path = strings.TrimPrefix(receipt.Refused[0].Path, experiment.ExposurePath(0, ""))
	}
	return receipt, len(receipt.Refused) == len(b.told), err
}

// exposureBatch is a decoded body.
type exposureBatch struct {
	// experiment is nil when the body does not name one.
	experiment *string
	told       []experiment.ClientExposure
	// bare bodies are one exposure, without a list around it.
	bare bool
}

const exposuresExample = `{"exposures": [{"unit": "…", "version": "…"}]}`

var (
	exposureFields      = []string{"unit", "version", "at", "segments"}
	exposureBatchFields = append([]string{"experiment", "exposures"}, exposureFields...)
)

// decodeExposures reads a body strictly, as decode does. What exposures must be
// beyond their types, the exposer checks one by one.
func decodeExposures(body []byte) (exposureBatch, error) {
	d, err := newDecoder(body, exposuresExample)
	if err != nil {
		return exposureBatch{}, err
	}
	var b exposureBatch
	var bare experiment.ClientExposure
	listed, first := false, ""
	err = d.object("", "the body", exposureBatchFields, func(name string) (err error) {
		switch name {
		case "experiment":
			var id string
			id, err = d.text(name)
			b.experiment = &id
		case "exposures":
			listed = true
			b.told, err = d.exposures()
		default:
			first = name
			err = d.exposureField(name, name, &bare)
		}
		return err
	})
	switch {
	case err != nil:
		return exposureBatch{}, err
	case listed && first != "":
		return exposureBatch{}, experiment.InvalidAt(first, "stands beside exposures").WithHint("put it into each of the exposures")
	case listed && len(b.told) == 0:
		return exposureBatch{}, experiment.InvalidAt("exposures", "is empty").WithHint("send at least one exposure")
	case !listed && first == "":
		return exposureBatch{}, experiment.InvalidAt("exposures", "is missing").WithHint("send %s", exposuresExample)
	case !listed:
		b.told, b.bare = []experiment.ClientExposure{bare}, true
	}
	return b, nil
}

func (d decoder) exposures() ([]experiment.ClientExposure, error) {
	if err := d.open('[', "exposures", "exposures", "a list"); err != nil {
		return nil, err
	}
	var list []experiment.ClientExposure
	for d.More() {
		if len(list) == experiment.MaxExposures {
			return nil, experiment.InvalidAt("exposures", "has more than %d entries", experiment.MaxExposures).
				WithHint("send them in several requests")
		}
		path := "exposures[" + strconv.Itoa(len(list)) + "]"
		var e experiment.ClientExposure
		err := d.object(path, path, exposureFields, func(name string) error {
			return d.exposureField(join(path, name), name, &e)
		})
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	_, err := d.Token()
	return list, broken(err)
}

func (d decoder) exposureField(path, name string, e *experiment.ClientExposure) (err error) {
	switch name {
	case "unit":
		e.Unit, err = d.anyText(path)
	case "version":
		e.Version, err = d.anyText(path)
	case "at":
		e.At, err = d.time(path)
	case "segments":
		e.Segments, err = d.texts(path)
	}
	return err
}

// anyText reads a string that may be empty, where whoever knows more says so
// of this one alone.
func (d decoder) anyText(path string) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", broken(err)
	}
	s, ok := t.(string)
	if !ok {
		return "", wrongType(path, t, "a string")
	}
	return s, nil
}

// texts reads an object of strings, numbers and booleans by name, as text.
func (d decoder) texts(path string) (map[string]string, error) {
	if err := d.open('{', path, path, "an object"); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, broken(err)
		}
		name, _ := t.(string)
		if t, err = d.Token(); err != nil {
			return nil, broken(err)
		}
		value, ok := textOf(t)
		if !ok {
			return nil, wrongType(join(path, name), t, "a string, number or boolean")
		}
		out[name] = value
	}
	_, err := d.Token()
	return out, broken(err)
}
