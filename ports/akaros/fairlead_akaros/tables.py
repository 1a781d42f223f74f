"""Made from calls.toml by fairlead_akaros.generate: what the second usys table holds, in its order."""

from __future__ import annotations

from fairlead_akaros import abi, layouts

__all__ = ["CONSTANTS", "FUNCTIONS"]

FUNCTIONS = (
    "pthread_yield",
    "sigaction",
    "sigaltstack",
    "pthread_sigmask",
    "pthread_kill",
    "enable_profalarm",
    "disable_profalarm",
    "pthread_create",
    "pthread_exit",
    "pthread_self",
    "posix_call",
    "malloc",
    "syscall_async",
    "uthread_blockon_sysc",
)

CONSTANTS: tuple[tuple[str, int | None], ...] = (
    ("TSC_FREQUENCY", None),
    ("PROCINFO", abi.UINFO),
    ("PROC_GLOBAL_INFO", abi.UGINFO),
    ("PROCDATA", abi.UDATA),
    ("SIZEOF_SYSCALL", layouts.SYSCALL.size),
    ("SIZEOF_USER_CONTEXT", layouts.USER_CONTEXT.size),
    ("SIZEOF_SIGDATA", layouts.SIGDATA.size),
    ("SIZEOF_SIGINFO", layouts.SIGINFO.size),
    ("SIZEOF_KSTAT", layouts.KSTAT.size),
    ("SIZEOF_EVENT_QUEUE_BIG", layouts.EVENT_QUEUE_BIG.size),
    ("MAX_VCORES", None),
    ("SYS_READ", 100),
    ("SYS_WRITE", 101),
    ("SYS_CLOSE", 103),
    ("SYS_OPENAT", 102),
    ("SYS_FSTAT", 104),
    ("SYS_STAT", 105),
    ("SYS_LSTAT", 106),
    ("SYS_FCNTL", 107),
    ("SYS_ACCESS", 108),
    ("SYS_UMASK", 109),
    ("SYS_LLSEEK", 111),
    ("SYS_LINK", 112),
    ("SYS_UNLINK", 113),
    ("SYS_RMDIR", 119),
    ("SYS_SYMLINK", 114),
    ("SYS_READLINK", 115),
    ("SYS_CHDIR", 116),
    ("SYS_FCHDIR", 124),
    ("SYS_GETCWD", 117),
    ("SYS_MKDIR", 118),
    ("SYS_RENAME", 123),
    ("SYS_MMAP", 18),
    ("SYS_MUNMAP", 19),
    ("SYS_MPROTECT", 20),
    ("SYS_NANOSLEEP", 36),
    ("SYS_PROC_DESTROY", 12),
    ("SYS_NOTIFY", 25),
    ("SYS_BLOCK", 2),
    ("SYS_ABORT_SYSC", 31),
    ("SYS_NBIND", 145),
    ("SYS_NMOUNT", 146),
    ("SYS_NUNMOUNT", 147),
    ("SYS_FD2PATH", 149),
    ("SYS_SELF_NOTIFY", 26),
    ("SYS_NULL", 1),
)
"""Names with their values; None for one that is known only when a program runs."""
