// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"context"
	"errors"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// Reader reads predictions. It is safe for concurrent use.
type Reader struct {
	protocol     experiment.Protocol
	class, score *jq.Code // nil reads as the protocol has it.
	features     []string
}

// New makes a reader of what a plan declares; nil declares nothing. The error
// is an *experiment.Error, names the field and carries a hint.
func New(p *experiment.Predictions) (*Reader, error) {
	r := &Reader{}
	if p == nil {
		return r, nil
	}
	known := []experiment.Protocol{"", experiment.ProtocolOIP, experiment.ProtocolKServe, experiment.ProtocolSeldon, experiment.ProtocolOpenAI, experiment.ProtocolJSON}
	if !slices.Contains(known, p.Protocol) {
		return nil, experiment.Errorf(experiment.CodeInvalid, "protocol %q is not known", p.Protocol).
			WithHint("take oip, kserve, seldon, openai or json, or leave it out")
	}
	r.protocol, r.features = p.Protocol, slices.Clone(p.Features)
	for _, e := range []struct {
		name, expression string
		into             **jq.Code
	}{{"class", p.Class, &r.class}, {"score", p.Score, &r.score}} {
		if e.expression == "" {
			continue
		}
		code, err := jq.Compile(e.expression)
		if err != nil {
			return nil, refused(e.name, err)
		}
		*e.into = code
	}
	return r, nil
}

// refused names where an expression stands that jq refuses.
func refused(where string, err error) error {
	out := experiment.Errorf(experiment.CodeInvalid, "%s: %w", where, err)
	if why, ok := errors.AsType[*jq.Error](err); ok {
		return out.WithHint("%s", why.Hint)
	}
	return out
}

// Read reads the predictions of an answer: its body as Decode decodes it, and
// the path of the request, which tells the protocol where the plan does not. The
// body is not changed. When ctx ends before the plan's expressions are evaluated
// the answer is Unread, and so is an explanation.
func (r *Reader) Read(ctx context.Context, body any, path string) Reading {
	if IsExplanation(path) {
		return Reading{}
	}
	out := r.own(body, path)
	if r.class == nil && r.score == nil {
		return out
	}
	return r.override(ctx, body, out)
}

// own is the reading as the protocol has it.
func (r *Reader) own(body any, path string) Reading {
	switch r.protocolOf(body, path) {
	case experiment.ProtocolOIP:
		return readOIP(body)
	case experiment.ProtocolKServe:
		return readKServe(body)
	case experiment.ProtocolSeldon:
		return readSeldon(body)
	case experiment.ProtocolOpenAI:
		return readOpenAI(body)
	default:
		return readJSON(body)
	}
}

// readJSON reads what follows no protocol: that there is something.
func readJSON(body any) Reading {
	switch v := body.(type) {
	case nil:
		return Reading{Found: Null}
	case string:
		if v == "" {
			return Reading{Found: Empty}
		}
	case []any:
		if len(v) == 0 {
			return Reading{Found: Empty}
		}
	case map[string]any:
		if len(v) == 0 {
			return Reading{Found: Empty}
		}
	}
	return Reading{All: make([]Row, 1), Rows: 1, Found: Read}
}
