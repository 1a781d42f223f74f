"""Structures of Akaros' user-kernel interface."""

from __future__ import annotations

from fairlead_akaros.layout import Field, Layout, flat, opaque, struct, union

__all__ = [
    "ARGENV",
    "CEQ",
    "CHILDFDMAP",
    "EVBITMAP",
    "EVENT_MBOX",
    "EVENT_MSG",
    "EVENT_QUEUE",
    "EVENT_QUEUE_BIG",
    "FD_TAP_REQ",
    "HW_TRAPFRAME",
    "KDIRENT",
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
]

MAX_NUM_CORES = 255
_MAX_NR_EVENT = 50

# ros/bits/syscall.h, ros/syscall.h
SYSCALL = struct(
    "struct syscall",
    ("num", "u32"),
    ("err", "i32"),
    ("retval", "i64"),
    ("flags", "u64"),
    ("ev_q", "ptr"),
    ("u_data", "ptr"),
    *((f"arg{number}", "i64") for number in range(6)),
    ("errstr", opaque("char[128]", 128, 1)),
)
CHILDFDMAP = struct("struct childfdmap", ("parentfd", "u32"), ("childfd", "u32"), ("ok", "i32"))

# ros/arch/trapframe64.h
HW_TRAPFRAME = struct(
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
SW_TRAPFRAME = struct(
    "struct sw_trapframe",
    ("tf_gsbase", "u64"),
    ("tf_fsbase", "u64"),
    *((f"tf_{each}", "u64") for each in ("rbx", "rbp", "r12", "r13", "r14", "r15", "rip", "rsp")),
    ("tf_mxcsr", "u32"),
    ("tf_fpucw", "u16"),
    ("tf_padding0", "u16"),
)
VM_TRAPFRAME = opaque("struct vm_trapframe", 208, 8)
USER_CONTEXT = struct(
    "struct user_context",
    ("type", "i32"),
    ("tf", union("tf", ("hw_tf", HW_TRAPFRAME), ("sw_tf", SW_TRAPFRAME), ("vm_tf", VM_TRAPFRAME))),
)
ANCILLARY_STATE = opaque("struct ancillary_state", 2688, 64)

# ros/bits/event.h, ros/event.h, ros/ucq.h, ros/ceq.h
EVENT_MSG = struct(
    "struct event_msg",
    ("ev_type", "u16"),
    ("ev_arg1", "u16"),
    ("ev_arg2", "u32"),
    ("ev_arg3", "ptr"),
    ("ev_arg4", "u64"),
)
UCQ = struct(
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
CEQ = opaque("struct ceq", 72, 8)
EVENT_MBOX = flat(
    "struct event_mbox",
    ("type", "i32"),
    ("box", union("", ("ucq", UCQ), ("evbm", EVBITMAP), ("ceq", CEQ))),
)
_EVENT_QUEUE: tuple[Field, ...] = (
    ("ev_mbox", "ptr"),
    ("ev_flags", "i32"),
    ("ev_alert_pending", "bool"),
    ("ev_vcore", "u32"),
    ("ev_handler", "ptr"),
    ("ev_udata", "ptr"),
)
EVENT_QUEUE = struct("struct event_queue", *_EVENT_QUEUE)
EVENT_QUEUE_BIG = struct("struct event_queue_big", *_EVENT_QUEUE, ("ev_imbox", EVENT_MBOX))

# ros/procinfo.h, ros/procdata.h, ros/resource.h
PCORE = struct("struct pcore", ("vcoreid", "u32"), ("valid", "bool"))
VCORE = struct(
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
PREEMPT_DATA = struct(
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
PROCINFO = struct(
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
PROCDATA = struct(
    "struct procdata",
    ("syscallring", "u64"),
    ("syseventring", opaque("syscall_sring", 92, 4)),
    ("", opaque("the rest of both rings", 4004, 4)),
    ("printx_on", "bool"),
    ("res_req", "u64", 9),
    ("kernel_evts", "ptr", _MAX_NR_EVENT),
    ("vcore_preempt_data", PREEMPT_DATA, MAX_NUM_CORES),
)
PROC_GLOBAL_INFO = struct(
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
ARGENV = struct("struct argenv", ("argc", "u64"), ("envc", "u64"))

# ros/fs.h
KSTAT = struct(
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

KDIRENT = struct(
    "struct kdirent",
    ("d_ino", "u64"),
    ("d_off", "i64"),
    ("d_reclen", "u16"),
    ("d_type", "bool"),
    ("d_name", opaque("char[256]", 256, 1)),
)

# ros/fdtap.h
FD_TAP_REQ = struct(
    "struct fd_tap_req",
    *((each, "i32") for each in ("fd", "cmd", "filter", "ev_id")),
    ("ev_q", "ptr"),
    ("data", "ptr"),
)

# its C library: bits/sigaction.h, bits/siginfo.h, bits/sigstack.h; parlib/signal.h
SIGACTION = struct(
    "sigaction", ("sa_handler", "ptr"), ("sa_mask", "u64"), ("sa_flags", "i32"), ("sa_restorer", "ptr")
)
SIGINFO = struct(
    "siginfo",
    *((f"si_{each}", "i32") for each in ("signo", "errno", "code", "pid", "uid")),
    ("si_addr", "ptr"),
    ("si_status", "i32"),
    ("si_band", "i64"),
    ("si_value", "u64"),
)
STACK_T = struct("stack_t", ("ss_sp", "ptr"), ("ss_size", "u64"), ("ss_flags", "i32"))
SIGDATA = struct("struct sigdata", ("u_ctx", USER_CONTEXT), ("as", ANCILLARY_STATE), ("info", SIGINFO))

LAYOUTS = {
    each.name: each
    for each in (
        *(SYSCALL, CHILDFDMAP, HW_TRAPFRAME, SW_TRAPFRAME, VM_TRAPFRAME, USER_CONTEXT, ANCILLARY_STATE),
        *(EVENT_MSG, UCQ, EVBITMAP, CEQ, EVENT_MBOX, EVENT_QUEUE, EVENT_QUEUE_BIG, PCORE, VCORE),
        *(PREEMPT_DATA, PROCINFO, PROCDATA, PROC_GLOBAL_INFO, ARGENV, KSTAT, SIGACTION, SIGINFO, STACK_T),
    )
}
"""By their names in C: those that akaros-abi.json has, from the kernel's headers and its C library."""
