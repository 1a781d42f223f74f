"""Chrome's trace event format, written as it comes: slices that begin and end on tracks.

Trace Event Format, "JSON Object Format" and "Duration Events": of a track's slices the one that began last
ends first. Times are in microseconds; three decimals make them exact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import BinaryIO, NamedTuple

from fairlead.errors import FairleadError

__all__ = ["Place", "TraceFile"]

_HEAD = '{"displayTimeUnit":"ns","traceEvents":[\n'
_ENOUGH = 1 << 16
"""Characters that are kept before they are written."""


class Place(NamedTuple):
    """A track: the process and thread it stands under."""

    process: int
    thread: int


class TraceFile:
    """A trace under way; every line but the head's and the last is one event."""

    def __init__(self, file: BinaryIO) -> None:
        """`file` is unbuffered: what is kept is kept here."""
        self._file = file
        self._pieces = [_HEAD]
        self._size = 0
        self._comma = ""
        self._broken = False

    def begin(
        self, place: Place, name: str, time: int, arguments: Mapping[str, object] | None = None
    ) -> None:
        self._event("B", place, time, name, arguments)

    def end(self, place: Place, time: int, arguments: Mapping[str, object] | None = None) -> None:
        """End the slice of this track that began last; its arguments join those it began with."""
        self._event("E", place, time, None, arguments)

    def name_process(self, process: int, name: str) -> None:
        self._meta("process_name", process, 0, {"name": name})
        self._meta("process_sort_index", process, 0, {"sort_index": process})

    def name_track(self, place: Place, name: str) -> None:
        self._meta("thread_name", *place, {"name": name})
        self._meta("thread_sort_index", *place, {"sort_index": place.thread})

    def close(self) -> None:
        """Write the end; what stands in the file then is a whole document."""
        self._write("\n]}\n")
        self._flush()

    def _meta(self, what: str, process: int, thread: int, arguments: Mapping[str, object]) -> None:
        shown = json.dumps(arguments)
        self._line(f'{{"ph":"M","pid":{process},"tid":{thread},"name":"{what}","args":{shown}}}')

    def _event(
        self, kind: str, place: Place, time: int, name: str | None, arguments: Mapping[str, object] | None
    ) -> None:
        line = (
            f'{{"ph":"{kind}","pid":{place.process},"tid":{place.thread},"ts":{time // 1000}.{time % 1000:03}'
        )
        if name is not None:
            line += f',"name":{json.dumps(name)}'
        if arguments:
            line += f',"args":{json.dumps(arguments)}'
        self._line(f"{line}}}")

    def _line(self, line: str) -> None:
        self._write(f"{self._comma}{line}")
        self._comma = ",\n"

    def _write(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > _ENOUGH:
            self._flush()

    def _flush(self) -> None:
        """What cannot be written ends the run, once; then nothing is written any more."""
        data = memoryview("".join(self._pieces).encode())
        self._pieces.clear()
        self._size = 0
        try:
            while data and not self._broken:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._broken = True
            raise FairleadError(f"cannot write the timeline: {error.strerror}") from error
