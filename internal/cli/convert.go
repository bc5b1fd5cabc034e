// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8"
)

func convertCommand(s IO) *cobra.Command {
	var files []string
	var strict bool
	c := &cobra.Command{
		Use: "convert -f FILE", Short: "turn an Iter8 experiment into a native one", Args: cobra.NoArgs,
		Long: `Reads an experiment of iter8.tools/v2alpha2 and the metrics that it refers to, and
writes the native experiment. It is decided by statistics, where Iter8 compared the
numbers of its last iteration; comments say what that changes, and what was guessed.

Iter8's experiments also run as they are, without being converted.`,
		Example: `  headgate convert -f experiment.yaml -f metrics.yaml > native.yaml
  headgate lint -f native.yaml`,
		RunE: func(*cobra.Command, []string) error {
			e, metrics, err := iter8Files(files)
			if err != nil {
				return err
			}
			text, err := iter8.Convert(e, metrics, strict)
			if err != nil {
				return inFile(strings.Join(files, ", "), refused(err))
			}
			_, err = s.Out.Write(text)
			return err
		},
	}
	c.Flags().StringArrayVarP(&files, "filename", "f", nil, "the files of the experiment and its metrics, or - for standard input")
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
	c.Flags().BoolVar(&strict, "strict", false, "keep Iter8's own rules, which claim no error rate")
	return c
}

// refused gives a problem of an Iter8 experiment its exit code and its hint.
func refused(err error) error {
	p, ok := errors.AsType[*iter8.Problem](err)
	if !ok {
		return experiment.Errorf(experiment.CodeInvalid, "%w", err)
	}
	return experiment.Errorf(experiment.CodeInvalid, "%s: %s", p.Reason, p.Message).WithHint("%s", p.Hint)
}

// iter8Files reads the one Iter8 experiment of some files and what it refers to.
func iter8Files(files []string) (*api.Experiment, []api.Metric, error) {
	first, more, err := readFiles(files)
	if err != nil {
		return nil, nil, err
	}
	where := strings.Join(files, ", ")
	f, err := iter8.Read(append([][]byte{first}, more...)...)
	if err != nil {
		return nil, nil, inFile(where, refused(err))
	}
	if n := len(f.Experiments); n != 1 {
		return nil, nil, experiment.Errorf(experiment.CodeInvalid, "%s: %d experiments of %s, want one", where, n, api.APIVersion).WithHint("name the files of one experiment and its metrics")
	}
	e := &f.Experiments[0]
	infos, err := iter8.Gather(e, f.Get)
	if p, ok := errors.AsType[*iter8.Problem](err); ok && p.Reason == iter8.MetricUnavailable {
		p.Hint = "name its file too: -f FILE"
	}
	if err != nil {
		return nil, nil, inFile(where, refused(err))
	}
	return e, iter8.MetricsOf(infos), nil
}

// oneIter8 reads the one Iter8 experiment of some files for its status alone; nil
// is that there is none.
func oneIter8(files ...[]byte) (*api.Experiment, error) {
	f, err := iter8.Read(files...)
	switch {
	case err != nil:
		return nil, refused(err)
	case len(f.Experiments) == 0:
		return nil, nil
	case len(f.Experiments) > 1:
		return nil, experiment.Errorf(experiment.CodeInvalid, "%d experiments, want one", len(f.Experiments))
	}
	return &f.Experiments[0], nil
}

// iter8ID names an experiment as the native one is named.
func iter8ID(e *api.Experiment) string {
	if e.Namespace == "" {
		return e.Name
	}
	return fmt.Sprintf("%s/%s", e.Namespace, e.Name)
}
