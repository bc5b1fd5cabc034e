// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	// witnessEvery is how often a witness looks at the clock, and stalledFrom how
	// late it must be for a stall.
	witnessEvery = 500 * time.Microsecond
	stalledFrom  = 250 * time.Microsecond
	// recovery is how much longer than a stall its consequences last, in its own
	// length: at 40 % load, what has come meanwhile is worked off in two thirds of
	// it.
	recovery = 2
)

// The priorities of threads: a load that waits for the models beside it would
// call its own lateness the proxy's, and so would one whose models wait for
// something else.
const (
	echoPriority    = 30
	pacerPriority   = 40
	witnessPriority = 50
)

// span is a time and the end of it.
type span struct{ from, to time.Time }

func (s span) overlaps(o span) bool { return s.from.Before(o.to) && o.from.Before(s.to) }

// witness tells when a processor stood still. Its thread comes before all
// others there, sleeps, and wakes up in time unless the host has taken the
// processor away; whatever the programs under test do, it does not wait for them.
type witness struct {
	stop   chan struct{}
	stalls chan []span
}

// newWitness gives nil where it may not have such a thread.
func newWitness(cpu int) *witness {
	w := &witness{stop: make(chan struct{}), stalls: make(chan []span, 1)}
	ready := make(chan bool)
	go func() {
		runtime.LockOSThread() // It ends with the goroutine.
		ready <- settled(cpu) && foremost(witnessPriority)
		w.stalls <- w.watch()
	}()
	if !<-ready {
		close(w.stop)
		return nil
	}
	return w
}

// settled has the calling thread stay on one processor.
func settled(cpu int) bool {
	var set [16]uint64
	set[cpu/64] = 1 << (cpu % 64)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	return errno == 0
}

// foremost has the calling thread run before all of a lower priority and before
// all that have none.
func foremost(priority int32) bool {
	const fifo = 1
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority)))
	return errno == 0
}

func (w *witness) watch() (stalls []span) {
	every := syscall.NsecToTimespec(int64(witnessEvery))
	for before := time.Now(); ; {
		select {
		case <-w.stop:
			return stalls
		default:
		}
		// Raw, so that the thread waits for none of its own process either.
		_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&every)), 0, 0)
		now := time.Now()
		if late := now.Sub(before) - witnessEvery; late > stalledFrom {
			stalls = append(stalls, span{now.Add(-late), now.Add(recovery * late)})
		}
		before = now
	}
}

// end gives the stalls.
func (w *witness) end() []span {
	close(w.stop)
	return <-w.stalls
}

// mostWitnesses bounds how many there are: each keeps one of the runtime's
// processors.
const mostWitnesses = 8

// witnesses are one for each processor that there is; none where that is not
// allowed.
func witnesses() (all []*witness) {
	for len(all) < mostWitnesses {
		w := newWitness(len(all))
		if w == nil {
			break
		}
		all = append(all, w)
	}
	return all
}
