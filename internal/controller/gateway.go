// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// mapEvery is how often the ConfigMap of an experiment that has ended is looked
// at: it is not watched, since that would take the right to read every one.
const mapEvery = 30 * time.Second

// gateways reports whether Headgate's own gateways carry the traffic.
func (t *turn) gateways() bool {
	return t.run.plan != nil && t.run.plan.Router.Kind() == experiment.RouterGateway
}

// traffic is what the state asks of the router.
func (t *turn) traffic() router.Traffic {
	out := router.TrafficOf(t.run.plan, &t.run.record.State)
	if t.gateways() {
		route := experiment.RouteOf(t.run.plan, &t.run.record.State)
		out.Route = &route
	}
	return out
}
