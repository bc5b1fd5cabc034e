// SPDX-License-Identifier: Apache-2.0

package check

//go:generate go test . -run TestChecksReference -update

// Code names a check.
type Code string

// The checks.
const (
	CodeReach      Code = "HG-C101"
	CodeKinds      Code = "HG-C102"
	CodeSchema     Code = "HG-C103"
	CodeController Code = "HG-C104"
	CodeMesh       Code = "HG-C105"

	CodeYouRead   Code = "HG-C111"
	CodeYouWish   Code = "HG-C112"
	CodeYouKill   Code = "HG-C113"
	CodeItsKinds  Code = "HG-C121"
	CodeItsLease  Code = "HG-C122"
	CodeItsEvent  Code = "HG-C123"
	CodeItsRoute  Code = "HG-C124"
	CodeItsSecret Code = "HG-C125"
	CodeItsWork   Code = "HG-C126"

	CodeSpec     Code = "HG-C131"
	CodeStalled  Code = "HG-C132"
	CodeKill     Code = "HG-C133"
	CodeClaim    Code = "HG-C134"
	CodeRecord   Code = "HG-C135"
	CodeProvider Code = "HG-C141"
	CodeSeries   Code = "HG-C142"
	CodeHeal     Code = "HG-C151"
	CodeTopology Code = "HG-C152"
)

// Entry describes a check.
type Entry struct {
	Code Code
	// Asks is what is checked, Why what goes wrong otherwise, Remedy what to do.
	Asks, Why, Remedy string
}

// Catalogue lists every check, in the order of codes.
func Catalogue() []Entry {
	return []Entry{
		{CodeReach, "the API server answers", "Nothing can be seen or changed without it.", "Check --kubeconfig and --context, and the network."},
		{CodeKinds, "Headgate's kinds are installed", "Experiments cannot be applied, or their memory not kept.", "Install Headgate: `kubectl apply -k config/default`, or the Helm chart."},
		{CodeSchema, "the installed kinds are those of this version", "The API server drops fields that it does not know, without a word: an experiment then runs without them.", "Apply config/crd of this version again; Helm never upgrades kinds by itself."},
		{CodeController, "a controller leads", "Without one nothing is decided; what is routed stays as it is.", "Look at the Deployment headgate-controller; --home names its namespace where it is another."},
		{CodeMesh, "which serving stacks there are", "What a route can do depends on their version.", "It is only said; docs/reference/routers.md says what each router needs."},
		{CodeYouRead, "you may read experiments and records", "You would see nothing of what is decided.", "Bind the ClusterRole headgate-view, or view, to you in the namespace."},
		{CodeYouWish, "you may give wishes", "Verbs such as pause and kill write spec.control.", "Bind the ClusterRole headgate-edit, or edit, to you in the namespace."},
		{CodeYouKill, "you may change the route yourself", "With the controller down, headgate kill takes the traffic back under your own rights.", "Allow get and patch of the route to whoever is on call."},
		{CodeItsKinds, "the controller may use Headgate's kinds", "It could not read experiments or keep their memory.", "Apply config/rbac of this version again."},
		{CodeItsLease, "the controller may claim routes", "A route is claimed by a Lease beside it, so that no two experiments share one.", "Apply config/rbac of this version again, or bind its role in the namespace of the route."},
		{CodeItsEvent, "the controller may tell of decisions", "Decisions would be missing from kubectl describe.", "Apply config/rbac of this version again."},
		{CodeItsRoute, "the controller may change the route", "It could not move traffic, nor take it back.", "Apply the ClusterRole of that router: config/rbac/routers.yaml."},
		{CodeItsSecret, "the controller may read the secrets of providers and actions", "It could not ask a provider that wants a password or a token, nor do what an action says.", "Bind a Role in the experiment's namespace: get of that secret, by resourceNames."},
		{CodeItsWork, "the controller may write Deployments, where the plan asks for it", "A winner could not be copied over the baseline, nor what lost be scaled down.", "Add the component config/workloads, or workloads: true in the chart."},
		{CodeSpec, "the spec is valid", "The experiment does not begin, or goes on as it was.", "Correct what is named; headgate lint -f FILE says it before it is applied."},
		{CodeStalled, "the controller can go on", "It waits for a person, and decides nothing until then.", "Do what the message says."},
		{CodeKill, "the way back works", "A kill and a rollback write the route; what would stop them is better known before.", "Mend what the dry run was refused for. The route must be there, and you and the controller must be allowed to patch it."},
		{CodeClaim, "the route is the experiment's own", "Two experiments on one route overwrite each other.", "Wait until the other has ended, or delete it."},
		{CodeRecord, "the record can be read", "The record is all that is known of an experiment that runs; without it the experiment stops.", "Restore the ExperimentRecord from a backup, or delete the Experiment and apply it again."},
		{CodeProvider, "the provider answers", "Without it nothing is known, so that nothing is raised.", "Correct spec.providers. From outside the cluster its address may mean nothing: forward a port and name it with --prometheus, or run the check inside."},
		{CodeSeries, "the metrics tell of every version that has traffic", "A version without series cannot be judged: the experiment holds and holds.", "Compare the selector with what Prometheus has: names of Deployments and Services, the scrape of the version's pods, spec.traffic.pack. Of another provider, ask it the same by hand."},
		{CodeHeal, "nothing undoes a kill by itself", "A GitOps tool that heals the route writes the shares of the repository again, in the middle of a kill too.", "Tell it whose the shares are, by the snippet of the hint."},
		{CodeTopology, "versions differ in the model alone", "Versions with other resources, replicas or nodes differ in latency and errors for reasons that are not the model's.", "Give the versions' Deployments the same shape, or keep the difference in mind when latency decides."},
	}
}
