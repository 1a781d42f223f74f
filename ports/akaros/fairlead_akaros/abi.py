"""Numbers of Akaros' user-kernel interface, from the published kernel's headers (include/ros)."""

from __future__ import annotations

import enum

__all__ = [
    "AT_FDCWD",
    "BRK_END",
    "BRK_START",
    "EVENT_INDIR",
    "EVENT_IPI",
    "EVENT_ROUNDROBIN",
    "EVENT_SPAM_INDIR",
    "EVENT_SPAM_PUBLIC",
    "EVENT_VCORE_APPRO",
    "EVENT_VCORE_PRIVATE",
    "EVENT_WAKEUP",
    "EV_MBOX_BITMAP",
    "EV_MBOX_UCQ",
    "FASTCALL_SETFSBASE",
    "F_DUPFD",
    "F_GETFD",
    "F_GETFL",
    "F_SETFD",
    "F_SETFL",
    "F_SYNC",
    "MAP_ANON",
    "MAP_FIXED",
    "MAP_PRIVATE",
    "MAP_SHARED",
    "MAX_ERRSTR_LEN",
    "O_ACCMODE",
    "O_APPEND",
    "O_CLOEXEC",
    "O_CREATE",
    "O_DIRECT",
    "O_DIRECTORY",
    "O_EXCL",
    "O_NOATIME",
    "O_NOCTTY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_PATH",
    "O_READ",
    "O_SYNC",
    "O_TRUNC",
    "O_WRITE",
    "PGSIZE",
    "PROT_VALID_PROTS",
    "ROS_HW_CTX",
    "SC_DONE",
    "SC_PROGRESS",
    "SC_UEVENT",
    "T_SYSCALL",
    "UDATA",
    "UGINFO",
    "UINFO",
    "ULIM",
    "UMAPTOP",
    "USTACKTOP",
    "USTACK_NUM_PAGES",
    "UWLIM",
    "VC_CAN_RCV_MSG",
    "Errno",
    "Ev",
    "Sys",
]

# ros/memlayout.h, ros/arch/mmu64.h: where things are in a process
PGSIZE = 4096
UINFO = 0x7F7FFFC00000
UGINFO = 0x7F7FFFE00000
UDATA = 0x7F7FFFA00000
UWLIM = 0x7F7FFFC00000
UMAPTOP = 0x7F7FFF9FF000
ULIM = 0x800000000000
USTACKTOP = 0x7F7FFF9FF000
USTACK_NUM_PAGES = 256
BRK_START = 0x100000000000
BRK_END = 0x300000000000

# ros/bits/syscall.h, ros/arch/syscall64.h, ros/limits.h
SC_DONE = 1
SC_PROGRESS = 2
SC_UEVENT = 4
T_SYSCALL = 48
FASTCALL_SETFSBASE = 0xF0F0000000000001
MAX_ERRSTR_LEN = 128

# ros/arch/trapframe.h, ros/procdata.h
ROS_HW_CTX = 1
VC_CAN_RCV_MSG = 4

# ros/bits/event.h, ros/event.h
EVENT_IPI = 1
EVENT_SPAM_PUBLIC = 2
EVENT_INDIR = 4
EVENT_VCORE_PRIVATE = 8
EVENT_SPAM_INDIR = 16
EVENT_ROUNDROBIN = 128
EVENT_VCORE_APPRO = 256
EVENT_WAKEUP = 512
EV_MBOX_UCQ = 1
EV_MBOX_BITMAP = 2

# ros/mman.h
MAP_SHARED = 1
MAP_PRIVATE = 2
MAP_FIXED = 16
MAP_ANON = 32
PROT_VALID_PROTS = 7

