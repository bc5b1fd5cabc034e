// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"net/http"
	"os"
)

// cause is why the baseline answers in a candidate's place.
type cause uint8

// The causes. The first is none.
const (
	causeNone cause = iota
	// causeUnconnected: no connection was made.
	causeUnconnected
	// causeEjected: the candidate is ejected, or only coming back.
	causeEjected
	// causeCrowded: it had no place.
	causeCrowded
	// causeStatus: it answered 5xx.
	causeStatus
	// causeTimeout: it did not answer in its part of the time.
	causeTimeout
	// causeBroken: it broke off, or answered what is not HTTP.
	causeBroken
	causes
)

// String is the cause as metrics name it.
func (c cause) String() string {
	return [causes]string{"none", "connect", "ejected", "crowded", "5xx", "timeout", "broken"}[c]
}

// fallBack notes that the baseline answers, which is the candidate's failure.
func (e *ending) fallBack(why cause) { e.fellBack, e.failed, e.why = true, true, why }

// failure is why an attempt of a request, that may be sent again, has failed.
func failure(status int, err error) cause {
	switch {
	case isUnsent(err):
		return causeUnconnected
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return causeTimeout
	case err != nil:
		return causeBroken
	case status >= http.StatusInternalServerError:
		return causeStatus
	}
	return causeNone
}
