// SPDX-License-Identifier: Apache-2.0

// Package routers knows the routers of a cluster: it makes the one that a plan
// names, for whoever writes routes (the controller, and the command line when
// the controller is down).
package routers

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/gatewaymap"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
)

// New makes the router of a plan; CodeInvalid where no object of a cluster
// carries its traffic.
func New(p *experiment.Plan) (router.Router, error) {
	switch kind := p.Router.Kind(); kind {
	case experiment.RouterVirtualService:
		return virtualservice.New(p)
	case experiment.RouterHTTPRoute:
		return httproute.New(p)
	case experiment.RouterFields:
		return fields.New(p)
	case experiment.RouterGateway:
		return gatewaymap.New(p)
	case experiment.RouterNone:
		return none{}, nil
	default:
		return nil, experiment.Errorf(experiment.CodeInvalid, "spec.traffic.%s: no object of a cluster carries its traffic", kind).
			WithHint("name a gateway, a virtualService, an httpRoute or fields")
	}
}
