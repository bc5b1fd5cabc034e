// SPDX-License-Identifier: Apache-2.0

package iter8

import "fmt"

// Reason is the reason of a condition, in Iter8's words.
type Reason string

// The reasons.
const (
	ExperimentInitialized      Reason = "ExperimentInitialized"
	TargetAcquired             Reason = "TargetAcquired"
	StageAdvanced              Reason = "StageAdvanced"
	HandlerLaunched            Reason = "HandlerLaunched"
	HandlerFailed              Reason = "HandlerFailed"
	IterationUpdate            Reason = "IterationUpdate"
	ExperimentCompleted        Reason = "ExperimentCompleted"
	MetricUnavailable          Reason = "MetricUnavailable"
	MetricsUnreadable          Reason = "MetricsUnreadable"
	WeightRedistributionFailed Reason = "WeightRedistributionFailed"
	InvalidExperiment          Reason = "InvalidExperiment"
	// Of these two Iter8 knew nothing: a provider that does not answer ended an
	// experiment there, and nobody could stop one.
	OnHold Reason = "OnHold"
	Killed Reason = "Killed"
)

// Problem is why an experiment cannot be run. Message is Iter8's own where Iter8
// had one.
type Problem struct {
	Reason  Reason
	Message string
	// Hint says what to do; it may be empty.
	Hint string
}

func (p *Problem) Error() string {
	if p.Hint == "" {
		return p.Message
	}
	return p.Message + " (" + p.Hint + ")"
}

// invalid is a problem of the experiment itself.
func invalid(format string, args ...any) *Problem {
	return &Problem{Reason: InvalidExperiment, Message: fmt.Sprintf(format, args...)}
}

// unreadable is a problem of a metric.
func unreadable(metric, format string, args ...any) *Problem {
	return &Problem{Reason: MetricsUnreadable, Message: "Unable to load metric " + metric, Hint: fmt.Sprintf(format, args...)}
}

// hint says what to do about a problem.
func (p *Problem) hint(format string, args ...any) *Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}
