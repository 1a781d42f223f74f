"""Every call that is served, and the module beside this one that does it.

The table is kept by name, so that a program's start imports the modules of the calls it makes and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from fairlead.services.linux.handler import Handler

__all__ = ["MODULES", "SERVED", "find_handler"]

MODULES: Mapping[str, str] = {
    "archcalls": "arch_prctl riscv_flush_icache riscv_hwprobe",
    "controls": "fcntl ioctl",
    "copies": "copy_file_range sendfile splice",
    "descriptors": """
        close close_range dup dup2 dup3 eventfd eventfd2 flock getdents64 pipe pipe2
    """,
    "memory": "brk madvise mincore mlock mlockall mmap mprotect msync munlock munlockall munmap",
    "metadata": """
        access chmod chown faccessat faccessat2 fchmod fchmodat fchmodat2 fchown fchownat fstat fstatfs
        lchown lstat newfstatat stat statfs statx utimensat
    """,
    "misc": """
        getrandom getrlimit getrusage io_uring_setup landlock_create_ruleset membarrier perf_event_open
        personality pidfd_open pidfd_send_signal prlimit64 ptrace rseq seccomp setrlimit socket socketpair
        sysinfo uname unshare
    """,
    "paths": """
        chdir chroot creat fchdir getcwd link linkat memfd_create mkdir mkdirat mknod mknodat mount open
        openat openat2 readlink readlinkat rename renameat renameat2 rmdir symlink symlinkat umask umount2
        unlink unlinkat
    """,
    "polling": """
        epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait poll ppoll pselect6 select
    """,
    "positioned": "lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2",
    "prctl": "prctl",
    "signals": """
        kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend sigaltstack tgkill
        tkill
    """,
    "storage": """
        fadvise64 fallocate fdatasync fsync ftruncate readahead sync sync_file_range syncfs truncate
    """,
    "threads": """
        clone clone3 execve execveat exit exit_group fork futex getcpu getpid getppid gettid
        sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getparam sched_getscheduler
        sched_setaffinity sched_setscheduler sched_yield set_robust_list set_tid_address vfork wait4 waitid
    """,
    "time": """
        alarm clock_getres clock_gettime clock_nanosleep clock_settime getitimer gettimeofday nanosleep
        setitimer settimeofday time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
        times
    """,
    "transfers": "read readv write writev",
    "users": """
        capget capset getegid geteuid getgid getgroups getpgid getpgrp getpriority getresgid getresuid
        getsid getuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid setsid
        setuid
    """,
    "xattrs": """
        fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr
        lsetxattr removexattr setxattr
    """,
}
"""Module to the names of its calls."""

SERVED: Mapping[str, str] = {name: module for module, names in MODULES.items() for name in names.split()}
"""Name of each call to its module."""


def find_handler(name: str) -> Handler | None:
    """A call's handler, its module imported now if it was not; None for a call that is not served."""
    module = SERVED.get(name)
    if module is None:
        return None
    handler: Handler = import_module(f"fairlead.services.linux.{module}").HANDLERS[name]
    return handler
