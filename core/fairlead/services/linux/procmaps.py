"""/proc/self/maps: what the address space holds, as proc(5) prints it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fairlead.machine import Prot

if TYPE_CHECKING:
    from fairlead.guest.image import Segment
    from fairlead.services.regions import Region

__all__ = ["maps_text"]


def maps_text(regions: Iterable[Region], segments: Sequence[Segment], path: bytes, vdso: int = 0) -> bytes:
    """A line a region; those that hold a segment of the program are named after its file.

    `vdso` is the address of the page that signal handlers return to, 0 if there is none.
    """
    return b"".join(_line(region, segments, path, vdso) for region in regions)


def _line(region: Region, segments: Sequence[Segment], path: bytes, vdso: int) -> bytes:
    rights = "".join(
        letter if region.prot & bit else "-"
        for letter, bit in (("r", Prot.READ), ("w", Prot.WRITE), ("x", Prot.EXEC))
    )
    offset, file = 0, False
    for segment in segments:
        if region.start <= segment.address < region.end:
            offset, file = segment.offset - (segment.address - region.start), True
            break
    head = f"{region.start:08x}-{region.end:08x} {rights}p {offset:08x} 00:{1 if file else 0:02x} {int(file)}"
    name = path if file else b"[vdso]" if vdso and region.start == vdso else b""
    return head.encode().ljust(73 if name else 0) + name + b"\n"
