"""The files of one Linux process: descriptors, tree, working directory, and how descriptions are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from errno import EBADF
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from fairlead.errors import GuestRefusal, UsageError
from fairlead.services.description import Description, PathDescription
from fairlead.services.directories import directory_of
from fairlead.services.eventfd import EventDescription
from fairlead.services.filetable import FileTable
from fairlead.services.flags import AT_FDCWD, O_RDONLY, O_RDWR, O_WRONLY
from fairlead.services.hoststreams import HostStream
from fairlead.services.namespace import Namespace
from fairlead.services.pipes import PipeDescription, PipePool, make_pipe
from fairlead.services.polling import EpollDescription, WatchLimit
from fairlead.services.resolve import User, resolve
from fairlead.services.vfs import Directory
from fairlead.services.vfs_blocks import Quota
from fairlead.services.vfs_memory import MemoryFile, MemoryFileSystem
from fairlead.services.vfs_proc import StaticFile
from fairlead.services.vfs_tree import add_proc, add_program, directory_at, standard_tree

if TYPE_CHECKING:
    from fairlead.port import Mount, Program, Services
    from fairlead.services.hostfolder import HostTree

__all__ = ["DEFAULT_USER", "Files", "Stream"]

Stream = int | BinaryIO | None
"""A host descriptor, a binary file object, or nothing (/dev/null)."""

DEFAULT_USER = User(1000, 1000)
"""An ordinary user: permission bits mean something, as programs and their tests expect."""

_SPACE = 1 << 30
_PROC_DEV, _ROOT_DEV = 0x17, 0x18


class Files:
    """The file side of a process. `table`, `names` and `cwd` are its state; the rest makes descriptions."""

    def __init__(
        self,
        services: Services,
        *,
        mounts: Sequence[Mount] = (),
        cwd: str = "/",
        streams: tuple[Stream, Stream, Stream] = (0, 1, 2),
        environment: Mapping[str, str] | None = None,
        program: bytes = b"/bin/program",
        image: bytes = b"",
        user: User = DEFAULT_USER,
        pid: int = 1000,
        space: int = _SPACE,
        descriptors: tuple[int, int] = (1024, 4096),
    ) -> None:
        """`space` is how many bytes files in memory may take; `descriptors` RLIMIT_NOFILE, soft and hard."""
        self._services = services
        self._clock = services.machine.clock
        self.user = user
        self.table = FileTable(*descriptors)
        self._watches = WatchLimit()
        self.pipes = PipePool(services.wait_queue, self.realtime, uid=user.uid, gid=user.gid)
        self.fs = MemoryFileSystem(_ROOT_DEV, self.realtime, Quota(space), self.pipes.new)
        self.names = Namespace(self.fs.root, user)
        standard_tree(self.fs, user, services.seed, environment or {})
        if image:
            add_program(self.fs, program, image)
        self.cwd: Directory = self.fs.root
        self.program = program
        proc = MemoryFileSystem(_PROC_DEV, self.realtime, self.fs.quota, self.pipes.new)
        self._proc = add_proc(proc, self.fs.root, self.table, user, pid, program, lambda: self.cwd)
        self._trees: list[HostTree] = []
        if mounts:
            from fairlead.services.mounts import mount_all

            self._trees = mount_all(self.names, mounts, self.fs, _ROOT_DEV + 1)
        self.cwd = self._start(cwd)
        for stream, flags in zip(streams, (O_RDONLY, O_WRONLY, O_WRONLY), strict=True):
            self.table.add(self._stream(stream, flags))

    @classmethod
    def create(
        cls,
        services: Services,
        program: Program,
        stdin: Stream = 0,
        stdout: Stream = 1,
        stderr: Stream = 2,
        *,
        user: User = DEFAULT_USER,
        pid: int = 1000,
    ) -> Files:
        """The files a program starts with: its mounts, working directory and standard streams."""
        first = program.arguments[0] if program.arguments else "program"
        path = first if first.startswith("/") else f"/bin/{PurePosixPath(first).name or 'program'}"
        files = cls(
            services,
            mounts=program.mounts,
            cwd=program.cwd,
            streams=(stdin, stdout, stderr),
            environment=program.environment,
            program=path.encode("utf-8", "surrogateescape"),
            image=program.image.data,
            user=user,
            pid=pid,
        )
        words = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in program.arguments)
        files.add_proc_file(b"cmdline", lambda: words)
        return files

    def add_proc_file(self, name: bytes, text: Callable[[], bytes]) -> None:
        """Put a file into /proc/self whose content is made when it is opened."""
        self._proc.add(name, StaticFile(self._proc.fs, text))

    def _start(self, cwd: str) -> Directory:
        """The working directory, made in memory where nothing is mounted."""
        path = cwd.encode("utf-8", "surrogateescape")
        root = User(0, 0)
        try:
            found = resolve(root, self.names.root, self.names.root, path).node
        except GuestRefusal:
            found = None
        if found is None:
            try:
                found = directory_at(self.fs.root, path)
                found.uid, found.gid = self.user.uid, self.user.gid
            except (GuestRefusal, OSError):
                found = None
        if not isinstance(found, Directory):
            raise UsageError(f"{cwd}: no such folder in the guest", hint="--mount it")
        return found

    def _stream(self, stream: Stream, flags: int) -> Description:
        if isinstance(stream, int):
            # A closed descriptor of the host's reads as empty and swallows what is written.
            try:
                return self._host_stream(stream, flags)
            except OSError:
                stream = None
        if stream is None:
            return self.names.open(self.names.root, b"/dev/null", O_RDWR, 0)
        return self._host_stream(stream, flags)

    def _host_stream(self, stream: int | BinaryIO, flags: int) -> HostStream:
        services = self._services
        return HostStream(
            flags,
            stream,
            services.wait_queue(),
            services.stop_requested,
            waits=self._clock.kind == "host",
            uid=self.user.uid,
        )

    def realtime(self) -> int:
        """Guest real time in nanoseconds since 1970."""
        return self._clock.epoch + self._clock.now()

    def description(self, fd: int) -> Description:
        """What a descriptor leads to, O_PATH ones aside; EBADF without."""
        found = self.table.get(fd)
        if isinstance(found, PathDescription):
            raise GuestRefusal(EBADF)
        return found

    def base(self, dirfd: int) -> Directory:
        """Where a relative path of an *at call starts."""
        return self.cwd if dirfd == AT_FDCWD else directory_of(self.table.get(dirfd))

    def base_for(self, dirfd: int, path: bytes) -> Directory:
        """As `base`; the descriptor is not looked at where the path is absolute."""
        return self.names.root if path[:1] == b"/" else self.base(dirfd)

    def install(self, description: Description, *, cloexec: bool = False) -> int:
        """A descriptor for a new description, which is let go of if there is none left."""
        try:
            return self.table.add(description, cloexec=cloexec)
        except GuestRefusal:
            description.release()
            raise

    def install_pair(self, first: Description, second: Description, *, cloexec: bool) -> tuple[int, int]:
        """Descriptors for two descriptions, or for none."""
        try:
            one = self.install(first, cloexec=cloexec)
        except GuestRefusal:
            second.release()
            raise
        try:
            return one, self.install(second, cloexec=cloexec)
        except GuestRefusal:
            self.table.close(one)
            raise

    def make_pipe(self, flags: int) -> tuple[PipeDescription, PipeDescription]:
        return make_pipe(self.pipes, flags)

    def make_event(self, flags: int, count: int, *, semaphore: bool) -> EventDescription:
        return EventDescription(flags, self._services.wait_queue(), count, semaphore=semaphore)

    def make_epoll(self) -> EpollDescription:
        return EpollDescription(0, self._services.wait_queue(), self._watches)

    def make_memory_file(self) -> Description:
        """A file without a name anywhere (memfd_create)."""
        node = MemoryFile(self.fs, 0o777, self.user.uid, self.user.gid)
        node.nlink = 0
        return node.open(O_RDWR)

    def close(self) -> None:
        """Let go of everything held of the host."""
        self.table.close_all()
        for tree in self._trees:
            tree.close()
        self._trees = []
