// Package parlib lets a program handle signals of the process itself, as the akaros port processes them:
// they come in vcore context, where little can be done, and are passed on to a function of the program's.
package parlib

import (
	"sync"
	_ "unsafe" // for go:linkname
)

// NSIG is one more than the highest signal number.
const NSIG = 65

// A SignalHandler is called with the number of a signal, on a goroutine of its own kind.
type SignalHandler func(sig int)

var (
	lock     sync.Mutex
	handlers [NSIG]SignalHandler
	start    sync.Once
)

//go:linkname handle
func handle(signr int, on bool)

//go:linkname due
func due() uint64

// Signal makes handler what signal signr of the process comes to; nil puts Go's own way back. It returns the
// handler before, and 0, or -1 for a number that is no signal's.
func Signal(signr int, handler SignalHandler) (SignalHandler, int) {
	if signr < 1 || signr >= NSIG {
		return nil, -1
	}
	start.Do(func() { go process() })
	lock.Lock()
	defer lock.Unlock()
	old := handlers[signr]
	handlers[signr] = handler
	handle(signr, handler != nil)
	return old, 0
}

func process() {
	for {
		for signr, signals := 1, due(); signals != 0; signr, signals = signr+1, signals>>1 {
			if signals&1 == 0 {
				continue
			}
			lock.Lock()
			handler := handlers[signr]
			lock.Unlock()
			if handler != nil {
				handler(signr)
			}
		}
	}
}
