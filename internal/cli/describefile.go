// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// describeFile writes what the status of an object says, which somebody else has
// read: kubectl get experiment NAME -o yaml | headgate describe -f -. Of an Iter8
// experiment that is Iter8's own sections; where a cluster is named, what Headgate
// says of it follows.
func describeFile(ctx context.Context, s IO, t *target, file string) error {
	data, err := readFile(file)
	if err != nil {
		return err
	}
	e, err := oneIter8(data)
	if err != nil {
		return inFile(file, err)
	}
	if e == nil {
		return inFileOrNil(file, nativeStatus(s.Out, data))
	}
	if err := iter8.Describe(s.Out, e); err != nil {
		return err
	}
	if !t.cluster.meant() {
		return strictly(s.Out, e)
	}
	client, err := t.client()
	if err != nil {
		return err
	}
	defer client.Close()
	v, err := client.View(ctx, iter8ID(e))
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.Out, strings.TrimPrefix(report(v, s), "\n"))
	return err
}

func inFileOrNil(file string, err error) error {
	if err == nil {
		return nil
	}
	return inFile(file, err)
}

// strictly says what stands behind the verdict of an Iter8 experiment.
func strictly(w io.Writer, e *api.Experiment) error {
	native, err := iter8.Native(e, iter8.MetricsOf(e.Status.Metrics))
	text := "Strict: the winner is the version with the best numbers of the last iteration, by\n" +
		"Iter8's own rules. No error rate is claimed: a difference may be chance.\n" +
		"criteria.strength: {alpha: 5%, minimumEffect: {relative: 1%}} has it decided by\n" +
		"statistics; headgate convert -f writes it as a native experiment.\n"
	if err == nil && !native.Spec.Strict {
		text = "criteria.strength has it decided by statistics: a winner is better with\n" +
			"confidence. headgate describe NAME --cluster tells its numbers.\n"
	}
	_, err = fmt.Fprintf(w, "****** Headgate ******\n%s", text)
	return err
}

// toldStatus is what the status of a native object tells of itself.
type toldStatus struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   v1alpha1.Metadata `json:"metadata"`
	Status     struct {
		Condition, Stage, Shares, Seen, Message, Outcome, Version string
		Readings                                                  []struct{ Metric, Version, Value, Verdict string }
		Conditions                                                []struct{ Type, Status, Reason, Message string }
	} `json:"status"`
}

// nativeStatus writes what the status of a native experiment says.
func nativeStatus(w io.Writer, data []byte) error {
	var e toldStatus
	if err := yaml.Unmarshal(data, &e); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "not YAML: %w", err)
	}
	if e.APIVersion != v1alpha1.APIVersion || e.Kind != v1alpha1.KindExperiment {
		return experiment.Errorf(experiment.CodeInvalid, "neither an Experiment of %s nor one of %s", v1alpha1.APIVersion, api.APIVersion).
			WithHint("for example kubectl get experiment NAME -o yaml | headgate describe -f -")
	}
	st := &e.Status
	if st.Condition == "" && len(st.Conditions) == 0 {
		_, err := fmt.Fprintf(w, "%s has no status: no controller has seen it\n", e.Metadata.Name)
		return err
	}
	rows := [][]string{{"experiment", strings.TrimPrefix(e.Metadata.Namespace+"/"+e.Metadata.Name, "/")}}
	for _, row := range [][]string{
		{"condition", cmp.Or(st.Outcome, st.Condition)},
		{"stage", st.Stage},
		{"winner", st.Version},
		{"shares", st.Shares},
		{"seen", st.Seen},
		{"message", st.Message},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	text := fromLeft(rows)
	if len(st.Readings) > 0 {
		rows = [][]string{{"METRIC", "VERSION", "VALUE", "VERDICT"}}
		for _, r := range st.Readings {
			rows = append(rows, []string{r.Metric, r.Version, cmp.Or(r.Value, "-"), cmp.Or(r.Verdict, "-")})
		}
		text += "\n" + fromLeft(rows)
	}
	rows = [][]string{{"TYPE", "STATUS", "REASON", "MESSAGE"}}
	for _, c := range st.Conditions {
		rows = append(rows, []string{c.Type, c.Status, c.Reason, c.Message})
	}
	_, err := fmt.Fprint(w, text+"\n"+fromLeft(rows))
	return err
}

// fromLeft writes rows of texts, each column from the left.
func fromLeft(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // A Builder takes everything.
	return b.String()
}
