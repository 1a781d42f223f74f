"""Mailboxes against a plain queue: nothing is lost, nothing comes twice, whatever the order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.machine import BoardOptions, Machine
from fairlead.plugins import find_board
from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.abi import (
    BRK_END,
    EV_MBOX_BITMAP,
    EVENT_INDIR,
    EVENT_IPI,
    EVENT_ROUNDROBIN,
    EVENT_SPAM_PUBLIC,
    UDATA,
    ULIM,
    Ev,
)
from fairlead_akaros.kernel.events import Events, Message, init_ucq, vcpd
from fairlead_akaros.kernel.pages import map_pages
from fairlead_akaros.layouts import EVENT_MBOX, EVENT_QUEUE, EVENT_QUEUE_BIG, PREEMPT_DATA, PROCDATA

VCORES = 3


class Silent:
    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    def read(self, limit: int) -> bytes | None:
        return None


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    machine = find_board("pc").build(BoardOptions(console=Silent(), memory=64 << 20))
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def memory(machine: Machine) -> AddressSpace:
    memory = AddressSpace(machine, high=ULIM, base=BRK_END)
    map_pages(memory, pid=7, vcores=VCORES, tsc_freq=10**9, now=5, walltime=9, program_end=0)
    return memory


@pytest.fixture
def events(memory: AddressSpace) -> Events:
    events = Events(memory, VCORES)
    for vcore in range(VCORES):
        for box in ("ev_mbox_public", "ev_mbox_private"):
            init_ucq(memory, vcpd(vcore) + PREEMPT_DATA[box], memory.mmap(0, 8192, 3))
    return events


MESSAGES = st.builds(
    Message,
    st.integers(0, 12),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.lists(MESSAGES, max_size=200), st.just(None)), max_size=8))
def test_a_ucq_is_a_queue(memory: AddressSpace, events: Events, steps: list[list[Message] | None]) -> None:
    mbox = memory.mmap(0, 4096, 3)
    init_ucq(memory, mbox, memory.mmap(0, 8192, 3))
    model: deque[Message] = deque()
    for step in [*steps, None]:
        if step is None:
            assert list(events.take(mbox)) == list(model)
            model.clear()
        else:
            for message in step:
                events.post(mbox, message)
                model.append(message)


def test_a_bitmap_keeps_kinds_only(memory: AddressSpace, events: Events) -> None:
    mbox = memory.mmap(0, 4096, 3)
    memory.write_u32(mbox, EV_MBOX_BITMAP)
    for kind in (10, 7, 10, 49):
        events.post(mbox, Message(kind, 1, 2, 3, 4))
    assert list(events.take(mbox)) == [Message(7), Message(10), Message(49)]
    assert list(events.take(mbox)) == []


def make_queue(memory: AddressSpace, flags: int, vcore: int, *, mbox: bool) -> int:
    queue = memory.mmap(0, 4096, 3)
    if mbox:
        memory.write_u64(queue, queue + EVENT_QUEUE_BIG["ev_imbox"])
        init_ucq(memory, queue + EVENT_QUEUE_BIG["ev_imbox"], memory.mmap(0, 8192, 3))
    memory.write_u32(queue + EVENT_QUEUE["ev_flags"], flags)
    memory.write_u32(queue + EVENT_QUEUE["ev_vcore"], vcore)
    return queue


def test_an_indirect_queue_alerts_its_vcore(memory: AddressSpace, events: Events) -> None:
    alerted: list[int] = []
    events.notify = alerted.append
    queue = make_queue(memory, EVENT_INDIR | EVENT_IPI, 2, mbox=True)
    message = Message(Ev.SYSCALL, ev_arg3=0x1234)
    events.send_event(queue, message)
    assert alerted == [2]
    assert memory.read(queue + EVENT_QUEUE["ev_alert_pending"], 1) == b"\1"
    assert memory.read(vcpd(2) + PREEMPT_DATA["notif_pending"], 1) == b"\1"
    assert list(events.take_vcore(2)) == [message]
    assert memory.read(queue + EVENT_QUEUE["ev_alert_pending"], 1) == b"\0"
    assert memory.read(vcpd(2) + PREEMPT_DATA["notif_pending"], 1) == b"\0"
    assert list(events.take_vcore(2)) == []


def test_flags_choose_the_vcore(memory: AddressSpace, events: Events) -> None:
    alerted: list[int] = []
    events.notify = alerted.append
    queue = make_queue(memory, EVENT_ROUNDROBIN | EVENT_IPI | EVENT_SPAM_PUBLIC, 0, mbox=False)
    for _ in range(4):
        events.send_event(queue, Message(Ev.USER_IPI))
    assert alerted == [1, 2, 0, 1]
    silent = make_queue(memory, 0, 1, mbox=True)
    events.send_event(silent, Message(Ev.USER_IPI))
    assert alerted == [1, 2, 0, 1]
    assert list(events.take(silent + EVENT_QUEUE_BIG["ev_imbox"])) == [Message(Ev.USER_IPI)]
    for vcore in range(VCORES):
        list(events.take_vcore(vcore))


def test_a_kernel_event_goes_to_the_queue_that_is_registered(memory: AddressSpace, events: Events) -> None:
    assert not events.send_kernel_event(Message(Ev.ALARM))
    queue = make_queue(memory, EVENT_INDIR | EVENT_IPI, 1, mbox=True)
    memory.write_u64(UDATA + PROCDATA["kernel_evts"] + 8 * Ev.ALARM, queue)
    assert events.send_kernel_event(Message(Ev.ALARM, 3))
    assert list(events.take_vcore(1)) == [Message(Ev.ALARM, 3)]
    memory.write_u64(UDATA + PROCDATA["kernel_evts"] + 8 * Ev.ALARM, 0)


def test_a_mailbox_is_where_the_structure_says(memory: AddressSpace) -> None:
    assert EVENT_MBOX["ucq"] == EVENT_MBOX["evbm"] == 8
    assert vcpd(1) - vcpd(0) == PREEMPT_DATA.size
