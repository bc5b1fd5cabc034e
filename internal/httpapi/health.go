// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"time"
)

// healthTimeout bounds one health check.
const healthTimeout = 2 * time.Second

// Health answers GET /healthz: 200 while check succeeds, 503 with its error
// otherwise. A nil check always succeeds.
func Health(check func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, "GET, HEAD", r.Method == http.MethodGet || r.Method == http.MethodHead) {
			return
		}
		if check != nil {
			ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
			defer cancel()
			if err := check(ctx); err != nil {
				writeFailure(w, http.StatusServiceUnavailable, Failure{Code: "unavailable", Message: err.Error()})
				return
			}
		}
		WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
}
