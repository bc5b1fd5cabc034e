// SPDX-License-Identifier: Apache-2.0

package clustercli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate-dev/headgate/internal/view"
)

func TestReadingFromACluster(t *testing.T) {
	w := newWorld(t)
	w.apply(t, "ranker")
	w.begin(t, "ranker")
	w.apply(t, "idle")

	t.Run("get shows what was recorded and what has not begun", func(t *testing.T) {
		code, out, talk := headgate(t, w.Kubeconfig, "get", "-n", namespace)
		want(t, 0, code, out, "search/ranker", "running", "canary", "90/10", "search/idle", "waiting")
		want(t, 0, code, talk, "search/idle: no controller has seen it yet")
		code, out, _ = headgate(t, w.Kubeconfig, "get", "-A", "-o", "name")
		want(t, 0, code, out, "search/idle\nsearch/ranker\n")
	})
	t.Run("the view is the one of all faces", func(t *testing.T) {
		code, out, _ := headgate(t, w.Kubeconfig, "get", "ranker", "-n", namespace, "-o", "json")
		var v view.Experiment
		if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 {
			t.Fatalf("code %d, %v: %s", code, err, out)
		}
		if v.Name != "ranker" || v.Namespace != namespace || len(v.Versions) != 2 || v.Versions[1].Share != 0.1 || v.Plan == "" {
			t.Errorf("view %+v", v)
		}
	})
	t.Run("describe, explain, assert and watch answer", func(t *testing.T) {
		code, out, talk := headgate(t, w.Kubeconfig, "describe", "ranker", "-n", namespace)
		want(t, 0, code, out+talk, "Experiment search/ranker", "DECISIONS")
		code, out, talk = headgate(t, w.Kubeconfig, "describe", "idle", "-n", namespace)
		want(t, 0, code, out+talk, "NOT BEGUN")
		code, out, talk = headgate(t, w.Kubeconfig, "explain", "search/ranker", "--cluster")
		want(t, 0, code, out+talk, "experiment search/ranker")
		code, out, talk = headgate(t, w.Kubeconfig, "explain", "search/ranker", "--unit", "u1")
		want(t, 2, code, out+talk, "each request is drawn anew")
		code, out, talk = headgate(t, w.Kubeconfig, "assert", "ranker", "-n", namespace, "--for", "completed")
		want(t, 4, code, out+talk, "undecided")
		code, out, talk = headgate(t, w.Kubeconfig, "status", "ranker", "-n", namespace, "--timeout", "5s")
		want(t, 4, code, out+talk, "not decided yet")
	})
	t.Run("the journal replays from the cluster and from a file", func(t *testing.T) {
		code, out, talk := headgate(t, w.Kubeconfig, "replay", "ranker", "-n", namespace)
		want(t, 0, code, out+talk, "2 entries replayed")
		code, out, talk = headgate(t, w.Kubeconfig, "export", "ranker", "-n", namespace)
		want(t, 0, code, out+talk, `"seq":0`)
		file := filepath.Join(t.TempDir(), "ranker.ndjson")
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, talk = headgate(t, w.Kubeconfig, "report", "ranker", "-n", namespace, "-o", "md")
		want(t, 0, code, out+talk, "ranker")
	})
	t.Run("a name that means nothing is an error that says so", func(t *testing.T) {
		code, out, talk := headgate(t, w.Kubeconfig, "describe", "-n", namespace)
		want(t, 1, code, out+talk, "2 experiments", "idle, ranker")
		code, out, talk = headgate(t, w.Kubeconfig, "describe", "nobody", "-n", namespace)
		want(t, 1, code, out+talk, "nobody", "not found")
		code, out, talk = headgate(t, w.Kubeconfig, "get", "-n", "empty")
		want(t, 0, code, out+talk, "NAME")
	})
	t.Run("without the right to read it says which role has it", func(t *testing.T) {
		stranger := w.KubeconfigOf(t, w.ServiceAccount(t, "people", "stranger"))
		code, out, talk := headgate(t, stranger, "get", "-n", namespace)
		want(t, 1, code, out+talk, "cannot list", "headgate-view")
	})
}
