// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/routers"
)

// Place says where the routes of an experiment are, for the next process that
// wants to write them. It holds no credential.
type Place struct {
	// Kubeconfig is the file, empty for the default ones, and Context the context
	// of it.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Context    string `json:"context,omitempty"`
	// Server is the API server's URL: a context that leads elsewhere later is
	// refused.
	Server string `json:"server"`
}

// kept is what an experiment's directory holds besides the record.
type kept struct {
	Place
	// UID tells the experiment from all others that there ever were.
	UID string `json:"uid"`
}

// placeFile is the name of its file.
const placeFile = "cluster.json"

// keep reads what the directory holds, or makes it. Routes of another API server
// are another experiment's.
func keep(dir string, at Place) (kept, error) {
	k, err := readKept(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.UID = "laptop-" + rand.Text()
	case err != nil:
		return k, err
	case k.Server != at.Server:
		return k, experiment.Errorf(experiment.CodeConflict, "what is kept in %s is of the cluster %s, not of %s", dir, k.Server, at.Server).
			WithHint("choose another directory with --data, or the context of that cluster")
	}
	k.Place = at
	text, err := json.Marshal(k)
	if err != nil {
		return k, experiment.Errorf(experiment.CodeInternal, "note the cluster: %w", err)
	}
	name := filepath.Join(dir, placeFile)
	if err = os.WriteFile(name+".new", text, 0o600); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return k, experiment.Errorf(experiment.CodeUnavailable, "note the cluster: %w", err)
	}
	return k, nil
}

// readKept reads what the directory holds; fs.ErrNotExist where no cluster
// carries its traffic.
func readKept(dir string) (k kept, err error) {
	text, err := os.ReadFile(filepath.Join(dir, placeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return k, experiment.Errorf(experiment.CodeInvalid, "read which cluster carries the traffic: %w", err).
			WithHint("write the route by hand; %s is damaged", filepath.Join(dir, placeFile))
	}
	return k, nil
}

// PlaceOf says where the routes of the experiment in a directory are; false where
// no cluster carries its traffic.
func PlaceOf(dir string) (Place, bool, error) {
	k, err := readKept(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, false, nil
	}
	return k.Place, true, err
}

// Back is what became of a way back.
type Back struct {
	// Experiment is its name, Baseline the version that has the traffic.
	Experiment, Baseline string
	// Routes are the objects that were written; none where they said so already.
	Routes []string
}

// RouteBack gives the baseline of the experiment in a directory all traffic,
// without the process that ran it and under the caller's rights. It asks neither
// the record's lock nor a claim (D3).
func RouteBack(ctx context.Context, dir string, config *rest.Config) (out Back, err error) {
	store, err := sqlite.Open(ctx, filepath.Join(dir, desk.RecordFile))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ids, err := store.List(ctx)
	if err != nil {
		return out, err
	}
	if len(ids) != 1 {
		return out, experiment.Errorf(experiment.CodeInvalid, "%s holds %d records: want one", dir, len(ids))
	}
	plan, err := lastPlan(ctx, store, ids[0])
	if err != nil {
		return out, err
	}
	c, err := connect(config)
	if err != nil {
		return out, err
	}
	r, err := routers.New(plan)
	if err != nil {
		return out, err
	}
	result, err := c.routes.Apply(ctx, r, router.KilledTraffic(plan))
	out.Experiment, out.Baseline = plan.ID(), plan.Versions[0].Name
	for _, w := range result.Written {
		out.Routes = append(out.Routes, w.Target.String())
	}
	return out, err
}
