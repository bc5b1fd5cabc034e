// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"os"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/sources"
)

// openProviders connects to the providers that a plan's metrics are read from.
func openProviders(ctx context.Context, p *experiment.Plan) (*sources.Set, error) {
	return sources.Open(ctx, p, sources.Options{Secrets: readSecret})
}

// readSecret reads a variable or a file. Errors name the place and never what
// stands there.
func readSecret(_ context.Context, s experiment.Secret) (string, error) {
	switch {
	case s.Env != "":
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", experiment.Errorf(experiment.CodeInvalid, "the variable %s is not set", s.Env)
		}
		return value, nil
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err != nil {
			return "", experiment.Errorf(experiment.CodeInvalid, "read a secret: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	return "", experiment.Errorf(experiment.CodeInvalid, "Secret %s/%s: there is no cluster here", s.Name, s.Key).
		WithHint("without a cluster a secret is {env: NAME} or {file: PATH}")
}
