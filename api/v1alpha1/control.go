// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Control is a person's wish. It is obeyed once; another one is obeyed when any
// of its fields changes.
type Control struct {
	// ID tells two equal wishes apart.
	//
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id,omitempty"`
	// Verb is kill, lift, pause, resume, promote, abort, retry, approve, freeze
	// or learn.
	//
	// +kubebuilder:validation:Enum=kill;lift;pause;resume;promote;abort;retry;approve;freeze;learn
	Verb string `json:"verb"`
	// Version is the one to promote, where several candidates are left.
	//
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version,omitempty"`
	// Override promotes in spite of known harm. It needs a reason.
	Override bool `json:"override,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Reason string `json:"reason,omitempty"`
	// +kubebuilder:validation:MaxLength=1000
	Author string `json:"author,omitempty"`
}
