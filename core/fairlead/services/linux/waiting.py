"""Waits that several kinds of calls have in common."""

from __future__ import annotations

from collections.abc import Callable
from errno import EINTR
from typing import TYPE_CHECKING

from fairlead.services.description import Description
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["INTERRUPTED", "host_deadline", "wait_ready"]

INTERRUPTED = Result(errno=EINTR, restart=True)
_HOST_POLL = 5_000_000
"""Nanoseconds between two looks at a host stream while other threads run."""


def host_deadline(process: Process) -> int:
    """When to look again at what the host changes without a word."""
    return process.services.machine.clock.now() + _HOST_POLL


def wait_ready(
    process: Process, description: Description, resume: Callable[[Wake], Result | Pending]
) -> Pending:
    """Wait until something changes about a description."""
    queues = tuple(source.queue for source in description.sources)
    if description.external:
        return Pending(queues, resume, deadline=host_deadline(process), external=True)
    return Pending(queues, resume)
