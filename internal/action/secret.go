// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// secrets reads the secrets of one try and takes them out of what is said about
// it.
type secrets struct {
	owner *Owner
	known []string
}

// read gives a secret; none is empty.
func (s *secrets) read(ctx context.Context, what string, at *experiment.Secret) (string, error) {
	if at == nil {
		return "", nil
	}
	if s.owner.Secrets == nil {
		return "", hopeless(invalid("the %s is a secret, and nobody reads secrets here", what))
	}
	value, err := s.owner.Secrets(ctx, *at)
	if err != nil {
		return "", unavailable("read the %s: %w", what, err).WithHint("%s", experiment.HintOf(err))
	}
	value = strings.TrimSpace(value)
	s.note(value)
	return value, nil
}

// note remembers a secret, and how it may come back.
func (s *secrets) note(value string) {
	if value == "" {
		return
	}
	s.known = append(s.known, value, url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value)))
	// A longer one may hold a shorter one.
	slices.SortFunc(s.known, func(a, b string) int { return len(b) - len(a) })
	s.known = slices.Compact(s.known)
}

// hide takes all secrets out of a text.
func (s *secrets) hide(text string) string {
	for _, value := range s.known {
		text = strings.ReplaceAll(text, value, "***")
	}
	return text
}

// hidden takes all secrets out of an error, and keeps its class.
func (s *secrets) hidden(err error) error {
	if err == nil {
		return nil
	}
	clean := experiment.Errorf(experiment.CodeOf(err), "%s", s.hide(err.Error()))
	if hint := experiment.HintOf(err); hint != "" {
		clean = clean.WithHint("%s", s.hide(hint))
	}
	return again(err, clean)
}
