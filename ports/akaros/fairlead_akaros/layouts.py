"""Structures of Akaros' user-kernel interface, laid out by the rules of C (System V AMD64 ABI, 3.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "ARGENV",
    "CEQ",
    "CHILDFDMAP",
    "EVBITMAP",
    "EVENT_MBOX",
    "EVENT_MSG",
    "EVENT_QUEUE",
    "EVENT_QUEUE_BIG",
    "HW_TRAPFRAME",
    "KSTAT",
    "LAYOUTS",
    "MAX_NUM_CORES",
    "PCORE",
    "PREEMPT_DATA",
    "PROCDATA",
    "PROCINFO",
    "PROC_GLOBAL_INFO",
    "SIGACTION",
    "SIGDATA",
    "SIGINFO",
    "STACK_T",
    "SW_TRAPFRAME",
    "SYSCALL",
    "UCQ",
    "USER_CONTEXT",
    "VCORE",
    "VM_TRAPFRAME",
    "Layout",
]

MAX_NUM_CORES = 255
_MAX_NR_EVENT = 50

_SCALARS = {"bool": 1, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8, "ptr": 8}


@dataclass(frozen=True, slots=True)
class Layout:
    """A structure: sizes in bytes, and where each field is."""

    name: str
    size: int
    align: int
    offsets: Mapping[str, int]
    sizes: Mapping[str, int]

    def __getitem__(self, field: str) -> int:
        """Offset of a field."""
        return self.offsets[field]


Type = str | Layout
Field = tuple[str, Type] | tuple[str, Type, int]
"""A name, a scalar of _SCALARS or another structure, and how many of them if it is an array."""


def _extent(kind: Type) -> tuple[int, int]:
    if isinstance(kind, Layout):
        return kind.size, kind.align
    return _SCALARS[kind], _SCALARS[kind]


def _struct(name: str, *fields: Field, align: int = 1) -> Layout:
    """Lay fields out one after another, each at a multiple of its alignment; a name of "" only takes room."""
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    position = 0
    for field, kind, *count in fields:
        size, natural = _extent(kind)
        position = -(-position // natural) * natural
        if field:
            offsets[field], sizes[field] = position, size * (count[0] if count else 1)
        position += size * (count[0] if count else 1)
        align = max(align, natural)
    return Layout(name, -(-position // align) * align, align, offsets, sizes)


def _union(name: str, *fields: tuple[str, Type]) -> Layout:
    extents = [_extent(kind) for _, kind in fields]
    align = max(each for _, each in extents)
    size = -(-max(each for each, _ in extents) // align) * align
    return Layout(
        name,
        size,
        align,
        {field: 0 for field, _ in fields},
        {field: size for (field, _), (size, _) in zip(fields, extents, strict=True)},
    )


def _flat(name: str, *parts: tuple[str, Type]) -> Layout:
    """A structure whose anonymous unions' members count as its own."""
    outer = _struct(name, *parts)
    offsets, sizes = dict(outer.offsets), dict(outer.sizes)
    for field, kind in parts:
        if isinstance(kind, Layout) and kind.name == "":
            base = offsets.pop(field)
            del sizes[field]
            offsets.update({inner: base + at for inner, at in kind.offsets.items()})
            sizes.update(kind.sizes)
    return Layout(name, outer.size, outer.align, offsets, sizes)


def _opaque(name: str, size: int, align: int) -> Layout:
    """A structure of which nothing but its size matters here."""
    return Layout(name, size, align, {}, {})


# ros/bits/syscall.h, ros/syscall.h
SYSCALL = _struct(
    "struct syscall",
    ("num", "u32"),
    ("err", "i32"),
    ("retval", "i64"),
    ("flags", "u64"),
    ("ev_q", "ptr"),
    ("u_data", "ptr"),
    *((f"arg{number}", "i64") for number in range(6)),
    ("errstr", _opaque("char[128]", 128, 1)),
)
CHILDFDMAP = _struct("struct childfdmap", ("parentfd", "u32"), ("childfd", "u32"), ("ok", "i32"))

