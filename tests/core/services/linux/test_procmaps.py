"""/proc/self/maps line by line."""

from __future__ import annotations

from fairlead.guest.image import Segment
from fairlead.machine import Prot
from fairlead.services.linux.procmaps import maps_text
from fairlead.services.regions import Region

SEGMENTS = (
    Segment(0x1000, 0x800, 0x40, 0x800, Prot.READ | Prot.EXEC),
    Segment(0x3010, 0x20, 0x910, 0x20, Prot.READ | Prot.WRITE),
)


def test_segments_are_named_after_the_file_and_the_rest_is_not() -> None:
    regions = [Region(0x1000, 0x2000, 5), Region(0x3000, 0x4000, 3), Region(1 << 38, (1 << 38) + 4096, 0)]
    assert maps_text(regions, SEGMENTS, b"/bin/program", 1 << 38).splitlines() == [
        b"00001000-00002000 r-xp 00000040 00:01 1".ljust(73) + b"/bin/program",
        b"00003000-00004000 rw-p 00000900 00:01 1".ljust(73) + b"/bin/program",
        b"4000000000-4000001000 ---p 00000000 00:00 0".ljust(73) + b"[vdso]",
    ]
