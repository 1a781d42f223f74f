"""Every call that is served, by name: the tables of the modules beside this one."""

from __future__ import annotations

from fairlead.services.linux import (
    archcalls,
    descriptors,
    memory,
    metadata,
    misc,
    paths,
    polling,
    prctl,
    signals,
    threads,
    time,
    transfers,
    users,
)
from fairlead.services.linux.handler import Handlers

__all__ = ["HANDLERS"]

_MODULES = (
    archcalls,
    descriptors,
    memory,
    metadata,
    misc,
    paths,
    polling,
    prctl,
    signals,
    threads,
    time,
    transfers,
    users,
)

HANDLERS: Handlers = {name: handler for module in _MODULES for name, handler in module.HANDLERS.items()}
