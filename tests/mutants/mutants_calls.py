"""Faults in system calls: results, errors, waits (hook syscall)."""

from __future__ import annotations

from errno import EBADF, EFAULT, EINVAL

from mutant import Mutant

from fairlead.syscall import Result

__all__ = ["HOOK", "MUTANTS"]

HOOK = "syscall"

PROCESS = "fairlead.services.linux.process:Process"
LINUX = "fairlead.services.linux"


def instead_of(errno, other):
    """One error is told as another, or as none."""

    def fault(original):
        def syscall(self, cpu, call):
            answer = original(self, cpu, call)
            if type(answer) is Result and answer.errno == errno:
                return answer._replace(errno=other)
            return answer

        return syscall

    return fault


def succeeds(original):
    return Result(0)


def exits_with(change):
    def fault(original):
        def exit_group(process, status):
            return original(process, change(status))

        return exit_group

    return fault


def nothing_random(original):
    def bytes_(self, count):
        return bytes(count)

    return bytes_


def moves_the_offset(original):
    def pread(process, fd, address, size, offset):
        answer = original(process, fd, address, size, offset)
        process.files.description(fd).offset = offset + size
        return answer

    return pread


def closes_nothing(original):
    def close(process, fd):
        process.files.table.get(fd)
        return 0

    return close


def believes(original):
    """Memory of the guest's that is not there is written nowhere."""

    def write(self, address, data):
        from fairlead.errors import GuestFault

        try:
            original(self, address, data)
        except GuestFault:
            pass

    return write


def reads_zeroes(original):
    def read(self, address, size):
        from fairlead.errors import GuestFault

        try:
            return original(self, address, size)
        except GuestFault:
            return bytes(size)

    return read


MUTANTS = (
    Mutant(
        "a bad pointer is no error",
        ("opensbi",),
        f"{PROCESS}.syscall",
        instead_of(EFAULT, 0),
        "syscall.pointers",
    ),
    Mutant(
        "a bad pointer is an invalid argument",
        ("linux-riscv64",),
        f"{PROCESS}.syscall",
        instead_of(EFAULT, EINVAL),
        "syscall.pointers",
    ),
    Mutant(
        "results are written nowhere",
        ("opensbi",),
        "fairlead.services.guestmemory:GuestMemory.write",
        believes,
        "syscall.pointers",
    ),
    Mutant(
        "arguments are read as zeroes",
        ("opensbi",),
        "fairlead.services.guestmemory:GuestMemory.read",
        reads_zeroes,
        "syscall.pointers",
    ),
    Mutant(
        "a bad descriptor is an invalid argument",
        ("opensbi",),
        f"{PROCESS}.syscall",
        instead_of(EBADF, EINVAL),
        "syscall.errors",
    ),
    Mutant(
        "a call that is not there succeeds",
        ("opensbi",),
        "fairlead.services.linux.process:_NO_CALL",
        succeeds,
        "syscall.unknown",
    ),
    Mutant(
        "the exit code is lost",
        ("opensbi",),
        f"{LINUX}.threads:HANDLERS[exit_group]",
        exits_with(lambda status: 0),
        "syscall.streams",
    ),
    Mutant(
        "the exit code is another",
        ("linux-amd64",),
        f"{LINUX}.threads:HANDLERS[exit_group]",
        exits_with(lambda status: status * 2),
        "syscall.streams",
    ),
    Mutant(
        "random bytes are zeroes",
        ("opensbi",),
        "fairlead.services.randomness:Randomness.bytes",
        nothing_random,
        "syscall.results",
    ),
    Mutant(
        "pread moves the offset",
        ("linux-amd64",),
        f"{LINUX}.positioned:HANDLERS[pread64]",
        moves_the_offset,
        "syscall.results",
    ),
    Mutant(
        "close leaves the descriptor open",
        ("opensbi",),
        f"{LINUX}.descriptors:HANDLERS[close]",
        closes_nothing,
        "syscall.errors",
    ),
)
