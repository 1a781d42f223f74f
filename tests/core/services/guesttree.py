"""Calls on a guest's tree, as tests write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fairlead.errors import GuestRefusal
from fairlead.services.flags import O_CREAT, O_DIRECTORY, O_TRUNC, O_WRONLY
from fairlead.services.linux.files import Files

__all__ = ["errno", "listing", "read", "write"]


def read(files: Files, path: bytes) -> bytes:
    description = files.names.open(files.cwd, path, 0, 0)
    try:
        return description.pread(0, 4 << 20)
    finally:
        description.release()


def write(files: Files, path: bytes, data: bytes, flags: int = O_CREAT | O_WRONLY | O_TRUNC) -> None:
    description = files.names.open(files.cwd, path, flags, 0o644)
    try:
        assert description.write((memoryview(data),)) == len(data)
    finally:
        description.release()


def listing(files: Files, path: bytes) -> list[bytes]:
    description: Any = files.names.open(files.cwd, path, O_DIRECTORY, 0)
    names = [entry[1] for entry in description.entries()]
    description.release()
    return names


def errno(action: Callable[[], Any]) -> int:
    with pytest.raises((GuestRefusal, OSError)) as caught:
        action()
    error: Any = caught.value
    number: int = error.errno
    return number
