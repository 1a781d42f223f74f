"""How a call reaches the kernel: a batch of `struct syscall`s in guest memory, by int 0x30 or by syscall.

rdi is the address of the first, rsi how many follow one another, rax comes back as how many were started
(kern/arch/x86/trap64.c). Each gets its result in place: retval, err, errstr and SC_DONE in its flags. The
published kernel runs only the first of a batch and says so; here the rest follow, as its comment plans.

Parlib's own functions are code of the process on Akaros. Here their insides are the OS half's, behind a gate
of the same shape, int 0x31 with the function's number in rax; its answer, -errno or not, comes back in rax.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault
from fairlead.machine import Cpu
from fairlead.syscall import BoundConvention, Result, Syscall
from fairlead.trap import Trap
from fairlead_akaros.abi import SC_DONE, T_SYSCALL, Sys
from fairlead_akaros.layouts import SYSCALL

if TYPE_CHECKING:
    from fairlead.services.guestmemory import GuestMemory

__all__ = ["GATE", "T_GATE", "StructSyscall"]

T_GATE = 0x31
"""The vector of parlib's gate; on Akaros a process that raises it gets a general protection fault."""

GATE = 0x1000
"""What a parlib function's number is above, so that it is no system call's (MAX_SYSCALL_NR is 200)."""
