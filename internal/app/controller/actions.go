// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/headgate-dev/headgate/internal/action"
)

// addActions makes what does the actions of plans, and ends it with the manager.
func addActions(m manager.Manager, o *Options) (*action.Runner, error) {
	cluster, err := action.NewCluster(m.GetConfig(), m.GetRESTMapper())
	if err != nil {
		return nil, err
	}
	r := action.New(action.Options{Cluster: cluster, AllowExec: o.AllowExec, Image: o.ExecImage})
	end := manager.RunnableFunc(func(ctx context.Context) error {
		<-ctx.Done()
		r.Close()
		return nil
	})
	if err := m.Add(end); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}
