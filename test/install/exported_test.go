// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bufio"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	_ "sigs.k8s.io/controller-runtime/pkg/controller" // Registers what every controller exports.
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	processgateway "github.com/headgate-dev/headgate/internal/app/gateway"
	"github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/gateway"
	"github.com/headgate-dev/headgate/internal/ledger"
	"github.com/headgate-dev/headgate/internal/source/sources"
)

// described takes metrics that are registered, by their names, with the names
// of their labels.
type described map[string][]string

// desc is how a prometheus.Desc writes itself; it tells nothing otherwise.
var desc = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{([^}]*)\}\}$`)

func (d described) Register(c prometheus.Collector) error {
	all := make(chan *prometheus.Desc)
	go func() {
		c.Describe(all)
		close(all)
	}()
	for one := range all {
		if m := desc.FindStringSubmatch(one.String()); m != nil {
			d[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
		}
	}
	return nil
}

func (d described) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = d.Register(c) // It never fails.
	}
}

func (d described) Unregister(prometheus.Collector) bool { return true }

// exported are all metrics that Headgate's processes export in a cluster.
func exported(t *testing.T) described {
	t.Helper()
	d := described{}
	if _, err := controller.NewMetrics(d); err != nil {
		t.Fatal(err)
	}
	if err := new(sources.Shared).Register(d); err != nil {
		t.Fatal(err)
	}
	d.MustRegister(ctrlmetrics.Registry.(*prometheus.Registry)) // Of the library, and of the process.
	key, err := experiment.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.New(gateway.Options{Key: key, Registry: d}); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{Key: key, Registry: d})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.scrape(t)
	return d
}

// scrape adds what a gateway's process exports beside its gateway.
func (d described) scrape(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	p, err := processgateway.Start(t.Context(), processgateway.Options{
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Data: filepath.Join(dir, "data"), Snapshot: filepath.Join(dir, "snapshot.json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	res, err := http.Get(p.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 2 && words[0] == "#" && words[1] == "TYPE" && d[words[2]] == nil {
			d[words[2]] = []string{}
		}
	}
}
