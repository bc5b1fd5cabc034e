// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/ledger"
)

// applications answers what applications ask and tell beside their traffic.
type applications struct{ *Host }

// Evaluate says which version a unit of an experiment gets.
func (h applications) Evaluate(id string, asked *experiment.Asked) (experiment.Evaluation, error) {
	r, err := h.find(id)
	if err != nil {
		return experiment.Evaluation{}, err
	}
	return r.gateway.Evaluate(asked)
}

// ExposeTold stores the exposures that make sense in the phase served, and says
// of the others why they do not.
func (h applications) ExposeTold(ctx context.Context, id string, told []experiment.ClientExposure) (experiment.ExposureReceipt, error) {
	var receipt experiment.ExposureReceipt
	r, err := h.find(id)
	if err != nil {
		return receipt, err
	}
	var refused []experiment.RefusedExposure
	batch := make([]ledger.Told, 0, len(told))
	for i := range told {
		e, groups, err := r.gateway.Told(&told[i])
		wrong, one := errors.AsType[*experiment.FieldError](err)
		switch {
		case err == nil:
			batch = append(batch, ledger.Told{Exposure: e, Groups: groups})
		case one:
			refused = append(refused, experiment.RefusedExposure{
				Path: experiment.ExposurePath(i, wrong.Path), Message: wrong.Problem, Hint: experiment.HintOf(err),
			})
		default:
			return receipt, err
		}
	}
	if len(batch) > 0 {
		if receipt, err = r.ledger.ExposeAll(ctx, r.ID(), batch); err != nil {
			return receipt, err
		}
	}
	receipt.Refused = refused
	return receipt, nil
}

// Bounds of a token, in bytes.
const (
	leastToken = 16
	mostToken  = 512
)

// ReadToken reads the token of Options from a file. The error never repeats it.
func ReadToken(path string) (string, error) {
	f, err := os.ReadFile(path)
	if err != nil {
		return "", experiment.Errorf(experiment.CodeInvalid, "read the token: %w", err)
	}
	token := strings.TrimSpace(string(f))
	if len(token) < leastToken || len(token) > mostToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", experiment.Errorf(experiment.CodeInvalid, "the token in %s is no %d to %d printable bytes without blanks", path, leastToken, mostToken).
			WithHint("make one: openssl rand -hex 32")
	}
	return token, nil
}