# ros/arch/trapframe64.h
HW_TRAPFRAME = _struct(
    "struct hw_trapframe",
    ("tf_gsbase", "u64"),
    ("tf_fsbase", "u64"),
    *((f"tf_{each}", "u64") for each in ("rax", "rbx", "rcx", "rdx", "rbp", "rsi", "rdi")),
    *((f"tf_r{number}", "u64") for number in range(8, 16)),
    ("tf_trapno", "u32"),
    ("tf_padding5", "u32"),
    ("tf_err", "u32"),
    ("tf_padding4", "u32"),
    ("tf_rip", "u64"),
    ("tf_cs", "u16"),
    ("tf_padding3", "u16"),
    ("tf_padding2", "u32"),
    ("tf_rflags", "u64"),
    ("tf_rsp", "u64"),
    ("tf_ss", "u16"),
    ("tf_padding1", "u16"),
    ("tf_padding0", "u32"),
)
SW_TRAPFRAME = _struct(
    "struct sw_trapframe",
    ("tf_gsbase", "u64"),
    ("tf_fsbase", "u64"),
    *((f"tf_{each}", "u64") for each in ("rbx", "rbp", "r12", "r13", "r14", "r15", "rip", "rsp")),
    ("tf_mxcsr", "u32"),
    ("tf_fpucw", "u16"),
    ("tf_padding0", "u16"),
)
VM_TRAPFRAME = _opaque("struct vm_trapframe", 208, 8)
USER_CONTEXT = _struct(
    "struct user_context",
    ("type", "i32"),
    ("tf", _union("tf", ("hw_tf", HW_TRAPFRAME), ("sw_tf", SW_TRAPFRAME), ("vm_tf", VM_TRAPFRAME))),
)
ANCILLARY_STATE = _opaque("struct ancillary_state", 2688, 64)

# ros/bits/event.h, ros/event.h, ros/ucq.h, ros/ceq.h
EVENT_MSG = _struct(
    "struct event_msg",
    ("ev_type", "u16"),
    ("ev_arg1", "u16"),
    ("ev_arg2", "u32"),
    ("ev_arg3", "ptr"),
    ("ev_arg4", "u64"),
)
UCQ = _struct(
    "struct ucq",
    ("prod_idx", "u64"),
    ("spare_pg", "u64"),
    ("nr_extra_pgs", "u64"),
    ("cons_idx", "u64"),
    ("prod_overflow", "bool"),
    ("ucq_ready", "bool"),
    ("u_lock", "u32", 2),
)
EVBITMAP = Layout("struct evbitmap", 8, 1, {"check_bits": 0, "bitmap": 1}, {"check_bits": 1, "bitmap": 7})
CEQ = _opaque("struct ceq", 72, 8)
EVENT_MBOX = _flat(
    "struct event_mbox",
    ("type", "i32"),
    ("box", _union("", ("ucq", UCQ), ("evbm", EVBITMAP), ("ceq", CEQ))),
)
_EVENT_QUEUE: tuple[Field, ...] = (
    ("ev_mbox", "ptr"),
    ("ev_flags", "i32"),
    ("ev_alert_pending", "bool"),
    ("ev_vcore", "u32"),
    ("ev_handler", "ptr"),
    ("ev_udata", "ptr"),
)
EVENT_QUEUE = _struct("struct event_queue", *_EVENT_QUEUE)
EVENT_QUEUE_BIG = _struct("struct event_queue_big", *_EVENT_QUEUE, ("ev_imbox", EVENT_MBOX))

