"""Faults in threads: who they are, where they start, how they end (hook newosproc)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

__all__ = ["HOOK", "MUTANTS"]

HOOK = "newosproc"

THREADS = "fairlead.services.linux.threads:HANDLERS"
NEWOSPROC = {
    "opensbi": "fairlead_opensbi.ethanol.kernel:Ethanol.newosproc",
    "akaros": "fairlead_akaros.akaros:Akaros.newosproc",
    "linux": "fairlead_linux.kernel:Kernel.newosproc",
}
FEW = 6
"""Threads that start as they should, so that a small program does not notice."""


def one_id_for_all(original):
    def gettid(process):
        return process.pid

    return gettid


def no_id(original):
    def gettid(process):
        return 0

    return gettid


def another_id_each_time(original):
    numbers = count()

    def gettid(process):
        return original(process) + next(numbers) % 2

    return gettid


def answers_the_creators_id(original):
    def newosproc(self, thread):
        original(self, thread)
        return self._services.current.id

    return newosproc


def answers_no_id(original):
    def newosproc(self, thread):
        original(self, thread)
        return 0

    return newosproc


def later(change):
    """From some thread on, another one than was asked for."""

    def fault(original):
        numbers = count()

        def newosproc(self, thread):
            return original(self, change(self, thread) if next(numbers) >= FEW else thread)

        return newosproc

    return fault


def above_its_stack(self, thread):
    return thread._replace(sp=thread.sp + 64)


def unaligned(self, thread):
    return thread._replace(sp=thread.sp - 8)


def with_the_creators_g(self, thread):
    cpu = self._services.machine.cpu
    register = "x27" if cpu.arch == "riscv64" else "fs_base"
    return thread._replace(registers={**thread.registers, register: cpu.get(register)})


def without_inheritance(self, thread):
    return thread._replace(inherit=False)


def few_threads(original):
    return 100


def ends_the_process(original):
    def exit_thread(process, status):
        process.services.exit(status & 0xFF)
        return original(process, status)

    return exit_thread


def ends_the_akaros_process(original):
    def exit_(self, word):
        self._services.exit(0)
        return original(self, word)

    return exit_


def blocks_nothing(original):
    def thread_added(self, thread, creator=None):
        original(self, thread, None)

    return thread_added


def blocks_nothing_on_akaros(original):
    def added(self, thread, creator):
        original(self, thread, None)

    return added


def refusal_is_success(original):
    def register_m(self, m):
        result = original(self, m)
        return result._replace(errno=0)

    return register_m


MUTANTS = (
    Mutant(
        "all threads have one id",
        ("opensbi",),
        f"{THREADS}[gettid]",
        one_id_for_all,
        "newosproc.ids",
    ),
    Mutant("a thread has the id zero", ("linux-riscv64",), f"{THREADS}[gettid]", no_id, "newosproc.ids"),
    Mutant(
        "a thread's id changes", ("opensbi",), f"{THREADS}[gettid]", another_id_each_time, "newosproc.ids"
    ),
    Mutant(
        "newosproc answers the creator's id",
        ("opensbi",),
        NEWOSPROC["opensbi"],
        answers_the_creators_id,
        "newosproc.ids",
        boots=False,
    ),
    Mutant(
        "newosproc answers zero",
        ("akaros",),
        NEWOSPROC["akaros"],
        answers_no_id,
        "newosproc.ids",
        boots=False,
    ),
    Mutant(
        "threads start above their stack",
        ("opensbi",),
        NEWOSPROC["opensbi"],
        later(above_its_stack),
        "newosproc.entry",
    ),
    Mutant(
        "threads start on an unaligned stack",
        ("akaros",),
        NEWOSPROC["akaros"],
        later(unaligned),
        "newosproc.entry",
    ),
    Mutant(
        "threads start with their creator's g",
        ("opensbi",),
        NEWOSPROC["opensbi"],
        later(with_the_creators_g),
        "newosproc.entry",
    ),
    Mutant(
        "threads start with their creator's FS base",
        ("akaros",),
        NEWOSPROC["akaros"],
        later(with_the_creators_g),
        "newosproc.entry",
    ),
    Mutant(
        "threads inherit no register",
        ("linux-amd64",),
        NEWOSPROC["linux"],
        later(without_inheritance),
        "newosproc.bursts",
    ),
    Mutant(
        "there are a hundred threads at most",
        ("opensbi",),
        "fairlead.scheduler:MAX_THREADS",
        few_threads,
        "newosproc.together",
    ),
    Mutant(
        "a thread's end is the process' end",
        ("linux-amd64", "opensbi"),
        f"{THREADS}[exit]",
        ends_the_process,
        "newosproc.exits",
    ),
    Mutant(
        "a uthread's end is the process' end",
        ("akaros",),
        "fairlead_akaros.parlib.functions:Functions._exit",
        ends_the_akaros_process,
        "newosproc.exits",
    ),
    Mutant(
        "threads do not inherit what is blocked",
        ("opensbi", "linux-amd64"),
        "fairlead.services.linux.process:Process.thread_added",
        blocks_nothing,
        "newosproc.greeted",
    ),
    Mutant(
        "uthreads do not inherit what is blocked",
        ("akaros",),
        "fairlead_akaros.parlib.parlib:Parlib.added",
        blocks_nothing_on_akaros,
        "newosproc.greeted",
    ),
    Mutant(
        "a refused thread is said to run",
        ("opensbi",),
        "fairlead_opensbi.ethanol.kernel:Ethanol._register_m",
        refusal_is_success,
        "newosproc.refused",
    ),
)
