"""Machine code of parlib's: what the usys tables lead to.

Most functions are a gate: the number in eax, int 0x31, return. go_syscall is written out, as it is the way of
every system call: hand the structure over, and while it is not done let the scheduler block the uthread.
"""

from __future__ import annotations

from fairlead_akaros.kernel.convention import T_GATE
from fairlead_akaros.layouts import SYSCALL
from fairlead_akaros.tables import FUNCTIONS

__all__ = ["DOORS", "GATES", "INTERNAL", "TABLE", "assemble"]

TABLE = (
    "abort_syscall_at_abs_unix",
    "unset_alarm_with_free",
    "go_syscall",
    "go_usys_tester",
    "futex",
    "serialize_argv_envp",
    "free",
)
"""The first usys table, as user/pthread/pthread.c (set_up_go_table) fills it."""

INTERNAL = ("exit_sighandler", "vcore_entry")
"""Functions that are in no table: nobody calls them."""
_WRITTEN = ("go_syscall", "syscall_async")
GATES = (
    "posix_call",
    *(name for name in (*TABLE, *FUNCTIONS, *INTERNAL) if name not in _WRITTEN and name != "posix_call"),
)
"""Functions behind the gate, by number."""
DOORS = {"go_syscall": (9, 0), "syscall_async": (5, 8)}
"""Where in a function the instruction is that hands a structure over, and rsp modulo 16 there."""

_RETVAL, _FLAGS = SYSCALL["retval"], SYSCALL["flags"]
_ERR, _ERRSTR = SYSCALL["err"], SYSCALL["errstr"]


def _gate(name: str) -> bytes:
    """mov eax, NUMBER; int 0x31"""
    return b"\xb8" + GATES.index(name).to_bytes(4, "little") + bytes((0xCD, T_GATE))


def _go_syscall() -> bytes:
    block = _gate("uthread_blockon_sysc")
    body = (
        b"\x48\x89\xdf"  # again: mov rdi, rbx
        + bytes((0xF7, 0x43, _FLAGS, 1, 0, 0, 0))  # test dword [rbx+flags], SC_DONE
        + bytes((0x75, len(block) + 2))  # jnz done
        + block
    )
    body += bytes((0xEB, 256 - len(body) - 2))  # jmp again
    clear = bytes((0xC7, 0x43, _ERR, 0, 0, 0, 0, 0xC6, 0x43, _ERRSTR, 0))  # err = 0, errstr[0] = 0
    return (
        b"\x53\x48\x89\xfb"  # push rbx; mov rbx, rdi
        + b"\xbe\x01\x00\x00\x00\xcd\x30"  # mov esi, 1; int 0x30
        + body
        + bytes(
            (0x48, 0x83, 0x7B, _RETVAL, 0xFF, 0x74, len(clear))
        )  # done: cmp qword [rbx+retval], -1; je out
        + clear
        + b"\x5b\xc3"  # out: pop rbx; ret
    )


def assemble() -> tuple[bytes, dict[str, int]]:
    """The code, and where each function starts in it."""
    pieces = {name: _gate(name) + b"\xc3" for name in GATES}
    pieces["go_syscall"] = _go_syscall()
    pieces["syscall_async"] = b"\xbe\x01\x00\x00\x00\xcd\x30\xc3"
    loop = _gate("vcore_entry")
    pieces["vcore_entry"] = loop + bytes((0xEB, 256 - len(loop) - 2))  # the vcore's main loop
    code = bytearray()
    offsets: dict[str, int] = {}
    for name, piece in pieces.items():
        code += b"\xcc" * (-len(code) % 16)
        offsets[name] = len(code)
        code += piece
    return bytes(code), offsets