# ros/procinfo.h, ros/procdata.h, ros/resource.h
PCORE = _struct("struct pcore", ("vcoreid", "u32"), ("valid", "bool"))
VCORE = _struct(
    "struct vcore",
    ("", "ptr", 2),  # the kernel's list links
    ("pcoreid", "u32"),
    ("valid", "bool"),
    ("nr_preempts_sent", "u32"),
    ("nr_preempts_done", "u32"),
    ("preempt_pending", "u64"),
    ("resume_ticks", "u64"),
    ("total_ticks", "u64"),
)
PREEMPT_DATA = _struct(
    "struct preempt_data",
    ("vcore_ctx", USER_CONTEXT),
    ("preempt_anc", ANCILLARY_STATE),
    ("uthread_ctx", USER_CONTEXT),
    ("vcore_entry", "ptr"),
    ("vcore_stack", "ptr"),
    ("vcore_tls_desc", "ptr"),
    ("flags", "u64"),
    ("rflags", "i32"),
    ("notif_disabled", "bool"),
    ("notif_pending", "bool"),
    ("ev_mbox_public", EVENT_MBOX),
    ("ev_mbox_private", EVENT_MBOX),
)
PROCINFO = _struct(
    "struct procinfo",
    ("pid", "i32"),
    ("ppid", "i32"),
    ("max_vcores", "u64"),
    ("tsc_freq", "u64"),
    ("timing_overhead", "u64"),
    ("program_end", "ptr"),
    ("is_mcp", "bool"),
    ("res_grant", "u64", 3),
    ("vcoremap", VCORE, MAX_NUM_CORES),
    ("num_vcores", "u32"),
    ("pcoremap", PCORE, MAX_NUM_CORES),
    ("coremap_seqctr", "u32"),
)
PROCDATA = _struct(
    "struct procdata",
    ("syscallring", "u64"),
    ("syseventring", _opaque("syscall_sring", 92, 4)),
    ("", _opaque("the rest of both rings", 4004, 4)),
    ("printx_on", "bool"),
    ("res_req", "u64", 9),
    ("kernel_evts", "ptr", _MAX_NR_EVENT),
    ("vcore_preempt_data", PREEMPT_DATA, MAX_NUM_CORES),
)
PROC_GLOBAL_INFO = _struct(
    "struct proc_global_info",
    ("cpu_feats", "u64", 2),
    ("x86_default_xcr0", "u64"),
    ("tsc_freq", "u64"),
    ("tsc_overhead", "u64"),
    ("bus_freq", "u64"),
    ("walltime_ns_last", "u64"),
    ("tsc_cycles_last", "u64"),
    align=4096,
)
ARGENV = _struct("struct argenv", ("argc", "u64"), ("envc", "u64"))

# ros/fs.h
KSTAT = _struct(
    "struct kstat",
    ("st_dev", "u64"),
    ("st_ino", "u64"),
    ("st_mode", "u32"),
    ("st_nlink", "u64"),
    ("st_uid", "u32"),
    ("st_gid", "u32"),
    ("st_rdev", "u64"),
    ("st_size", "u64"),
    ("st_blksize", "u64"),
    ("st_blocks", "u64"),
    ("st_atim", "u64", 2),
    ("st_mtim", "u64", 2),
    ("st_ctim", "u64", 2),
)

# its C library: bits/sigaction.h, bits/siginfo.h, bits/sigstack.h; parlib/signal.h
SIGACTION = _struct(
    "sigaction", ("sa_handler", "ptr"), ("sa_mask", "u64"), ("sa_flags", "i32"), ("sa_restorer", "ptr")
)
SIGINFO = _struct(
    "siginfo",
    *((f"si_{each}", "i32") for each in ("signo", "errno", "code", "pid", "uid")),
    ("si_addr", "ptr"),
    ("si_status", "i32"),
    ("si_band", "i64"),
    ("si_value", "u64"),
)
STACK_T = _struct("stack_t", ("ss_sp", "ptr"), ("ss_size", "u64"), ("ss_flags", "i32"))
SIGDATA = _struct("struct sigdata", ("u_ctx", USER_CONTEXT), ("as", ANCILLARY_STATE), ("info", SIGINFO))

LAYOUTS = {
    each.name: each
    for each in (
        *(SYSCALL, CHILDFDMAP, HW_TRAPFRAME, SW_TRAPFRAME, VM_TRAPFRAME, USER_CONTEXT, ANCILLARY_STATE),
        *(EVENT_MSG, UCQ, EVBITMAP, CEQ, EVENT_MBOX, EVENT_QUEUE, EVENT_QUEUE_BIG, PCORE, VCORE),
        *(PREEMPT_DATA, PROCINFO, PROCDATA, PROC_GLOBAL_INFO, ARGENV, KSTAT, SIGACTION, SIGINFO, STACK_T),
    )
}
"""By their names in C, each one that the kernel's headers or its C library define."""
