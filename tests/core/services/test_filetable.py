"""The descriptor table against a dictionary."""

from __future__ import annotations

from errno import EBADF, EINVAL, EMFILE

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description
from fairlead.services.filetable import FileTable

LIMIT = 8
numbers = st.integers(0, LIMIT + 2)


class Counted(Description):
    """A description that knows how often it was let go of."""

    def __init__(self) -> None:
        super().__init__(2)
        self.released = 0

    def release(self) -> None:
        self.released += 1


class AgainstDict(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.table = FileTable(LIMIT, LIMIT)
        self.model: dict[int, tuple[Counted, bool]] = {}
        self.made: list[Counted] = []

    def lowest(self, start: int = 0) -> int:
        return next(fd for fd in range(start, 100) if fd not in self.model)

    def refused(self, refusal: GuestRefusal, fd: int, lowest: int) -> None:
        if fd not in self.model:
            assert refusal.errno == EBADF
        elif lowest >= LIMIT:
            assert refusal.errno == EINVAL
        else:
            assert refusal.errno == EMFILE and self.lowest(lowest) >= LIMIT

    @rule(cloexec=st.booleans())
    def open(self, cloexec: bool) -> None:
        description = Counted()
        try:
            fd = self.table.add(description, cloexec=cloexec)
        except GuestRefusal as refusal:
            assert refusal.errno == EMFILE and len(self.model) == LIMIT
            return
        assert fd == self.lowest()
        self.made.append(description)
        self.model[fd] = (description, cloexec)

    @rule(fd=numbers)
    def close(self, fd: int) -> None:
        try:
            self.table.close(fd)
        except GuestRefusal as refusal:
            assert refusal.errno == EBADF and fd not in self.model
            return
        del self.model[fd]

    @rule(fd=numbers, lowest=numbers, cloexec=st.booleans())
    def duplicate(self, fd: int, lowest: int, cloexec: bool) -> None:
        try:
            new = self.table.duplicate(fd, lowest=lowest, cloexec=cloexec)
        except GuestRefusal as refusal:
            self.refused(refusal, fd, lowest)
            return
        assert new == self.lowest(lowest)
        self.model[new] = (self.model[fd][0], cloexec)

    @rule(fd=numbers, new=numbers, cloexec=st.booleans())
    def replace(self, fd: int, new: int, cloexec: bool) -> None:
        if fd == new:
            return
        try:
            assert self.table.replace(fd, new, cloexec=cloexec) == new
        except GuestRefusal as refusal:
            assert refusal.errno == EBADF and (fd not in self.model or new >= LIMIT)
            return
        self.model[new] = (self.model[fd][0], cloexec)

    @rule(fd=numbers, on=st.booleans())
    def set_cloexec(self, fd: int, on: bool) -> None:
        try:
            self.table.set_cloexec(fd, on)
        except GuestRefusal as refusal:
            assert refusal.errno == EBADF and fd not in self.model
            return
        self.model[fd] = (self.model[fd][0], on)

    @rule(first=numbers, last=numbers)
    def close_range(self, first: int, last: int) -> None:
        self.table.close_range(first, last)
        self.model = {fd: entry for fd, entry in self.model.items() if not first <= fd <= last}

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "table"):
            return
        assert list(self.table) == sorted(self.model)
        for fd, (description, cloexec) in self.model.items():
            assert self.table.get(fd) is description and self.table.cloexec(fd) is cloexec
        leading = [description for description, _ in self.model.values()]
        for description in self.made:
            assert description.references == leading.count(description)
            assert description.released == (description.references == 0)


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_the_limit_may_rise() -> None:
    table = FileTable(1, 100)
    table.add(Counted())
    table.limit = 50
    assert [table.add(Counted()) for _ in range(3)] == [1, 2, 3]
    table.limit = 2  # what is open stays open
    assert table.get(3)
    table.close(0)
    assert table.add(Counted()) == 0
