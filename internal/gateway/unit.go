// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Why a request is not assigned, as the metric of unassigned requests says it.
const (
	reasonAbsent   = "absent"
	reasonInvalid  = "invalid"
	reasonBodySize = "body-too-large"
	reasonBody     = "body-unreadable"
	reasonOutside  = "outside"

	reasonOverridden    = "overridden"
	reasonExcluded      = "excluded"
	reasonCohortAbsent  = "cohort-absent"
	reasonCohortUnknown = "cohort-unknown"

	reasonFeedback = "feedback"
)

// unassignedReasons are all of them.
var unassignedReasons = [...]string{
	reasonAbsent, reasonInvalid, reasonBodySize, reasonBody, reasonOutside,
	reasonOverridden, reasonExcluded, reasonCohortAbsent, reasonCohortUnknown,
	reasonFeedback,
}

// absence is why a request is not assigned; refusal is set where no version
// can serve it either.
type absence struct {
	reason  string
	refusal *refusal
	// foreign requests are no business of the experiment: whether they have a
	// unit does not matter.
	foreign bool
}

var (
	absent         = absence{reason: reasonAbsent}
	invalid        = absence{reason: reasonInvalid}
	bodyTooLarge   = absence{reason: reasonBodySize}
	bodyUnreadable = absence{reason: reasonBody, refusal: &refusedBody}
	outside        = absence{reason: reasonOutside, foreign: true}
	overridden     = absence{reason: reasonOverridden, foreign: true}
	excluded       = absence{reason: reasonExcluded, foreign: true}
	cohortAbsent   = absence{reason: reasonCohortAbsent, foreign: true}
	cohortUnknown  = absence{reason: reasonCohortUnknown, foreign: true}
)

// unitFinder finds the unit of a request: at a place, or each request is its
// own.
type unitFinder struct {
	place
	request bool
}

func newUnitFinder(u experiment.Unit) (unitFinder, error) {
	set := 0
	for _, on := range []bool{u.Header != "", u.Cookie != "", u.JSONPath != "", u.Request} {
		if on {
			set++
		}
	}
	if set != 1 {
		return unitFinder{}, fmt.Errorf("assignment unit has %d of header, cookie, jsonPath and request: want exactly one", set)
	}
	p, err := newPlace(u.Header, u.Cookie, u.JSONPath)
	if err != nil {
		return unitFinder{}, fmt.Errorf("assignment unit: %w", err)
	}
	return unitFinder{place: p, request: u.Request}, nil
}

// find gives the request's unit, or why there is none. A unit that is issued
// is new and must be set as a cookie.
func (f *unitFinder) find(in *lookup) (unit, issued string, missing *absence) {
	switch {
	case f.request:
		return rand.Text(), "", nil
	case f.cookie != "":
		// A cookie that nobody can use is replaced like one that is absent, or
		// its client would stay without a unit for ever.
		if unit = in.exchange.cookie(f.cookie); checkUnit(unit) == nil {
			return unit, "", nil
		}
		unit = rand.Text()
		return unit, unit, nil
	case f.header != "":
		unit = in.exchange.header(f.header)
	default:
		if unit, missing = f.inBody(in); missing != nil {
			return "", "", missing
		}
	}
	if missing = checkUnit(unit); missing != nil {
		return "", "", missing
	}
	return unit, "", nil
}

// inBody finds the string or number at the JSON path.
func (f *unitFinder) inBody(in *lookup) (string, *absence) {
	v, missing := in.json(f.jsonPath)
	switch {
	case missing != nil:
		return "", missing
	case v.Type == gjson.String:
		return v.Str, nil
	case v.Type == gjson.Number:
		return v.Raw, nil
	default:
		return "", &absent
	}
}

// checkUnit says why a unit id cannot be used; nil if it can.
func checkUnit(unit string) *absence {
	if unit == "" {
		return &absent
	}
	if len(unit) > maxUnit {
		return &invalid
	}
	for i := range len(unit) {
		if unit[i] < ' ' || unit[i] == 0x7f {
			return &invalid
		}
	}
	return nil
}
