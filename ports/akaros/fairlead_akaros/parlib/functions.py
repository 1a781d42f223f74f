"""The functions behind parlib's gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct, pack
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.linux.structures import NANOSECONDS, TIMESPEC, i32
from fairlead.signal import Sig
from fairlead.syscall import Pending, Result, Syscall, Wake
from fairlead.thread import NewThread, Thread
from fairlead_akaros.abi import Errno
from fairlead_akaros.kernel.convention import GATE, POSIX
from fairlead_akaros.layouts import ARGENV
from fairlead_akaros.parlib.code import GATES

if TYPE_CHECKING:
    from fairlead_akaros.parlib.parlib import Parlib

__all__ = ["Functions"]

_MINUS_ONE = (1 << 64) - 1
_FAULT = Result(errno=Errno.EFAULT)
_RESUMED = Result(resumed=True)
_POINTER = Struct("<Q")
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1
_ARG_MAX = 1 << 20
_MOST_TEXT = 1 << 17
_TESTER_ARGUMENTS = 12


class Functions:
    """Each method is one function: C arguments as unsigned words, the answer as a word, or a wait."""

    def __init__(self, parlib: Parlib) -> None:
        self._parlib = parlib
        self._services = parlib.services
        self._memory = parlib.memory
        self._stack = parlib.services.machine.cpu.batch(("rsp",))
        signals = parlib.signals
        own: dict[str, Callable[[Sequence[int]], int | Result | Pending]] = {
            "abort_syscall_at_abs_unix": lambda a: parlib.alarms.abort_syscall_at_abs_unix(a[0]),
            "unset_alarm_with_free": lambda a: parlib.alarms.unset_alarm_with_free(a[0]),
            "go_usys_tester": self._tester,
            "futex": self._futex,
            "serialize_argv_envp": lambda a: self._serialize(a[0], a[1]),
            "free": lambda a: int(parlib.heap.free(a[0])),
            "malloc": lambda a: parlib.heap.malloc(a[0]) if a[0] < 1 << 40 else 0,
            "pthread_yield": lambda a: self._yield(),
            "pthread_self": lambda a: self._services.current.id,
            "pthread_create": lambda a: self._create(a[0], a[1], a[2]),
            "pthread_exit": lambda a: self._exit(a[0]),
            "pthread_kill": lambda a: signals.pthread_kill(self._uthread(i32(a[0])), i32(a[1])),
            "pthread_sigmask": lambda a: signals.pthread_sigmask(a[0], a[1], a[2]),
            "sigaction": lambda a: signals.sigaction(a[0], a[1], a[2]),
            "sigaltstack": lambda a: signals.sigaltstack(a[0], a[1]),
            "enable_profalarm": lambda a: parlib.profiling.enable(a[0] & 0xFFFF_FFFF_FFFF),
            "disable_profalarm": lambda a: parlib.profiling.disable(),
            "uthread_blockon_sysc": lambda a: parlib.blockon_sysc(a[0]),
            "stack_moved": lambda a: parlib.moves.old.moved(*a[:5]),
            "stack_taken": lambda a: parlib.moves.old.taken(a[0], a[1]),
            "stack_arguments": lambda a: parlib.moves.arguments(a[0]),
            "exit_sighandler": lambda a: signals.exit_sighandler(),
            "vcore_entry": lambda a: parlib.vcores.enter(),
        }
        self._functions = {GATE + number: own[name] for number, name in enumerate(GATES) if name in own}

    def call(self, call: Syscall) -> Result | Pending:
        """Serve a call of the gate's; nothing a guest does raises."""
        if call.number >= POSIX:
            answer = self._parlib.posix_call(call)
        else:
            function = self._functions.get(call.number)
            if function is None:
                return Result(errno=Errno.ENOSYS)
            try:
                given = function(call.arguments)
            except GuestFault:
                return _FAULT
            except GuestRefusal as refusal:
                return Result(errno=refusal.errno, errstr=refusal.errstr)
            answer = Result(given) if isinstance(given, int) else given
        if isinstance(answer, Pending) and not self._parlib.vcores.in_vcore_context():
            return self._uninterrupted(answer)
        return answer

    def _uninterrupted(self, pending: Pending) -> Pending:
        """On Akaros a signal for a uthread that waits is for when it runs again."""
        pending.interruptible = False
        resume = pending.resume

        def resumed(wake: Wake) -> Result | Pending:
            answer = resume(wake)
            return self._uninterrupted(answer) if isinstance(answer, Pending) else answer

        pending.resume = resumed
        return pending

    # -- threads ---------------------------------------------------------------------------------------

    def _uthread(self, identifier: int) -> Thread:
        thread = self._parlib.find(identifier)
        if thread is None:
            raise GuestRefusal(Errno.ESRCH)
        return thread

    def _yield(self) -> int:
        self._parlib.vcores.yield_()
        return 0

    def _create(self, pc: int, stack: int, fs_base: int) -> int:
        new = NewThread(pc, (stack & ~15) - 8, {"fs_base": fs_base}, id=self._parlib.next_id())
        return self._services.newosproc(new)

    def _exit(self, word: int) -> int:
        """End this uthread; a word is cleared for whoever waits to take its stack away."""
        thread = self._services.current
        if word:
            self._memory.write_u32(word, 0)
        self._services.end_thread(thread)
        if not self._parlib.uthreads:
            self._services.exit(0)
        return 0

    # -- the first table's -----------------------------------------------------------------------------

    def _tester(self, registers: Sequence[int]) -> int:
        """Print the twelve arguments, and fold the first seven into one word."""
        stack = self._stack.read()[0]
        words = list(registers)
        while len(words) < _TESTER_ARGUMENTS:
            words.append(self._memory.read_u64(stack + 8 * (len(words) - 5)))
        pairs = ", ".join(f"{name} = {word}" for name, word in zip("abcdefghijkl", words, strict=True))
        self._parlib.print(f"{pairs}\n")
        value = 0
        for shift, word in enumerate(words[:7]):
            value |= word << 8 * shift
        return value & _MINUS_ONE

    def _futex(self, arguments: Sequence[int]) -> int | Pending:
        """As user/pthread/futex.c: 0, how many were woken, or -1."""
        address, op, value, timeout, address2, value3 = arguments
        futexes = self._parlib.process.futexes
        if address2 or value3 & 0xFFFF_FFFF:  # it asserts that they are not used
            self._services.exit_by_signal(Sig.SIGABRT)
            return 0
        if op == _FUTEX_WAKE:
            woken = futexes.wake(address, max(0, i32(value)))
            if woken:
                self._services.trace("sched", f"futex {address:#x} wakes {woken}")
            return woken
        if op != _FUTEX_WAIT:
            return _MINUS_ONE
        deadline = None
        if timeout:
            seconds, nanoseconds = self._memory.unpack(TIMESPEC, timeout)
            deadline = self._services.machine.clock.now() + max(0, seconds * NANOSECONDS + nanoseconds)
        answer = futexes.wait(address, value & 0xFFFF_FFFF, deadline)
        if isinstance(answer, Result):
            return 0  # the word has another value
        resume = answer.resume

        def resumed(wake: Wake) -> Result | Pending:
            later = resume(wake)
            if isinstance(later, Result):
                return Result(_MINUS_ONE if later.errno == Errno.ETIMEDOUT else 0)
            return later

        answer.resume = resumed
        return answer

    def _serialize(self, argv: int, envp: int) -> int:
        """A struct serialized_data: a length, then a struct argenv with its strings (serialize.c)."""
        arguments, environment = self._strings(argv), self._strings(envp)
        strings = [*arguments, *environment]
        offsets, position = [], 0
        for text in strings:
            offsets.append(position)
            position += len(text)
        body = pack("<QQ", len(arguments), len(environment))
        body += b"".join(_POINTER.pack(offset) for offset in offsets) + b"".join(strings)
        assert len(body) >= ARGENV.size
        address = self._parlib.heap.malloc(8 + len(body))
        if address:
            self._memory.write(address, _POINTER.pack(len(body)) + body)
        return address

    def _strings(self, vector: int) -> list[bytes]:
        """The strings of a vector of pointers that ends with NULL, each with its NUL."""
        found: list[bytes] = []
        size = 0
        while vector and (at := self._memory.read_u64(vector)):
            found.append(self._memory.read_cstring(at, _MOST_TEXT) + b"\0")
            size += len(found[-1]) + 8
            if size > _ARG_MAX:
                raise GuestRefusal(Errno.E2BIG)
            vector += 8
        return found
