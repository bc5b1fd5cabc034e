// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// jobKeeps is how long a Job that ended is kept, for people to look at.
const jobKeeps = int32(3600)

// inJob runs a command as a Job under the service account, and follows it. Each
// try is a Job of its own, whose name is made of the action's key: one that is
// there already is the same try, of a process before this one.
func (r *Runner) inJob(ctx context.Context, j *job, a *experiment.ExecAction) (result, error) {
	image := cmp.Or(a.Image, r.options.Image)
	if image == "" {
		return result{}, hopeless(invalid("a command in a cluster needs an image").WithHint("name one: exec: {image: …}"))
	}
	as, err := r.acting(&j.owner)
	if err != nil {
		return result{}, err
	}
	key := fmt.Sprintf("%s/%d", j.task.Key, j.try)
	made := jobOf(j, a, image, key, as)
	p, err := as.find(ctx, experiment.ObjectRef{APIVersion: "batch/v1", Kind: "Job", Name: made.Name}, "")
	if err != nil {
		return result{}, err
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(made)
	if err != nil {
		return result{}, hopeless(invalid("write the Job: %w", err))
	}
	defer func() {
		if errors.Is(context.Cause(ctx), errCalledOff) {
			as.takeAway(ctx, p)
		}
	}()
	_, err = p.resource.Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{FieldManager: FieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return result{}, as.failure(err, "create", p, "")
	}
	err = poll(ctx, func() error { return as.followed(ctx, p, key) })
	failed, ended := errors.AsType[jobFailed](err)
	switch {
	case err == nil:
		return result{}, nil
	case ended: // The next try is another Job.
		said := as.said(ctx, p.name, p.namespace)
		if said != "" {
			said = ": " + said
		}
		return result{}, unavailable("Job %s/%s failed: %s%s", p.namespace, p.name, failed.why, said)
	}
	return result{}, err
}

// jobFailed is a Job that ended in vain.
type jobFailed struct{ why string }

func (f jobFailed) Error() string { return f.why }

// followed says what a Job still lacks; final is one that will never be done, or
// is not ours.
func (a *actor) followed(ctx context.Context, p *place, key string) error {
	o, err := p.resource.Get(ctx, p.name, metav1.GetOptions{})
	if err != nil {
		return a.failure(err, "get", p, "")
	}
	if o.GetAnnotations()[Annotation] != key {
		return hopeless(experiment.Errorf(experiment.CodeConflict, "%s is there already, and is another's", p))
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions") // What is no list has no condition.
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["status"] != string(corev1.ConditionTrue) {
			continue
		}
		switch c["type"] {
		case string(batchv1.JobComplete):
			return nil
		case string(batchv1.JobFailed):
			reason, _ := c["reason"].(string)
			message, _ := c["message"].(string)
			return hopeless(jobFailed{reasonOf(reason, message)})
		}
	}
	return unavailable("%s has not ended yet", p)
}

// said is what a Job's pod said last, where the service account may read pods.
func (a *actor) said(ctx context.Context, job, namespace string) string {
	pods := a.client.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job, Limit: 1})
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	statuses, _, _ := unstructured.NestedSlice(list.Items[0].Object, "status", "containerStatuses") // What is no list says nothing.
	for _, s := range statuses {
		s, _ := s.(map[string]any)
		message, _, _ := unstructured.NestedString(s, "state", "terminated", "message")
		waiting, _, _ := unstructured.NestedString(s, "state", "waiting", "reason")
		if text := cmp.Or(message, waiting); text != "" {
			return lastOf(text)
		}
	}
	return ""
}

// takeAway deletes a Job that was called off.
func (a *actor) takeAway(ctx context.Context, p *place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	background := metav1.DeletePropagationBackground
	// One that cannot be deleted ends at its deadline.
	_ = p.resource.Delete(ctx, p.name, metav1.DeleteOptions{PropagationPolicy: &background})
}

// jobOf is the Job of a try: one pod, tried once, under the service account,
// without any right on its node.
func jobOf(j *job, a *experiment.ExecAction, image, key string, as *actor) *batchv1.Job {
	sum := sha256.Sum256([]byte(key))
	deadline, keeps, zero, yes, no, user := int64((j.timeout()-jobGrace)/time.Second), jobKeeps, int32(0), true, false, int64(65532)
	environ := []corev1.EnvVar{{Name: "SCRATCH_DIR", Value: "/scratch"}, {Name: "HOME", Value: "/scratch"}}
	for _, v := range environment(&j.task) {
		environ = append(environ, corev1.EnvVar{Name: v[0], Value: v[1]})
	}
	labels := map[string]string{"app.kubernetes.io/managed-by": "headgate", "app.kubernetes.io/component": "action"}
	limit := resource.MustParse("256Mi")
	// Kubernetes would take $(NAME) and $$ in a command for its own.
	command := make([]string, len(a.Command))
	for i, word := range a.Command {
		command[i] = strings.ReplaceAll(word, "$", "$$")
	}
	out := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "headgate-action-" + hex.EncodeToString(sum[:10]), Namespace: as.namespace, Labels: labels,
			Annotations: map[string]string{Annotation: key},
		},
		Spec: batchv1.JobSpec{BackoffLimit: &zero, ActiveDeadlineSeconds: new(max(deadline, 1)), TTLSecondsAfterFinished: &keeps},
	}
	out.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	out.Spec.Template.Labels = labels
	out.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, ServiceAccountName: as.account,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: &limit}}}},
		Containers: []corev1.Container{{
			Name: "action", Image: image, Command: command, Env: environ,
			// The end of what it prints is what the status tells of a failure.
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			VolumeMounts:             []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
			},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
	return out
}
