// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"cmp"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// traffic is what carries the shares. Where nothing moves them nothing is
// written, whatever fields there are: Iter8 left them alone too.
func traffic(e *api.Experiment, names *Names) v1alpha1.Traffic {
	if shift(e) == shiftNone {
		return v1alpha1.Traffic{None: &v1alpha1.NoTraffic{}}
	}
	return v1alpha1.Traffic{Fields: fields(e, names)}
}

// fields are the fields that hold the versions' weights.
func fields(e *api.Experiment, names *Names) []v1alpha1.FieldTraffic {
	var out []v1alpha1.FieldTraffic
	for i, v := range details(e) {
		if r := v.WeightObjRef; r != nil {
			out = append(out, v1alpha1.FieldTraffic{
				Version: names.Versions[i].Native, APIVersion: r.APIVersion, Kind: r.Kind,
				Namespace: cmp.Or(r.Namespace, namespaceOf(e)), Name: r.Name, Path: r.FieldPath,
			})
		}
	}
	return out
}