# ros/fs.h, ros/fcntl.h
AT_FDCWD = -100
O_READ = 1
O_WRITE = 2
O_ACCMODE = 7
O_CREATE = 64
O_EXCL = 128
O_NOCTTY = 256
O_TRUNC = 512
O_APPEND = 1024
O_NONBLOCK = 2048
O_SYNC = 4096
O_DIRECT = 16384
O_PATH = 32768
O_DIRECTORY = 65536
O_NOFOLLOW = 131072
O_NOATIME = 262144
O_CLOEXEC = 524288
F_DUPFD = 0
F_GETFD = 1
F_SETFD = 2
F_GETFL = 3
F_SETFL = 4
F_SYNC = 101


class Sys(enum.IntEnum):
    """System calls by number (ros/bits/syscall.h)."""

    null = 1
    block = 2
    cache_invalidate = 3
    reboot = 4
    getpcoreid = 7
    getvcoreid = 8
    proc_create = 10
    proc_run = 11
    proc_destroy = 12
    proc_yield = 13
    change_vcore = 14
    fork = 15
    exec = 16
    waitpid = 17
    mmap = 18
    munmap = 19
    mprotect = 20
    shared_page_alloc = 22
    shared_page_free = 23
    provision = 24
    notify = 25
    self_notify = 26
    halt_core = 27
    init_arsc = 28
    change_to_m = 29
    poke_ksched = 30
    abort_sysc = 31
    populate_va = 32
    abort_sysc_fd = 33
    vmm_add_gpcs = 34
    vc_entry = 35
    nanosleep = 36
    pop_ctx = 37
    vmm_poke_guest = 38
    send_event = 39
    vmm_ctl = 40
    read = 100
    write = 101
    openat = 102
    close = 103
    fstat = 104
    stat = 105
    lstat = 106
    fcntl = 107
    access = 108
    umask = 109
    llseek = 111
    link = 112
    unlink = 113
    symlink = 114
    readlink = 115
    chdir = 116
    getcwd = 117
    mkdir = 118
    rmdir = 119
    wstat = 121
    fwstat = 122
    rename = 123
    fchdir = 124
    dup_fds_to = 125
    tap_fds = 126
    tcgetattr = 141
    tcsetattr = 142
    setuid = 143
    setgid = 144
    nbind = 145
    nmount = 146
    nunmount = 147
    fd2path = 149


class Ev(enum.IntEnum):
    """Kinds of event message (ros/bits/event.h)."""

    NONE = 0
    PREEMPT_PENDING = 1
    GANG_PREMPT_PENDING = 2
    VCORE_PREEMPT = 3
    GANG_RETURN = 4
    USER_IPI = 5
    PAGE_FAULT = 6
    ALARM = 7
    EVENT = 8
    FREE_APPLE_PIE = 9
    SYSCALL = 10
    CHECK_MSGS = 11
    POSIX_SIGNAL = 12


class Errno(enum.IntEnum):
    """Error numbers that the port gives (ros/errno.h); those above 131 are Akaros' own."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EINTR = 4
    EIO = 5
    ENXIO = 6
    E2BIG = 7
    ENOEXEC = 8
    EBADF = 9
    ECHILD = 10
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EXDEV = 18
    ENODEV = 19
    ENOTDIR = 20
    EISDIR = 21
    EINVAL = 22
    ENFILE = 23
    EMFILE = 24
    ENOTTY = 25
    EFBIG = 27
    ENOSPC = 28
    ESPIPE = 29
    EROFS = 30
    EMLINK = 31
    EPIPE = 32
    ERANGE = 34
    ENAMETOOLONG = 36
    ENOSYS = 38
    ENOTEMPTY = 39
    ELOOP = 40
    ENODATA = 61
    EOVERFLOW = 75
    ENOTSOCK = 88
    ENOTSUP = 95
    EADDRINUSE = 98
    ETIMEDOUT = 110
    ECANCELED = 125
    EFAIL = 132
    ENOCACHE = 133
    ENOFREEPID = 135
    EUNSPECIFIED = 136
    EMORON = 137
    EPLAN9 = 138
