"""Events: messages in mailboxes of the process, and alerts to the vcores that are to look (kern/src/event.c).

Mailboxes are unbounded concurrent queues (kern/src/ucq.c) or bitmaps, all in guest memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct

from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.abi import (
    EV_MBOX_BITMAP,
    EV_MBOX_UCQ,
    EVENT_INDIR,
    EVENT_IPI,
    EVENT_ROUNDROBIN,
    EVENT_SPAM_PUBLIC,
    EVENT_VCORE_APPRO,
    EVENT_VCORE_PRIVATE,
    PGSIZE,
    UDATA,
    Ev,
)
from fairlead_akaros.layouts import EVENT_MBOX, EVENT_MSG, EVENT_QUEUE, PREEMPT_DATA, PROCDATA, UCQ

__all__ = ["Events", "Message", "init_ucq", "vcpd"]

_MESSAGE = Struct("<HHIQQ")
_HEADER = 16  # struct ucq_page_header: the next page, how many of this one are consumed
_CONTAINER = 32  # struct msg_container: a message, and whether it is there
_PER_PAGE = (PGSIZE - _HEADER) // _CONTAINER
_QUEUE = Struct("<QiBxxxIQQ")
_UCQ = EVENT_MBOX["ucq"]
_PROD, _CONS = _UCQ + UCQ["prod_idx"], _UCQ + UCQ["cons_idx"]
_BITMAP = EVENT_MBOX["evbm"]
_BITS = 50
_MOST_MESSAGES = 1 << 16
"""Messages taken out of a mailbox in one go."""


@dataclass(frozen=True, slots=True)
class Message:
    """A `struct event_msg`."""

    ev_type: int
    ev_arg1: int = 0
    ev_arg2: int = 0
    ev_arg3: int = 0
    ev_arg4: int = 0

    def pack(self) -> bytes:
        return _MESSAGE.pack(self.ev_type, self.ev_arg1, self.ev_arg2, self.ev_arg3, self.ev_arg4)


def vcpd(vcore: int) -> int:
    """Where a vcore's `struct preempt_data` is."""
    return UDATA + PROCDATA["vcore_preempt_data"] + vcore * PREEMPT_DATA.size


def init_ucq(memory: AddressSpace, mbox: int, pages: int) -> None:
    """Make a mailbox at `mbox` an empty queue on two fresh pages."""
    memory.write_u32(mbox, EV_MBOX_UCQ)
    memory.write(mbox + _UCQ, Struct("<QQQQBB").pack(pages, pages + PGSIZE, 0, pages, 0, 1))


