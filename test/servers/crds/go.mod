// The CustomResourceDefinitions of the stacks that Headgate drives, as files in
// these modules. Nothing imports their packages, so "go mod tidy" would empty
// it; after a change of versions, run "go mod download" with the three paths.
module github.com/headgate-dev/headgate/test/servers/crds

go 1.26.0

require (
	istio.io/api v1.31.1
	knative.dev/serving v0.42.2
	sigs.k8s.io/gateway-api v1.6.3
)
