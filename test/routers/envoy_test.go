// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoverypb "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typepb "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/headgate-dev/headgate/test/servers"
)

// proxy asks istiod for routes as the Envoy beside an application would, and
// reads them as an Envoy does.
type proxy struct {
	stream discoverypb.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	node   *corepb.Node
	came   chan *routepb.RouteConfiguration
	ended  chan error
	marks  int
}

const routeType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

// envoyIn is the proxy of an application in a namespace; name is what its
// listener calls the routes, which for calls to a port is its number.
func envoyIn(t *testing.T, mesh *servers.Mesh, namespace, name string) *proxy {
	t.Helper()
	conn, err := grpc.NewClient(mesh.XDS, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	about, err := structpb.NewStruct(map[string]any{"NAMESPACE": namespace, "CLUSTER_ID": "Kubernetes"})
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		node: &corepb.Node{Id: fmt.Sprintf("sidecar~127.0.0.1~proxy.%[1]s~%[1]s.svc.cluster.local", namespace), Metadata: about},
		came: make(chan *routepb.RouteConfiguration), ended: make(chan error, 1),
	}
	if p.stream, err = discoverypb.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.stream.Send(&discoverypb.DiscoveryRequest{Node: p.node, TypeUrl: routeType, ResourceNames: []string{name}}); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.receive(t.Context(), name) }()
	return p
}

// receive acknowledges routes as they come.
func (p *proxy) receive(ctx context.Context, name string) error {
	for {
		res, err := p.stream.Recv()
		if err != nil {
			return err
		}
		for _, resource := range res.GetResources() {
			config := &routepb.RouteConfiguration{}
			if err := resource.UnmarshalTo(config); err != nil {
				return err
			}
			select {
			case p.came <- config:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err = p.stream.Send(&discoverypb.DiscoveryRequest{
			TypeUrl: routeType, ResourceNames: []string{name}, VersionInfo: res.GetVersionInfo(), ResponseNonce: res.GetNonce(),
		})
		if err != nil {
			return err
		}
	}
}

// until takes routes from istiod until they have a virtual host for mark and are
// as check wants them.
func (p *proxy) until(t *testing.T, mark string, check func(*routepb.RouteConfiguration) error) {
	t.Helper()
	deadline := time.NewTimer(settleLimit)
	defer deadline.Stop()
	err := fmt.Errorf("istiod has given no routes for %s", mark)
	for {
		select {
		case config := <-p.came:
			marked := slices.ContainsFunc(config.GetVirtualHosts(), func(h *routepb.VirtualHost) bool { return slices.Contains(h.GetDomains(), mark) })
			if !marked {
				continue
			}
			if err = check(config); err == nil {
				return
			}
		case lost := <-p.ended:
			t.Fatalf("istiod ended the stream: %v", lost)
		case <-deadline.C:
			t.Fatal(err)
		}
	}
}

// request is what routes are chosen by.
type request struct {
	host, path, method string
	headers            map[string]string // by names in lower case
}

// met is where a request goes: the share of each cluster, and the share of the
// copies that each gets, both in millionths.
type met struct {
	To, Copies map[string]int64
}

const millionth = 1_000_000

// meets sends a request through routes as Envoy does: the first route that
// matches decides.
func meets(config *routepb.RouteConfiguration, r request) (met, error) {
	for _, host := range config.GetVirtualHosts() {
		if !slices.Contains(host.GetDomains(), r.host) {
			continue
		}
		for _, route := range host.GetRoutes() {
			ok, err := matches(route.GetMatch(), r)
			if err != nil {
				return met{}, fmt.Errorf("route %s: %w", route.GetName(), err)
			}
			if ok {
				return target(route.GetRoute()), nil
			}
		}
		return met{}, fmt.Errorf("no route of %s takes %+v", host.GetName(), r)
	}
	return met{}, fmt.Errorf("no virtual host for %s", r.host)
}

// target reads what a route does.
func target(action *routepb.RouteAction) met {
	out := met{To: map[string]int64{}, Copies: map[string]int64{}}
	if cluster := action.GetCluster(); cluster != "" {
		out.To[cluster] = millionth
	}
	total := int64(0)
	for _, c := range action.GetWeightedClusters().GetClusters() {
		total += int64(c.GetWeight().GetValue())
	}
	for _, c := range action.GetWeightedClusters().GetClusters() {
		out.To[c.GetName()] += int64(c.GetWeight().GetValue()) * millionth / total
	}
	for _, m := range action.GetRequestMirrorPolicies() {
		part := m.GetRuntimeFraction().GetDefaultValue()
		per := map[typepb.FractionalPercent_DenominatorType]int64{
			typepb.FractionalPercent_HUNDRED: 10_000, typepb.FractionalPercent_TEN_THOUSAND: 100, typepb.FractionalPercent_MILLION: 1,
		}[part.GetDenominator()]
		out.Copies[m.GetCluster()] += int64(part.GetNumerator()) * per
		if part == nil {
			out.Copies[m.GetCluster()] = millionth
		}
	}
	return out
}

// matches reports whether a route takes a request. What is not known here is an
// error, not a guess.
func matches(m *routepb.RouteMatch, r request) (bool, error) {
	switch path := m.GetPathSpecifier().(type) {
	case *routepb.RouteMatch_Prefix:
		if !strings.HasPrefix(r.path, path.Prefix) {
			return false, nil
		}
	case *routepb.RouteMatch_Path:
		if r.path != path.Path {
			return false, nil
		}
	default:
		return false, fmt.Errorf("a path is matched by %T", path)
	}
	for _, h := range m.GetHeaders() {
		value, there := r.headers[h.GetName()]
		if h.GetName() == ":method" {
			value, there = r.method, true
		}
		var ok bool
		switch form := h.GetHeaderMatchSpecifier().(type) {
		case *routepb.HeaderMatcher_PresentMatch:
			ok = there == form.PresentMatch
		case *routepb.HeaderMatcher_StringMatch:
			var err error
			if ok, err = meetsText(form.StringMatch, value); err != nil {
				return false, fmt.Errorf("header %s: %w", h.GetName(), err)
			}
			ok = ok && there
		default:
			return false, fmt.Errorf("header %s is matched by %T", h.GetName(), form)
		}
		if ok == h.GetInvertMatch() {
			return false, nil
		}
	}
	return true, nil
}

func meetsText(m *matcherpb.StringMatcher, value string) (bool, error) {
	switch form := m.GetMatchPattern().(type) {
	case *matcherpb.StringMatcher_Exact:
		return value == form.Exact, nil
	case *matcherpb.StringMatcher_Prefix:
		return strings.HasPrefix(value, form.Prefix), nil
	case *matcherpb.StringMatcher_SafeRegex:
		return regexp.MatchString("^(?:"+form.SafeRegex.GetRegex()+")$", value)
	default:
		return false, fmt.Errorf("matched by %T", form)
	}
}

// wantMet compares where requests go with where they should.
func wantMet(config *routepb.RouteConfiguration, requests []request, want func(request) met) error {
	for _, r := range requests {
		got, err := meets(config, r)
		if err != nil {
			return err
		}
		if d := cmp.Diff(want(r), got); d != "" {
			return fmt.Errorf("%+v (-want +got):\n%s", r, d)
		}
	}
	return nil
}
