package main

import (
	"fmt"
	"syscall"
)

// Calls of the kit's own (testing/adversity.py): writes to descriptors that nobody has.
const (
	beginSignals  = 0x4B495400 + iota // of a round of a sweep of signals, SIGUSR2; the window's bounds
	endSignals                        // of a round; how many steps further the next one's comes
	beginAbsences                     // as with signals; time passes, more than a thread's share
	endAbsences
	leap   // so many nanoseconds pass at once
	refuse // so many new threads are refused
	greet  // every new thread has a SIGURG waiting, if it is not 0; how many did not block it at first
)

// adversity makes one of these calls; its answer.
func adversity(call, a, b uintptr) uintptr {
	answer, _, err := syscall.RawSyscall(syscall.SYS_WRITE, call, a, b)
	if err != 0 {
		panic(fmt.Sprintf("run it with --adversity: call %#x said %v", call, err))
	}
	return answer
}

// sweep makes rounds until what comes at each step in turn comes after the round's end; how many rounds there
// were, and how many places between start and end were interrupted. It stops at a round that says something.
func sweep(begin, stride, start, end uintptr, round func() string) (rounds, places int, said string) {
	for rounds = 1; rounds < 20_000; rounds++ {
		adversity(begin, start, end)
		said = round()
		done := adversity(begin+1, stride, 0)
		if said != "" {
			return rounds, 0, fmt.Sprintf("%s, in round %d of the sweep", said, rounds)
		}
		if done != 0 {
			return rounds, int(done - 1), ""
		}
	}
	return rounds, 0, "the sweep has no end"
}
