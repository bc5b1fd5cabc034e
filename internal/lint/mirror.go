// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// longestMirror is how long validating takes; what lasts longer is a second
// production path.
const longestMirror = 14 * day

func (c *checker) mirror(at string, s *experiment.Stage, m *experiment.Mirror) {
	if !m.ByEvents && m.Rate == 0 && m.Cost == 0 && m.Share == experiment.Whole {
		c.add(CodeUnlimited, at+".mirror", "stage", s.Name, "times", len(c.plan.Versions))
	}
	if m.Until.AtMost > longestMirror {
		c.add(CodeShadowForever, at+".until.atMost", "stage", s.Name, "time", design.Days(m.Until.AtMost))
	}
	if len(s.Require) == 0 {
		c.add(CodeNoGate, at+".require", "stage", s.Name)
	}
	c.add(CodeSideEffects, at+".mirror", "stage", s.Name)
}

// modelNames finds candidates that would not know the model by the name that
// clients ask for.
func (c *checker) modelNames() {
	vs := c.plan.Versions
	renamed := func(v int) bool { return vs[v].Model != "" || vs[v].Path != nil }
	for v := 1; v < len(vs); v++ {
		a, b := modelName(vs[0].Backend), modelName(vs[v].Backend)
		if a != "" && b != "" && a != b && !renamed(0) && !renamed(v) {
			c.add(CodeModelName, fmt.Sprintf("spec.versions[%d].backend", v), "baseline", a, "candidate", b)
		}
	}
}

// modelName is the name that a model server would know a backend's model by, as
// far as its URL tells: a path of the inference protocols, or the service of a
// KServe predictor, whose model is called as the service is.
func modelName(backend string) string {
	u, err := url.Parse(backend)
	if err != nil {
		return ""
	}
	if _, after, ok := strings.Cut(u.Path, "/models/"); ok {
		name, _, _ := strings.Cut(after, "/")
		name, _, _ = strings.Cut(name, ":")
		return name
	}
	service, _, _ := strings.Cut(u.Hostname(), ".")
	if name, _, ok := strings.Cut(service, "-predictor"); ok {
		return name
	}
	return ""
}
