// SPDX-License-Identifier: Apache-2.0

package router

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Destination is where a mesh sends a version's requests.
type Destination struct {
	Host string
	// Port is 0 where none is given.
	Port int64
	// Subset is a subset of the host's DestinationRule, or empty.
	Subset string
}

// Service is a Service of the cluster and one of its ports.
type Service struct {
	// Namespace is the route's where it is empty.
	Namespace string
	Name      string
	// Port is 0 where none is given.
	Port int64
}

// Names as Kubernetes and Istio take them: DNS labels, hosts of such labels
// that are not wildcards, and subsets as labels.
var (
	labelForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	hostForm  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?)*$`)
)

const maxHost = 253

// ParseDestination reads HOST[:PORT][/SUBSET], a version's backend where a
// VirtualService carries the traffic.
func ParseDestination(backend string) (Destination, error) {
	bad := func(what string) (Destination, error) {
		return Destination{}, experiment.Errorf(experiment.CodeInvalid, "backend %q: %s", backend, what).
			WithHint("a VirtualService takes HOST[:PORT][/SUBSET], the host as in destination.host, for example ranker.search.svc.cluster.local:8080/v2")
	}
	rest, subset, hasSubset := strings.Cut(backend, "/")
	host, port, err := cutPort(rest)
	switch {
	case err != "":
		return bad(err)
	case host == "":
		return bad("no host")
	case len(host) > maxHost || !hostForm.MatchString(host):
		return bad("not a host's name")
	case hasSubset && (len(subset) > 63 || !hostForm.MatchString(subset)):
		return bad("not a subset's name")
	}
	return Destination{Host: strings.ToLower(host), Port: port, Subset: subset}, nil
}

// ParseService reads [NAMESPACE/]SERVICE[:PORT], a version's backend where an
// HTTPRoute carries the traffic.
func ParseService(backend string) (Service, error) {
	bad := func(what string) (Service, error) {
		return Service{}, experiment.Errorf(experiment.CodeInvalid, "backend %q: %s", backend, what).
			WithHint("an HTTPRoute takes [NAMESPACE/]SERVICE[:PORT], for example ranker-v2:8080")
	}
	s := Service{}
	namespace, rest, hasNamespace := strings.Cut(backend, "/")
	if hasNamespace {
		s.Namespace = namespace
	} else {
		rest = backend
	}
	var wrong string
	s.Name, s.Port, wrong = cutPort(rest)
	switch {
	case wrong != "":
		return bad(wrong)
	case !labelForm.MatchString(s.Name):
		return bad("not a Service's name")
	case hasNamespace && !labelForm.MatchString(s.Namespace):
		return bad("not a namespace")
	}
	return s, nil
}

// cutPort takes an optional port off the end; wrong says what is wrong with it.
func cutPort(s string) (name string, port int64, wrong string) {
	if strings.HasSuffix(s, ":") {
		return "", 0, "a name and a port are wanted, not a URL"
	}
	name, text, ok := strings.Cut(s, ":")
	if !ok {
		return s, 0, ""
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return "", 0, "the port is not a number from 1 to 65535"
	}
	return name, int64(n), ""
}
