// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bearer lets requests through that carry a token, as in
//
//	Authorization: Bearer TOKEN
//
// and answers 401 to the others. An empty token lets everybody through.
func Bearer(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(sent)))
		// Hashes have one length, so the comparison tells nothing of the token.
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="headgate"`)
			writeFailure(w, http.StatusUnauthorized, Failure{
				Code: experiment.CodeUnauthorized, Path: "Authorization", Message: "the token is missing or wrong",
				Hint: "send Authorization: Bearer TOKEN, with the token that Headgate was started with",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
