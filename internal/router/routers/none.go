// SPDX-License-Identifier: Apache-2.0

package routers

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// none carries nothing: no object holds the shares of a strict plan that shifts
// none. Whatever is asked of it is so at once, and what the versions truly have
// nobody here knows.
type none struct{}

// Kind is none.
func (none) Kind() experiment.RouterKind { return experiment.RouterNone }

// Refs are none.
func (none) Refs() []router.Ref { return nil }

// Capabilities are none.
func (none) Capabilities() []experiment.Capability { return nil }

// Owned is nothing.
func (none) Owned(int) []string { return nil }

// Render writes nothing.
func (none) Render(objects []router.Object, _ router.Traffic) ([]router.Object, error) {
	return objects, nil
}

// Read finds everything as it was asked for.
func (none) Read(_ []router.Object, t router.Traffic) (router.Seen, error) {
	return router.Seen{Asked: slices.Clone(t.Shares), Settled: true}, nil
}
