// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// configMap is the kind that Headgate's own gateways follow.
var configMap = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// liveMaps is the cache for all but ConfigMaps: these are read when they are
// wanted. A cache of them would need the right to read every one, and hold them
// all in memory.
type liveMaps struct {
	client.Reader
	live client.Reader
}

// Get reads an object.
func (l liveMaps) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if o.GetObjectKind().GroupVersionKind() == configMap {
		return l.live.Get(ctx, key, o, options...)
	}
	return l.Reader.Get(ctx, key, o, options...)
}
