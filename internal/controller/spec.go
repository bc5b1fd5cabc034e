// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// text is an experiment as the one validator reads it: a file, an object at
// admission and an object in the cluster are told the same.
func text(obj *kube.Experiment) ([]byte, error) {
	obj = obj.DeepCopy()
	obj.APIVersion, obj.Kind = kube.GroupVersion().String(), kube.KindExperiment
	obj.Status, obj.ManagedFields = kube.ExperimentStatus{}, nil
	obj.Spec.Control = nil // A wish is no part of the plan, and a wrong one no reason to stall.
	written, err := json.Marshal(obj)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "write the experiment as JSON: %w", err)
	}
	return written, nil
}

// planOf reads the spec.
func (r *Reconciler) planOf(_ context.Context, obj *kube.Experiment) (*experiment.Plan, error) {
	written, err := text(obj)
	if err != nil {
		return nil, err
	}
	return translate.Plan(written)
}

// ignoreNotFound is err, or nothing where it says that the object is gone.
func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
