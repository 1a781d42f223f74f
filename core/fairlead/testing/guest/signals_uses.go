package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	part("signals.notify", notify)
	part("signals.profile", profile)
}

// notify tells channels of signals; Ignore, Stop and Reset end that.
func notify([]string) string {
	var f findings
	one, all := make(chan os.Signal, 10), make(chan os.Signal, 10)
	next := func(from chan os.Signal) os.Signal {
		select {
		case got := <-from:
			return got
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	}
	raise := func(sig syscall.Signal) { syscall.Kill(syscall.Getpid(), sig) }
	signal.Notify(one, usr1)
	signal.Notify(all, usr1, usr2, syscall.SIGHUP, syscall.SIGTERM, syscall.Signal(40))
	for _, sig := range []syscall.Signal{usr1, usr2, syscall.SIGHUP, syscall.SIGTERM, 40, usr1} {
		raise(sig)
		got := next(all)
		f.want(got == sig, "for %v came %v", sig, got)
	}
	f.want(next(one) == usr1 && next(one) == usr1 && len(one) == 0, "SIGUSR1 did not come twice")
	signal.Stop(one)
	raise(usr1)
	f.want(next(all) == usr1 && len(one) == 0, "a channel that was stopped was told of a signal")
	signal.Ignore(syscall.SIGHUP)
	raise(syscall.SIGHUP)
	raise(usr2)
	f.want(next(all) == usr2 && len(all) == 0, "an ignored signal came")
	f.want(signal.Ignored(syscall.SIGHUP), "an ignored signal is not known as ignored")
	signal.Notify(one, syscall.SIGHUP)
	raise(syscall.SIGHUP)
	f.want(next(one) == syscall.SIGHUP, "a signal that was ignored before did not come")
	signal.Reset(usr1)
	raise(usr1) // which Go catches anyway (runtime/sigtab_linux_generic.go: no _SigKill)
	raise(usr2)
	f.want(next(all) == usr2 && len(all) == 0, "a signal that was reset came")
	return f.result()
}

// profile samples at 100 Hz what runs, and nothing else.
func profile([]string) string {
	var out bytes.Buffer
	runtime.LockOSThread() // which waits
	if err := pprof.StartCPUProfile(&out); err != nil {
		return err.Error()
	}
	start := time.Now()
	var group sync.WaitGroup
	var busy atomic.Int64
	for range 2 {
		group.Go(func() {
			pprof.Do(context.Background(), pprof.Labels("kit", "busy"), func(context.Context) {
				for time.Since(start) < 200*time.Millisecond {
					for n := range 3000 {
						busy.Add(int64(n))
					}
				}
			})
		})
	}
	group.Wait()
	took := time.Since(start)
	pprof.StopCPUProfile()
	reader, err := gzip.NewReader(&out)
	if err != nil {
		return err.Error()
	}
	raw, err := io.ReadAll(reader)
	if err != nil {
		return err.Error()
	}
	var f findings
	samples, labelled := samplesOf(raw)
	due := int(took / (10 * time.Millisecond))
	f.want(samples >= due/2 && samples <= 2*due+2, "%v of one busy CPU gave %d samples, at 100 a second", took,
		samples)
	f.want(labelled >= samples*3/4, "of %d samples %d were taken where the work is", samples, labelled)
	return f.result()
}

// samplesOf counts the samples of a profile.proto, and those with a label. Message Profile has in field 2
// messages Sample, with values in field 2, of which the first is a count, and labels in field 3.
func samplesOf(raw []byte) (samples, labelled int) {
	fields(raw, func(number, _ uint64, sample []byte) {
		if number != 2 {
			return
		}
		count, label := -1, false
		fields(sample, func(number, value uint64, packed []byte) {
			switch {
			case number == 2 && count < 0:
				if packed != nil {
					value, _ = binary.Uvarint(packed)
				}
				count = int(value)
			case number == 3:
				label = true
			}
		})
		samples += max(count, 0)
		if label {
			labelled += max(count, 0)
		}
	})
	return
}

// fields goes through a message of protocol buffers.
func fields(raw []byte, each func(number, value uint64, data []byte)) {
	for len(raw) > 0 {
		tag, n := binary.Uvarint(raw)
		value, m := binary.Uvarint(raw[n:])
		raw = raw[n+m:]
		if tag&7 == 2 {
			each(tag>>3, 0, raw[:value])
			raw = raw[value:]
		} else {
			each(tag>>3, value, nil)
		}
	}
}
