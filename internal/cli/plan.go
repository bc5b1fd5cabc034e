// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
)

func planCommand(s IO) *cobra.Command {
	var files []string
	var x assumeFlags
	var f format
	c := &cobra.Command{
		Use: "plan -f FILE", Short: "before it runs: samples, days, cost, and what can be concluded", Args: cobra.NoArgs,
		Long: `Says what an experiment can find out before a single request moves: the units
per version that the smallest effect takes, the power of the plan as written and
the smallest effect it finds, a timetable of the stages, what each costs, whom it
exposes, what can and what cannot be concluded, and how everything is taken back.

A file cannot know what arrives and how its metrics stand today. What is not
stated is left out, and a line says what would tell more.`,
		Example: `  headgate plan -f ranker.yaml --traffic 50/s --baseline 8%
  headgate plan -f ranker.yaml --traffic 50/s --requests-per-unit 4 --baseline 8% --baseline refund=2%
  headgate plan -f ranker.yaml --units 20000 --baseline revenue=12.5±40 --group tier=premium:10% -o json`,
		RunE: func(*cobra.Command, []string) error {
			if err := f.check(); err != nil {
				return err
			}
			p, err := readPlan(files...)
			if err != nil {
				return err
			}
			a, err := x.assumptions(p)
			if err != nil {
				return err
			}
			r, err := design.Of(p, a)
			if err != nil {
				return err
			}
			if done, err := f.write(s.Out, struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
				design.Report
			}{view.APIVersion, "PlanReport", r}); done {
				return err
			}
			_, err = fmt.Fprint(s.Out, planText(r, s))
			return err
		},
	}
	filesFlag(c, &files)
	x.define(c)
	f.flag(c, "json", "yaml")
	return c
}

// filesFlag is -f, which a command cannot do without: further files hold reusable
// metrics.
func filesFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVarP(files, "filename", "f", nil, "the experiment's file, or - for standard input; those that follow hold reusable metrics")
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
}

// readFiles reads an experiment's file and those of its reusable metrics.
func readFiles(files []string) (first []byte, more [][]byte, err error) {
	for i, file := range files {
		data, err := readFile(file)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			first = data
		} else {
			more = append(more, data)
		}
	}
	return first, more, nil
}

// readPlan reads files as the engine would.
func readPlan(files ...string) (*experiment.Plan, error) {
	data, more, err := readFiles(files)
	if err != nil {
		return nil, err
	}
	p, err := translate.Plan(data, more...)
	if err != nil {
		return nil, inFile(strings.Join(files, ", "), err)
	}
	return p, nil
}

// assumeFlags are what a file cannot know, as people write it.
type assumeFlags struct {
	traffic   string
	units     float64
	perUnit   float64
	tokens    float64
	baselines []string
	groups    []string
}

func (x *assumeFlags) define(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&x.traffic, "traffic", "", "how many requests arrive: 50/s, 3000/min, 90000/h or 2000000/d")
	f.Float64Var(&x.units, "units", 0, "how many units are seen for the first time per day (default from --traffic)")
	f.Float64Var(&x.perUnit, "requests-per-unit", 0, "how many requests a unit makes while it takes part (default 1)")
	f.Float64Var(&x.tokens, "tokens-per-request", 0, "how many tokens an answer takes, where versions cost by token")
	f.StringArrayVar(&x.baselines, "baseline", nil, "how a metric stands today, [METRIC=]MEAN[±DEVIATION]; the reward if no metric is named; may be repeated")
	f.StringArrayVar(&x.groups, "group", nil, "a group's share of the traffic, SEGMENT=GROUP:SHARE; may be repeated")
}

// empty says that nothing was stated.
func (x *assumeFlags) empty() bool {
	return x.traffic == "" && x.units == 0 && x.perUnit == 0 && x.tokens == 0 && len(x.baselines) == 0 && len(x.groups) == 0
}

func (x *assumeFlags) assumptions(p *experiment.Plan) (design.Assumptions, error) {
	a := design.Assumptions{Units: x.units, PerUnit: x.perUnit, Tokens: x.tokens}
	var err error
	if x.traffic != "" {
		if a.Requests, err = parseTraffic(x.traffic); err != nil {
			return a, err
		}
	}
	for _, text := range x.baselines {
		v, err := parseBaseline(text, p)
		if err != nil {
			return a, err
		}
		a.Values = append(a.Values, v)
	}
	for _, text := range x.groups {
		slice, share, ok := strings.Cut(text, ":")
		f, good := parseNumber(share)
		if !ok || !good {
			return a, usageError{fmt.Errorf("--group: %q is not a group with its share: want for example tier=premium:10%%", text)}
		}
		a.Groups = append(a.Groups, design.Group{Slice: slice, Share: f})
	}
	return a, nil
}

// parseTraffic reads "50/s" as requests per second.
func parseTraffic(text string) (float64, error) {
	number, unit, _ := strings.Cut(text, "/")
	seconds := map[string]float64{"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}[strings.TrimSpace(unit)]
	f, ok := parseNumber(number)
	if !ok || seconds == 0 || f <= 0 || strings.Contains(number, "%") {
		return 0, usageError{fmt.Errorf("--traffic: %q is no traffic: want requests per time, for example 50/s, 3000/min or 2000000/d", text)}
	}
	return f / seconds, nil
}

// parseBaseline reads "8%", "refund=2%" or "revenue=12.5±40".
func parseBaseline(text string, p *experiment.Plan) (design.Value, error) {
	metric, value, named := strings.Cut(text, "=")
	if !named {
		metric, value = "", text
		if p.Reward != nil {
			metric = p.Reward.Metric
		}
	}
	if metric == "" {
		return design.Value{}, usageError{fmt.Errorf("--baseline: %q names no metric, and the experiment has no reward: want METRIC=MEAN", text)}
	}
	mean, deviation, has := strings.Cut(value, "±")
	if !has {
		mean, deviation, has = strings.Cut(value, "+-")
	}
	m, ok := parseNumber(mean)
	sd, good := 0.0, true
	if has {
		sd, good = parseNumber(deviation)
		good = good && sd > 0
	}
	if !ok || !good {
		return design.Value{}, usageError{fmt.Errorf("--baseline: %q is no value: want for example 8%%, refund=2%% or revenue=12.5±40", text)}
	}
	return design.Value{Metric: metric, Mean: m, SD: sd}, nil
}

// parseNumber reads "8%" or "0.08".
func parseNumber(text string) (float64, bool) {
	s, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	if percent {
		f /= 100
	}
	return f, true
}