class Events:
    """Sends and receives; `notify` is told which vcore has something to look at."""

    def __init__(self, memory: AddressSpace, vcores: int) -> None:
        self._memory = memory
        self._vcores = vcores
        self.notify: Callable[[int], None] = lambda vcore: None

    # -- the kernel's side -----------------------------------------------------------------------------

    def send_kernel_event(self, message: Message, vcore: int = 0) -> bool:
        """Send to the queue that the process registered for this kind; False if it has none."""
        queue = self._memory.read_u64(UDATA + PROCDATA["kernel_evts"] + 8 * message.ev_type)
        if queue:
            self.send_event(queue, message, vcore)
        return bool(queue)

    def send_event(self, queue: int, message: Message, vcore: int = 0) -> None:
        """Send a message to a queue, as its flags say."""
        memory = self._memory
        mbox, flags, _alert, ev_vcore, _handler, _udata = memory.unpack(_QUEUE, queue)
        if not flags & EVENT_VCORE_APPRO:
            vcore = ev_vcore
        if flags & EVENT_ROUNDROBIN:
            vcore = (ev_vcore + 1) % self._vcores
            memory.write_u32(queue + EVENT_QUEUE["ev_vcore"], vcore)
        if vcore >= self._vcores:
            return
        if flags & EVENT_SPAM_PUBLIC:
            self._post_vcore(message, vcore, flags)
            return
        if not mbox:
            self._post_vcore(message, vcore, flags)
            return
        self.post(mbox, message)
        if flags & EVENT_INDIR:
            alert = queue + EVENT_QUEUE["ev_alert_pending"]
            memory.write(alert, b"\1")
            self._post_vcore(Message(Ev.EVENT, ev_arg3=queue), vcore, flags)
        elif flags & EVENT_IPI:
            self.notify(vcore)

    def post_vcore(self, message: Message, vcore: int, *, private: bool = False) -> None:
        """Send to a vcore's own mailbox, with an interrupt."""
        self._post_vcore(message, vcore, (EVENT_VCORE_PRIVATE if private else 0) | EVENT_IPI)

    def _post_vcore(self, message: Message, vcore: int, flags: int) -> None:
        where = "ev_mbox_private" if flags & EVENT_VCORE_PRIVATE else "ev_mbox_public"
        base = vcpd(vcore)
        self.post(base + PREEMPT_DATA[where], message)
        self._memory.write(base + PREEMPT_DATA["notif_pending"], b"\1")
        if flags & EVENT_IPI:
            self.notify(vcore)

    def post(self, mbox: int, message: Message) -> None:
        """Put a message into a mailbox; one of a type that the kernel does not know loses it."""
        memory = self._memory
        kind = memory.read_u32(mbox)
        if kind == EV_MBOX_BITMAP:
            bit = message.ev_type
            at = mbox + _BITMAP + 1 + bit // 8
            memory.write(at, bytes([memory.read(at, 1)[0] | 1 << bit % 8]))
            memory.write(mbox + _BITMAP, b"\1")
            return
        if kind != EV_MBOX_UCQ:
            return
        slot = memory.read_u64(mbox + _PROD)
        index = slot % PGSIZE
        page = slot - index
        if index >= _PER_PAGE:
            spare = mbox + _UCQ + UCQ["spare_pg"]
            fresh = memory.read_u64(spare) or memory.mmap(0, PGSIZE, 3)
            memory.write_u64(spare, 0)
            memory.write(fresh, bytes(_HEADER))
            memory.write_u64(page, fresh)
            page, index = fresh, 0
        at = page + _HEADER + index * _CONTAINER
        memory.write(at, message.pack() + b"\1")
        memory.write_u64(mbox + _PROD, page + index + 1)

    # -- the process' side -----------------------------------------------------------------------------

    def take(self, mbox: int) -> Iterator[Message]:
        """Take all messages out of a mailbox."""
        memory = self._memory
        if memory.read_u32(mbox) == EV_MBOX_BITMAP:
            bits = int.from_bytes(memory.read(mbox + _BITMAP + 1, 7), "little")
            memory.write(mbox + _BITMAP, bytes(8))
            yield from (Message(number) for number in range(_BITS) if bits >> number & 1)
            return
        for _ in range(_MOST_MESSAGES):
            slot = memory.read_u64(mbox + _CONS)
            if slot == memory.read_u64(mbox + _PROD):
                return
            index = slot % PGSIZE
            page = slot - index
            if index >= _PER_PAGE:
                following = memory.read_u64(page)
                memory.write_u64(mbox + _UCQ + UCQ["spare_pg"], page)
                memory.write_u64(mbox + _CONS, following)
                continue
            at = page + _HEADER + index * _CONTAINER
            values = memory.unpack(_MESSAGE, at)
            memory.write(at + EVENT_MSG.size, b"\0")
            memory.write_u64(mbox + _CONS, slot + 1)
            yield Message(*values)
        memory.write_u64(mbox + _CONS, memory.read_u64(mbox + _PROD))  # no queue: nobody sent so many

    def take_vcore(self, vcore: int) -> Iterator[Message]:
        """Take all that came for a vcore: its private mailbox, its public one, and the queues they name."""
        base = vcpd(vcore)
        self._memory.write(base + PREEMPT_DATA["notif_pending"], b"\0")
        for where in ("ev_mbox_private", "ev_mbox_public"):
            for message in self.take(base + PREEMPT_DATA[where]):
                if message.ev_type == Ev.EVENT:
                    queue = message.ev_arg3
                    self._memory.write(queue + EVENT_QUEUE["ev_alert_pending"], b"\0")
                    yield from self.take(self._memory.read_u64(queue))
                else:
                    yield message
