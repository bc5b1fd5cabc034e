// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/internal/apiclient"
	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/view"
)

// target is the running Headgate that a verb talks to: a process on this machine,
// by its directory, or a cluster.
type target struct {
	data    string
	cluster inCluster
}

// flag defines the flags that say which Headgate is meant.
func (t *target) flag(c *cobra.Command) {
	t.localFlag(c)
	t.cluster.flag(c)
	for _, name := range clusterNames {
		if c.Flags().Lookup(name) != nil {
			c.MarkFlagsMutuallyExclusive("data", name)
		}
	}
}

// localFlag is for what only a process on this machine does.
func (t *target) localFlag(c *cobra.Command) {
	c.Flags().StringVar(&t.data, "data", defaultData, "the directory of the run to talk to")
}

func (t *target) local() *apiclient.Client {
	return apiclient.New(filepath.Join(t.data, desk.SocketName))
}

func (t *target) client() (remote, error) {
	if t.cluster.meant() {
		return t.cluster.connect()
	}
	return t.local(), nil
}

// name is the experiment that the arguments name; empty means the only one.
func nameOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// completionTime is how long a shell waits for names.
const completionTime = 500 * time.Millisecond

// complete offers the names of running experiments.
func (t *target) complete(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := t.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	views, err := client.List(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, len(views))
	for i, v := range views {
		names[i] = name(v)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// format is an output format and those that a command has.
type format struct {
	value string
	known []string
}

func (f *format) flag(c *cobra.Command, known ...string) {
	f.known = append([]string{"text"}, known...)
	c.Flags().StringVarP(&f.value, "output", "o", "text", strings.Join(f.known, ", "))
	complete := cobra.FixedCompletions(f.known, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
}

func (f *format) check() error {
	if slices.Contains(f.known, f.value) {
		return nil
	}
	return usageError{fmt.Errorf("--output: unknown format %q: want one of %s", f.value, strings.Join(f.known, ", "))}
}

// write writes a value as JSON or YAML; false for other formats.
func (f *format) write(w io.Writer, v any) (bool, error) {
	if f.value != "json" && f.value != "yaml" {
		return false, nil
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return true, err
	}
	if f.value == "json" {
		_, err = fmt.Fprintf(w, "%s\n", text)
		return true, err
	}
	// YAML by way of JSON, so that both have the same fields in the same order.
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return true, err
	}
	plain(&node)
	text, err = yaml.Marshal(&node)
	if err == nil {
		_, err = w.Write(text)
	}
	return true, err
}

// writeLine writes a value as one line of JSON.
func writeLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// plain takes JSON's brackets and quotes out of a YAML tree.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
}

// author is who a command is recorded under: the user of this machine.
func author() string {
	for _, key := range []string{"HEADGATE_AUTHOR", "USER", "LOGNAME"} {
		if v := os.Getenv(key); v != "" {
			return v
		}
	}
	return "somebody"
}

// views gives the named experiment, or all.
func (t *target) views(c *cobra.Command, args []string) ([]view.Experiment, error) {
	client, err := t.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if len(args) == 0 {
		return client.List(c.Context())
	}
	v, err := client.View(c.Context(), args[0])
	return []view.Experiment{v}, err
}
