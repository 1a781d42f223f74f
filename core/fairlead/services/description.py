"""Open file descriptions: what dup shares (open(2), "Open file descriptions").

`read` and `write` work at the description's own position and answer how many bytes moved, or None where
nothing can move now; the caller decides whether that waits. Buffers are pieces of guest or other memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EBADF, EINVAL, ENODEV, ENXIO, EOVERFLOW, ESPIPE
from typing import TYPE_CHECKING, Protocol

from fairlead.errors import GuestRefusal
from fairlead.services.flags import (
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDNORM,
    EPOLLWRNORM,
    O_ACCMODE,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_EXCL,
    O_NOCTTY,
    O_PATH,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
)
from fairlead.services.locks import unlock
from fairlead.services.vfs import Directory, Node, path_of

if TYPE_CHECKING:
    from fairlead.services.polling import EpollDescription
    from fairlead.services.readiness import Readiness
    from fairlead.services.vfs import Stat

__all__ = [
    "MAX_OFFSET",
    "Buffers",
    "Content",
    "Description",
    "FileDescription",
    "PathDescription",
]

Buffers = Sequence[memoryview]
MAX_OFFSET = (1 << 63) - 1
_FORGOTTEN = ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
_ALWAYS = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM


class Description:
    """Base: a thing that cannot be positioned, polled or transferred."""

    __slots__ = ("flags", "offset", "place", "readable", "references", "watchers", "writable")

    sources: tuple[Readiness, ...] = ()
    """Where changes of `poll` are announced; without any, epoll refuses the description (EPERM)."""
    stream = True
    """No position: transfers block, and a read ends with the first bytes there are."""
    external = False
    """The host changes `poll` without a word."""

    def __init__(self, flags: int) -> None:
        self.flags = flags & _FORGOTTEN
        """Access mode and status flags, as F_GETFL shows them."""
        access = flags & O_ACCMODE
        self.readable = access != O_WRONLY
        self.writable = access != O_RDONLY
        self.offset = 0
        self.references = 0
        """Descriptors that lead here."""
        self.place: tuple[Directory, bytes] | None = None
        """The directory and name it was opened by."""
        self.watchers: dict[EpollDescription, None] = {}
        """Epoll instances that watch it."""

    @property
    def node(self) -> Node | None:
        """The file system's node; None for pipes and other things without a name."""
        return None

    def stat(self) -> Stat:
        raise NotImplementedError

    def path(self) -> bytes:
        """What /proc/self/fd shows."""
        if self.place is None:
            return b"anon_inode:[none]"
        directory, name = self.place
        path = path_of(directory)
        return b"(unreachable)" if path is None else (path if path != b"/" else b"") + b"/" + name

    def read(self, buffers: Buffers) -> int | None:
        raise GuestRefusal(EINVAL)

    def write(self, buffers: Buffers) -> int | None:
        raise GuestRefusal(EINVAL)

    def preadv(self, buffers: Buffers, offset: int) -> int:
        raise GuestRefusal(ESPIPE)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        raise GuestRefusal(ESPIPE)

    def pread(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`, for a mapping of the file."""
        raise GuestRefusal(ENODEV)

    def seek(self, offset: int, whence: int) -> int:
        raise GuestRefusal(ESPIPE)

    def truncate(self, size: int) -> None:
        raise GuestRefusal(EINVAL)

    def allocate(self, mode: int, offset: int, size: int) -> None:
        raise GuestRefusal(ESPIPE)

    def sync(self) -> None:
        raise GuestRefusal(EINVAL)

    def poll(self) -> int:
        """What is ready now, as EPOLL* bits."""
        return _ALWAYS

    def available(self) -> int:
        """Bytes that can be read at once (FIONREAD)."""
        raise GuestRefusal(EINVAL)

    def reopen(self, flags: int) -> Description:
        """A new description of the same thing, for an open of /proc/self/fd/N."""
        raise GuestRefusal(ENXIO)

    def release(self) -> None:
        """The last descriptor is gone."""


class Content(Protocol):
    """A regular file's bytes."""

    def size(self) -> int: ...
    def preadv(self, buffers: Buffers, offset: int) -> int: ...
    def pwritev(self, buffers: Buffers, offset: int) -> int: ...

    def append(self, buffers: Buffers) -> tuple[int, int]:
        """Write at the end: (bytes moved, the position after them)."""

    def truncate(self, size: int) -> None: ...

    def allocate(self, mode: int, offset: int, size: int) -> None:
        """fallocate(2)."""

    def seek(self, offset: int, hole: bool) -> int:
        """Where the next hole or data starts; ENXIO beyond the end."""

    def sync(self) -> None: ...

    def release(self) -> None:
        """Its description is closed."""


class FileDescription(Description):
    """An open regular file."""

    __slots__ = ("_node", "content")

    stream = False

    def __init__(self, flags: int, node: Node, content: Content) -> None:
        super().__init__(flags)
        self._node = node
        self.content = content

    @property
    def node(self) -> Node:
        return self._node

    def stat(self) -> Stat:
        return self._node.stat()

    def read(self, buffers: Buffers) -> int:
        count = self.content.preadv(buffers, self.offset)
        self.offset += count
        return count

    def write(self, buffers: Buffers) -> int:
        if self.flags & O_APPEND:
            count, self.offset = self.content.append(buffers)
        else:
            count = self.content.pwritev(buffers, self.offset)
            self.offset += count
        return count

    def preadv(self, buffers: Buffers, offset: int) -> int:
        return self.content.preadv(buffers, offset)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        # pwrite(2), BUGS: on Linux O_APPEND appends whatever the offset.
        if self.flags & O_APPEND:
            return self.content.append(buffers)[0]
        return self.content.pwritev(buffers, offset)

    def pread(self, offset: int, size: int) -> bytes:
        data = bytearray(max(0, min(size, self.content.size() - offset)))
        done = 0
        with memoryview(data) as view:
            while done < len(data):
                with view[done:] as rest:
                    count = self.preadv((rest,), offset + done)
                if not count:
                    break
                done += count
        return bytes(data[:done])

    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.offset
        elif whence == SEEK_END:
            offset += self.content.size()
        elif whence in (SEEK_DATA, SEEK_HOLE):
            if not 0 <= offset < self.content.size():
                raise GuestRefusal(ENXIO)
            offset = self.content.seek(offset, whence == SEEK_HOLE)
        elif whence != SEEK_SET:
            raise GuestRefusal(EINVAL)
        if offset < 0:
            raise GuestRefusal(EINVAL)
        if offset > MAX_OFFSET:
            raise GuestRefusal(EOVERFLOW)
        self.offset = offset
        return offset

    def truncate(self, size: int) -> None:
        self.content.truncate(size)

    def allocate(self, mode: int, offset: int, size: int) -> None:
        self.content.allocate(mode, offset, size)

    def sync(self) -> None:
        self.content.sync()

    def available(self) -> int:
        return max(0, self.content.size() - self.offset)

    def reopen(self, flags: int) -> Description:
        return self._node.open(flags)

    def release(self) -> None:
        unlock(self._node, self)
        self.content.release()


class PathDescription(Description):
    """A place in the tree (O_PATH): good for *at calls and fstat, not for the file's content."""

    __slots__ = ("_node",)

    def __init__(self, flags: int, node: Node) -> None:
        super().__init__(O_PATH | (flags & ~O_ACCMODE))
        self.readable = self.writable = False
        self._node = node

    @property
    def node(self) -> Node:
        return self._node

    def stat(self) -> Stat:
        return self._node.stat()

    def path(self) -> bytes:
        if isinstance(self._node, Directory):
            return path_of(self._node) or b"(unreachable)"
        return super().path()

    def poll(self) -> int:
        raise GuestRefusal(EBADF)

    def reopen(self, flags: int) -> Description:
        return self._node.open(flags)
