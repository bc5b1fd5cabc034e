// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/headgate-dev/headgate/internal/load"
)

// loadProgress tells on stderr how far a load is: one line that is redrawn on a
// terminal, else a line at each milestone.
type loadProgress struct {
	to         io.Writer
	width      int // of the terminal, 0 for none
	milestones load.Milestones
	drawn      bool
}

// newLoadProgress judges stderr by itself: stdout may be a file.
func newLoadProgress(s IO) *loadProgress {
	p := &loadProgress{to: s.Err}
	if f, ok := s.Err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.width = 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			p.width = w
		}
	}
	return p
}

func (p *loadProgress) show(r load.Report) {
	p.tell(r.Line, func() bool { return p.milestones.Reached(r, time.Now()) })
}

func (p *loadProgress) tell(line func() string, due func() bool) {
	switch {
	case p.width > 0:
		p.drawn = true
		fmt.Fprint(p.to, "\r\x1b[2K"+clip(line(), p.width-1, false))
	case due():
		fmt.Fprintln(p.to, line())
	}
}

func (p *loadProgress) showPairs(r load.PairProgress) {
	p.tell(r.Line, func() bool { return p.milestones.ReachedPairs(r, time.Now()) })
}

// close takes the line away; the report says it all, and better.
func (p *loadProgress) close() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[2K")
	}
}
