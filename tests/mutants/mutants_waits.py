"""Faults in what waits: futexes, pipes, polls, restarts (hook syscall)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

from fairlead.syscall import Pending, Result, Wake

__all__ = ["HOOK", "MUTANTS"]

HOOK = "syscall"
FUTEX = "fairlead.services.futex:FutexTable"
PIPE = "fairlead.services.pipes:Pipe"
EPOLL = "fairlead.services.polling:EpollDescription"
LINUX = "fairlead.services.linux"
SOME = 10


def loses_wakes(original):
    """Each tenth wake says that it has woken somebody."""
    numbers = count(1)

    def wake(self, address, count, bitset=0xFFFF_FFFF):
        if next(numbers) % SOME == 0 and self._waiters.get(address):
            return 1
        return original(self, address, count, bitset)

    return wake


def wakes_too_many(original):
    def wake(self, address, count, bitset=0xFFFF_FFFF):
        return original(self, address, 1 << 30, bitset)

    return wake


def waits_whatever_the_word_is(original):
    def wait(self, address, expected, *rest, **more):
        return original(self, address, self._memory.read_u32(address), *rest, **more)

    return wait


def waits_for_ever(original):
    def wait(self, address, expected, deadline=None, *rest, **more):
        return original(self, address, expected, None, *rest, **more)

    return wait


def time_is_not_told(original):
    """A wait that is over for its time says that it was woken."""

    def wait(self, *rest, **more):
        answer = original(self, *rest, **more)
        if isinstance(answer, Pending):
            resume = answer.resume
            answer.resume = lambda wake: Result() if wake is Wake.TIMEOUT else resume(wake)
        return answer

    return wait


def takes_all(original):
    """A write of which a part was taken says that all was."""

    def write(self, buffers):
        done = original(self, buffers)
        return done and sum(map(len, buffers))

    return write


def fills_all(original):
    def read(self, buffers):
        done = original(self, buffers)
        return done and sum(map(len, buffers))

    return read


def tells_nobody(original):
    def notify(self, events):
        pass

    return notify


def leaves_in_silence(original):
    """The last writer's end is not told."""

    def leave(self, *, reader, writer):
        self.readers -= reader
        self.writers -= writer

    return leave


def is_never_at_its_end(original):
    def read(self, buffers):
        done = original(self, buffers)
        return done or None

    return read


def keeps_the_processor(original):
    """Who waits for a pipe takes the machine with it for a second."""

    def wait_ready(process, description, resume):
        process.services.machine.clock.charge(10**9)
        return original(process, description, resume)

    return wait_ready


def never_in_time(original):
    def milliseconds(timeout):
        return original(timeout) and None

    return milliseconds


def announces_nothing(original):
    def announce(self, watch):
        self._ready[watch] = None

    return announce


def forgets_the_restart(original):
    """SA_RESTART or not, the call says EINTR."""

    def end_call(self, cpu, thread, action):
        original(self, cpu, thread, action._replace(flags=0))

    return end_call


def always_restarts(original):
    def end_call(self, cpu, thread, action):
        original(self, cpu, thread, action._replace(flags=0x1000_0000))

    return end_call


def says_nothing_remains(original):
    def nanosleep(process, wanted, remaining):
        return original(process, wanted, 0)

    return nanosleep


MUTANTS = (
    Mutant(
        "a futex loses some wakes",
        ("opensbi",),
        f"{FUTEX}.wake",
        loses_wakes,
        "syscall.futex",
        limit="2s",
    ),
    Mutant("a futex wakes everybody", ("opensbi",), f"{FUTEX}.wake", wakes_too_many, "syscall.futex"),
    Mutant(
        "a futex waits whatever its word is",
        ("opensbi",),
        f"{FUTEX}.wait",
        waits_whatever_the_word_is,
        "syscall.futex",
    ),
    Mutant("a futex knows no timeout", ("linux-riscv64",), f"{FUTEX}.wait", waits_for_ever, "syscall.futex"),
    Mutant(
        "a futex wait's timeout looks like a wake",
        ("opensbi",),
        f"{FUTEX}.wait",
        time_is_not_told,
        "syscall.futex",
    ),
    Mutant(
        "a short write is said to be whole",
        ("akaros",),
        f"{PIPE}.write",
        takes_all,
        "syscall.nonblocking",
    ),
    Mutant("a short read is said to be whole", ("opensbi",), f"{PIPE}.read", fills_all, "syscall.short"),
    Mutant(
        "pipes tell nobody",
        ("opensbi", "akaros"),
        "fairlead.services.readiness:Readiness.notify",
        tells_nobody,
        "syscall.polling",
    ),
    Mutant(
        "a writer's leaving is not told",
        ("linux-amd64",),
        f"{PIPE}.leave",
        leaves_in_silence,
        "syscall.polling",
        limit="1s",
    ),
    Mutant(
        "a pipe has no end", ("opensbi",), f"{PIPE}.read", is_never_at_its_end, "syscall.short", limit="1s"
    ),
    Mutant(
        "a read stops the world",
        ("opensbi",),
        f"{LINUX}.transfers:wait_ready",
        keeps_the_processor,
        "syscall.blocking",
    ),
    Mutant(
        "poll knows no timeout",
        ("opensbi",),
        f"{LINUX}.polling:_milliseconds",
        never_in_time,
        "syscall.polling",
        limit="2s",
    ),
    Mutant(
        "epoll says nothing of what becomes ready",
        ("linux-riscv64",),
        f"{EPOLL}._announce",
        announces_nothing,
        "syscall.polling",
    ),
    Mutant(
        "SA_RESTART is not heard",
        ("linux-amd64",),
        f"{LINUX}.delivery:Delivery._end_call",
        forgets_the_restart,
        "syscall.restarted",
        limit="2s",
    ),
    Mutant(
        "calls are made again whatever the handler wants",
        ("opensbi",),
        f"{LINUX}.delivery:Delivery._end_call",
        always_restarts,
        "syscall.interrupted",
    ),
    Mutant(
        "the rest of an interrupted sleep is not told",
        ("opensbi",),
        f"{LINUX}.time:HANDLERS[nanosleep]",
        says_nothing_remains,
        "syscall.interrupted",
    ),
)
