// SPDX-License-Identifier: Apache-2.0

package http

import (
	"net/http"

	"github.com/headgate-dev/headgate/internal/source/remote"
)

// AnswerBy has a source's questions answered without a connection.
func (s *Source) AnswerBy(transport http.RoundTripper) (err error) {
	p := &s.options.Provider
	s.server, err = remote.New(remote.Options{URL: p.URL, Timeout: p.Timeout, MaxBody: maxBody, Transport: transport})
	return err
}
