"""Changing attributes: wstat and fwstat, with a stat message of 9P (kern/src/ns/convM2D.c, fs_file.c)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.errors import GuestRefusal
from fairlead.services.flags import O_WRONLY
from fairlead.services.linux.structures import u32
from fairlead.services.pipes import PipeDescription
from fairlead.services.vfs import Directory, Node
from fairlead.services.vfs_devices import CharacterDevice
from fairlead_akaros.abi import O_WRITE, UWLIM, Errno, Sys
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.paths import path_in
from fairlead_akaros.kernel.words import path_words

if TYPE_CHECKING:
    from fairlead.services.description import Description
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS", "STAT_FIX_LEN_9P", "STAT_FIX_LEN_AK"]

_HEAD = Struct("<HHIBIQIIIq")  # size, type, dev, qid (type, version, path), mode, atime, mtime, length
_TIMES = Struct("<III8Q")  # n_uid, n_gid, n_muid; atime, btime, ctime, mtime as seconds and nanoseconds
_STRINGS_9P, _STRINGS_AK = 4, 5
STAT_FIX_LEN_9P = _HEAD.size + 2 * _STRINGS_9P
"""A message of 9P2000 without its strings: times are seconds of 32 bits."""
STAT_FIX_LEN_AK = STAT_FIX_LEN_9P + 2 + _TIMES.size
"""Akaros' own, with a fifth string, numbers of users and whole times after them."""
_LARGEST = 2 + 0xFFFF
_SAME_32 = (1 << 32) - 1
_SAME_64 = (1 << 64) - 1
_BILLION = 1_000_000_000
_PERMISSIONS = 0o777
_OWNER = "eve"


class _Change(NamedTuple):
    """What a message asks to be changed; None leaves a thing as it is."""

    name: bytes
    mode: int | None
    length: int | None
    atime: int | None
    mtime: int | None


def _check(data: bytes) -> list[bytes]:
    """statcheck: the strings of a message that is one."""
    size = len(data)
    if size < STAT_FIX_LEN_9P:
        raise REFUSALS["short stat"](size, STAT_FIX_LEN_9P)
    said = 2 + int.from_bytes(data[:2], "little")
    if size != said:
        raise REFUSALS["size of a stat"](size, said)
    strings: list[bytes] = []
    at = _HEAD.size
    for number in range(_STRINGS_AK):
        if number == _STRINGS_9P and at == size:
            return strings
        if at + 2 > size:
            raise REFUSALS["string of a stat"](number, "legacy" if number < _STRINGS_9P else "akaros")
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        strings.append(data[at + 2 : end])
        at = end
    if at + _TIMES.size > size:
        raise REFUSALS["end of a stat"](size - at, _TIMES.size)
    if at + _TIMES.size != size:
        raise REFUSALS["more than a stat"](size - at - _TIMES.size)
    return strings


def _time(seconds: int, nanoseconds: int, same: int) -> int | None:
    if seconds == same:
        return None
    signed = seconds - (1 << 64) if seconds >> 63 else seconds
    return signed * _BILLION + nanoseconds % _BILLION


def _change(data: bytes) -> _Change:
    """convM2D."""
    strings = _check(data)
    *_, mode, atime, mtime, length = _HEAD.unpack_from(data)
    if len(strings) > _STRINGS_9P:
        _, _, _, seconds, rest, _, _, _, _, other, fraction = _TIMES.unpack_from(
            data, len(data) - _TIMES.size
        )
        times = _time(seconds, rest, _SAME_64), _time(other, fraction, _SAME_64)
    else:
        times = _time(atime, 0, _SAME_32), _time(mtime, 0, _SAME_32)
    return _Change(
        strings[0],
        None if mode == _SAME_32 else mode,
        None if length == -1 else length,
        *times,
    )


def _message(kernel: Kernel, address: int, size: int) -> bytes:
    if address + size > UWLIM:
        raise REFUSALS["buffer"](address, size)
    return kernel.memory.read(address, min(size, _LARGEST + 1))


def _alter(kernel: Kernel, node: Node, change: _Change, description: Description | None) -> None:
    """fs_file_wstat: one after another, what was done before a refusal stays done."""
    names = kernel.process.files.names
    if isinstance(node, CharacterDevice):
        raise REFUSALS["stat of a device"]()
    if change.name:
        raise REFUSALS["rename by stat"]()
    if change.mode is not None:
        try:
            names.set_mode(node, node.stat().mode & 0o7000 | change.mode & _PERMISSIONS)
        except GuestRefusal as refusal:
            raise REFUSALS["mode of another's"](_OWNER) if refusal.errno == Errno.EPERM else refusal from None
    if change.length is not None:
        _set_length(kernel, node, change.length, description)
    for field, atime, mtime in (("atime", change.atime, None), ("mtime", None, change.mtime)):
        if atime is None and mtime is None:
            continue
        try:
            names.set_times(node, atime, mtime, now=True)
        except GuestRefusal as refusal:
            known = refusal.errno in (Errno.EPERM, Errno.EACCES)
            raise REFUSALS["time of another's"](field) if known else refusal from None


def _set_length(kernel: Kernel, node: Node, length: int, description: Description | None) -> None:
    if length < 0:
        raise REFUSALS["length"](length & _SAME_64)
    if isinstance(node, Directory):
        raise GuestRefusal(Errno.EISDIR)
    if description is not None and description.writable:
        description.truncate(length)
        return
    try:
        kernel.process.files.names.check_open(node, O_WRONLY)
    except GuestRefusal as refusal:
        denied = refusal.errno == Errno.EACCES
        raise REFUSALS["no permission"]("nanwan", 0, O_WRITE) if denied else refusal from None
    node.truncate(length)


def wstat(kernel: Kernel, path_at: int, path_length: int, message: int, size: int, flags: int) -> int:
    """How many bytes the message has; which of its fields count is in them, not in `flags`."""
    data = _message(kernel, message, size)
    path = path_in(kernel, path_at, path_length)
    change = _change(data)
    files = kernel.process.files
    try:
        node = files.names.find(files.cwd, path)
    except GuestRefusal as refusal:
        raise path_words(kernel, refusal.errno, path, {}) from None
    _alter(kernel, node, change, None)
    return len(data)


def fwstat(kernel: Kernel, fd: int, message: int, size: int, flags: int) -> int:
    """As wstat; a pipe has nothing that changes."""
    data = _message(kernel, message, size)
    change = _change(data)
    try:
        description = kernel.process.files.table.get(u32(fd))
    except GuestRefusal:
        raise REFUSALS["no descriptor"]() from None
    node = description.node
    if node is not None:
        _alter(kernel, node, change, description)
    elif not isinstance(description, PipeDescription):
        raise REFUSALS["stat of a device"]()
    return len(data)


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.wstat: wstat,
    Sys.fwstat: fwstat,
}
