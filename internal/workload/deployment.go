// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// The annotations in which a Deployment remembers what was done to it.
const (
	// AnnotationCopied says by which action it was overwritten, and with what.
	AnnotationCopied = "headgate.dev/copied"
	// AnnotationReplaced is what it was before.
	AnnotationReplaced = "headgate.dev/replaced"
	// AnnotationRetired says by which action it was scaled down, and what it had.
	AnnotationRetired = "headgate.dev/retired"
	// AnnotationServed is with how many ready replicas it served when another
	// version took its traffic.
	AnnotationServed = "headgate.dev/served"
)

// maxKept bounds what is kept of a replaced template: all annotations of an
// object have 256 KiB.
const maxKept = 128 << 10

// deployment is a Deployment with all its fields.
type deployment struct{ *unstructured.Unstructured }

// template is what a copy takes: the pods' spec and annotations.
type template struct {
	Spec        map[string]any    `json:"spec"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// copied is the annotation of a copy.
type copied struct {
	Key string `json:"key"`
	// Template is the hash of what was written.
	Template string `json:"template"`
}

// replaced is the annotation of what a copy replaced.
type replaced struct {
	Template template `json:"template"`
}

// retired is the annotation of a scaling down.
type retired struct {
	Key      string `json:"key"`
	Replicas int64  `json:"replicas"`
}

// served is the annotation of what a version had when it served.
type served struct {
	Key   string `json:"key"`
	Ready int64  `json:"ready"`
}

// number reads an integer field; absent is otherwise.
func (d deployment) number(otherwise int64, fields ...string) int64 {
	n, found, err := unstructured.NestedInt64(d.Object, fields...)
	if err != nil || !found {
		return otherwise
	}
	return n
}

// replicas is how many are asked for; the API server fills in 1.
func (d deployment) replicas() int64 { return d.number(1, "spec", "replicas") }

func (d deployment) setReplicas(n int64) error {
	return unstructured.SetNestedField(d.Object, n, "spec", "replicas")
}

func (d deployment) template() (template, error) {
	spec, found, err := unstructured.NestedMap(d.Object, "spec", "template", "spec")
	if err != nil || !found {
		return template{}, experiment.Errorf(experiment.CodeInvalid, "Deployment %s/%s has no pod template", d.GetNamespace(), d.GetName())
	}
	annotations, _, err := unstructured.NestedStringMap(d.Object, "spec", "template", "metadata", "annotations")
	if err != nil {
		return template{}, experiment.Errorf(experiment.CodeInvalid, "Deployment %s/%s: annotations of its pods: %w", d.GetNamespace(), d.GetName(), err)
	}
	return template{Spec: spec, Annotations: annotations}, nil
}

// setTemplate writes what template gives, and leaves the pods' labels.
func (d deployment) setTemplate(t template) error {
	if err := unstructured.SetNestedMap(d.Object, t.Spec, "spec", "template", "spec"); err != nil {
		return err
	}
	if len(t.Annotations) == 0 {
		unstructured.RemoveNestedField(d.Object, "spec", "template", "metadata", "annotations")
		return nil
	}
	return unstructured.SetNestedStringMap(d.Object, t.Annotations, "spec", "template", "metadata", "annotations")
}

func (t template) equal(o template) bool {
	return reflect.DeepEqual(t.Spec, o.Spec) && maps.Equal(t.Annotations, o.Annotations)
}

// hash tells templates apart; JSON writes the keys of maps in order.
func (t template) hash() (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", experiment.Errorf(experiment.CodeInternal, "write a pod template as JSON: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// note reads an annotation of ours into v; false where there is none that can be
// read: then nothing is known.
func (d deployment) note(name string, v any) bool {
	text := d.GetAnnotations()[name]
	return text != "" && json.Unmarshal([]byte(text), v) == nil
}

// kept is what was replaced by a copy before; nil where nothing was.
func (d deployment) kept() any {
	var was replaced
	if !d.note(AnnotationReplaced, &was) {
		return nil
	}
	return was
}

// annotate writes an annotation of ours; nil takes it away.
func (d deployment) annotate(name string, v any) error {
	annotations := d.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	delete(annotations, name)
	if v != nil {
		text, err := json.Marshal(v)
		if err != nil {
			return experiment.Errorf(experiment.CodeInternal, "write annotation %s: %w", name, err)
		}
		if len(text) > maxKept {
			return experiment.Errorf(experiment.CodeInvalid, "Deployment %s/%s: its pod template has %d bytes, and more than %d cannot be kept beside a copy", d.GetNamespace(), d.GetName(), len(text), maxKept).
				WithHint("promote.how: pointer needs no copy")
		}
		annotations[name] = string(text)
	}
	d.SetAnnotations(annotations)
	return nil
}

// rolledOut says what is missing until all replicas are of the newest template
// and available; empty where nothing is.
func (d deployment) rolledOut() string {
	want := d.replicas()
	status := func(field string) int64 { return d.number(0, "status", field) }
	switch {
	case status("observedGeneration") < d.GetGeneration():
		return "its newest spec was not acted on yet"
	case d.failing() != "":
		return d.failing()
	case want == 0:
		return "it is scaled to 0 replicas"
	case status("updatedReplicas") < want:
		return fmt.Sprintf("%d of %d replicas are updated", status("updatedReplicas"), want)
	case status("replicas") > status("updatedReplicas"):
		return fmt.Sprintf("%d replicas of before are still there", status("replicas")-status("updatedReplicas"))
	case status("availableReplicas") < want:
		return fmt.Sprintf("%d of %d replicas are available", status("availableReplicas"), want)
	}
	return ""
}

// failing is why a rollout gave up; Kubernetes goes on trying all the same.
func (d deployment) failing() string {
	conditions, _, _ := unstructured.NestedSlice(d.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		failed := m["type"] == "Progressing" && m["status"] == "False" || m["type"] == "ReplicaFailure" && m["status"] == "True"
		if failed {
			return fmt.Sprintf("its rollout does not get on: %v: %v", m["reason"], m["message"])
		}
	}
	return ""
}
