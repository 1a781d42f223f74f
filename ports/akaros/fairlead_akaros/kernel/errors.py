"""Why calls are refused: errno with the published kernel's own words (errstr) and where it says them.

Where the kernel only sets an errno there are no words. Where its source says ERROR_FIXME the words are what
that macro makes of file and line (kern/include/err.h).
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.errors import GuestRefusal
from fairlead_akaros.abi import MAX_ERRSTR_LEN, Errno

__all__ = ["REFUSALS", "Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason; `text` has the kernel's printf conversions, `source` is its file under kern/ and line."""

    errno: Errno
    text: str
    source: str

    def __call__(self, *values: object) -> GuestRefusal:
        """The exception to raise, the words cut as vsnprintf(…, MAX_ERRSTR_LEN, …) does."""
        text = self.text.replace("%p", "0x%016x") % values if values else self.text
        return GuestRefusal(self.errno, text.encode()[: MAX_ERRSTR_LEN - 1].decode("utf-8", "ignore"))


def _fixme(errno: Errno, source: str) -> Refusal:
    file, _, line = source.rpartition(":")
    return Refusal(errno, f"This space in kern/{file}@{line} needs filling in.", source)


_E = Errno

REFUSALS: dict[str, Refusal] = {
    # walking a path
    "no file": Refusal(_E.ENOENT, "file does not exist", "src/ns/tree_file.c:571"),
    "no file on the way": Refusal(_E.ENOENT, "walk failed", "src/ns/chan.c:850"),
    "not a directory on the way": Refusal(_E.ENOTDIR, "walk failed", "src/ns/chan.c:856"),
    "walk from a file": Refusal(_E.ENOTDIR, "initial walk from a file", "src/ns/tree_file.c:501"),
    "no permission to look": Refusal(_E.EACCES, "missing perm for lookup", "src/ns/tree_file.c:517"),
    "too many links": Refusal(_E.ELOOP, "too many nested symlinks in walk", "src/ns/chan.c:1674"),
    "empty name": Refusal(_E.EFAIL, "empty file name", "src/ns/chan.c:1456"),
    "directory due": Refusal(_E.ENOTDIR, "not a dir, but mustbedir.  trailing slash?", "src/ns/chan.c:1173"),
    "name too long": Refusal(_E.EINVAL, "Name too long", "src/ns/chan.c:1586"),
    "path too long": Refusal(_E.ENAMETOOLONG, "", "src/umem.c:261"),
    "no device": Refusal(_E.EFAIL, "Unknown #device %s (spec %s)", "src/ns/chan.c:1518"),
    # opening and making
    "no permission": Refusal(_E.EPERM, "permcheck(user: %s, rwx: 0%o, omode 0%o) failed", "src/ns/dev.c:412"),
    "directory for writing": Refusal(_E.EISDIR, "can't open a dir for writing", "src/ns/tree_file.c:744"),
    "open of a link": Refusal(_E.EINVAL, "can't open a symlink", "src/ns/tree_file.c:746"),
    "no-follow of a link": Refusal(_E.ELOOP, "no-follow open of a symlink", "src/ns/sysfile.c:604"),
    "relative to no path": Refusal(_E.EINVAL, "Cannot openat from a non-O_PATH FD", "src/ns/sysfile.c:597"),
    "path with access": Refusal(
        _E.EINVAL, "Cannot open O_PATH with any I/O perms (O%o)", "src/syscall.c:1811"
    ),
    "exclusive without create": Refusal(
        _E.EINVAL, "Cannot open O_EXCL without O_CREATE", "src/syscall.c:1816"
    ),
    "file exists": Refusal(_E.EEXIST, "file exists", "src/ns/tree_file.c:694"),
    "no permission to create": Refusal(
        _E.EACCES, "missing create permission on dir", "src/ns/tree_file.c:686"
    ),
    "create where no directory is": Refusal(_E.EINVAL, "create without DMDIR", "src/ns/chan.c:1109"),
    "directory going away": Refusal(
        _E.ENOENT, "create failed, parent dir being removed", "src/ns/tree_file.c:688"
    ),
    # descriptors
    "no descriptor": _fixme(_E.EBADF, "src/ns/sysfile.c:75"),
    "descriptor for other access": Refusal(
        _E.EBADF,
        "FD access mode failure: chan mode 0x%x, wanted 0x%x (opened with 0 instead of O_READ?)",
        "src/ns/sysfile.c:87",
    ),
    "flags of no descriptor": Refusal(_E.EBADF, "FD was not open", "src/ns/sysfile.c:1929"),
    "descriptor flags": Refusal(_E.EINVAL, "Bad FD flags %p, valid are %p", "src/syscall.c:1918"),
    "fcntl command": Refusal(_E.EINVAL, "Unsupported fcntl cmd %d", "src/syscall.c:1933"),
    "close-on-exec by setfl": Refusal(
        _E.EINVAL, "can't toggle O_CLOEXEC with setfl", "src/ns/sysfile.c:1531"
    ),
    # moving bytes
    "buffer": Refusal(_E.EINVAL, "bad user addr %p + %p", "src/syscall.c:1782"),
    "write to a directory": _fixme(_E.EISDIR, "src/ns/sysfile.c:1099"),
    "short directory read": Refusal(_E.EINVAL, "readdir needs to read at least %d", "src/ns/sysfile.c:724"),
    "seek before the start": _fixme(_E.EINVAL, "src/ns/sysfile.c:919"),
    "seek in a directory": _fixme(_E.EISDIR, "src/ns/sysfile.c:927"),
    "whence": _fixme(_E.EINVAL, "src/ns/sysfile.c:954"),
    "queue empty": Refusal(_E.EAGAIN, "queue empty", "src/ns/qio.c:1207"),
    "queue full": Refusal(_E.EAGAIN, "queue full", "src/ns/qio.c:1478"),
    "connection closed": Refusal(_E.EPIPE, "connection closed", "src/ns/qio.c:1462"),
    "out of room": Refusal(_E.ENOSPC, "out of tmpfs files", "drivers/dev/tmpfs.c:59"),
    "aborted": Refusal(_E.EINTR, "syscall aborted", "src/rendez.c:45"),
    # names
    "directory not empty": Refusal(_E.ENOTEMPTY, "can't remove dir with children", "src/ns/tree_file.c:371"),
    "no permission to remove": Refusal(_E.EACCES, "missing remove perm for dir", "src/ns/tree_file.c:781"),
    "no permission to take from": Refusal(
        _E.EACCES, "missing remove perm for src dir", "src/ns/tree_file.c:884"
    ),
    "no hard links": Refusal(_E.ENOSYS, "no link", "src/syscall.c:2003"),
    "not a link": Refusal(_E.EINVAL, "not a symlink: %s", "src/syscall.c:2057"),
    "rename across devices": Refusal(_E.EXDEV, "can't rename across device types", "src/ns/chan.c:1299"),
    "file onto a directory": Refusal(_E.EISDIR, "can't rename a file onto a dir", "src/ns/tree_file.c:896"),
    "directory onto a file": Refusal(_E.ENOTDIR, "can't rename a dir onto a file", "src/ns/tree_file.c:909"),
    "directory into itself": Refusal(
        _E.EINVAL, "can't rename to a child directory", "src/ns/tree_file.c:889"
    ),
    "bind of a link": Refusal(_E.EINVAL, "cannot bind a symlink", "src/ns/chan.c:403"),
    "bind of another kind": _fixme(_E.EINVAL, "src/ns/chan.c:409"),
    "nothing mounted": _fixme(_E.ENOENT, "src/ns/chan.c:542"),
    "room for the working directory": Refusal(
        _E.ERANGE, "getcwd buf too small, needed %d", "src/syscall.c:2129"
    ),
    "room for a path": Refusal(_E.ERANGE, "fd2path buf too small, needed %d", "src/syscall.c:2353"),
    # attributes, as 9P's stat messages
    "short stat": Refusal(_E.EINVAL, "statcheck: legacy chunk too short (%d < %d)", "src/ns/convM2D.c:53"),
    "size of a stat": Refusal(_E.EINVAL, "statcheck: size mismatch (%d != %d)", "src/ns/convM2D.c:56"),
    "string of a stat": Refusal(_E.EINVAL, "statcheck: string %d (%s) out of range", "src/ns/convM2D.c:64"),
    "end of a stat": Refusal(_E.EINVAL, "statcheck: akaros chunk too short (%d < %d)", "src/ns/convM2D.c:82"),
    "more than a stat": Refusal(_E.EINVAL, "statcheck: %d extra bytes", "src/ns/convM2D.c:86"),
    "rename by stat": Refusal(_E.EINVAL, "do not rename with wstat", "src/ns/fs_file.c:510"),
    "mode of another's": Refusal(_E.EPERM, "wrong user for wstat, need %s", "src/ns/fs_file.c:481"),
    "time of another's": Refusal(_E.EPERM, "insufficient perms to set %s", "src/ns/fs_file.c:188"),
    "length": Refusal(_E.EINVAL, "can't grow file to %d bytes", "src/ns/fs_file.c:342"),
    "stat of a device": _fixme(_E.EPERM, "src/ns/dev.c:493"),
    # memory
    "rights": Refusal(_E.EINVAL, "invalid prot 0x%x (%x)", "src/mm.c:704"),
    "room in memory": Refusal(_E.ENOMEM, "probably tried to mmap beyond UMAPTOP", "src/mm.c:965"),
    "file that cannot be mapped": Refusal(_E.ENODEV, "device does not support mmap", "src/mm.c:233"),
    # processes
    "no process": Refusal(_E.ESRCH, "no proc for pid %d", "src/syscall.c:570"),
    "no vcore": Refusal(_E.EINVAL, "vcoreid %d out of range %d", "src/syscall.c:875"),
    "event queue": Refusal(_E.EINVAL, "bad event_queue %p", "src/syscall.c:1500"),
    "many-core process": Refusal(_E.EINVAL, "Can't exec an MCP", "src/syscall.c:1032"),
    "size of arguments": Refusal(
        _E.EINVAL, "The argenv array has an invalid size: %d\n", "src/syscall.c:755"
    ),
    "copy of arguments": Refusal(_E.EINVAL, "Failed to copy in the args", "src/syscall.c:763"),
    "shape of arguments": Refusal(_E.EINVAL, "Failed to unpack the args", "src/syscall.c:769"),
    "one process": Refusal(_E.ENOMEM, "Failed to alloc new proc", "src/syscall.c:776"),
    "descriptor in use": Refusal(_E.EFAIL, "Can't insert FD %d into FDG", "src/ns/sysfile.c:305"),
    # taps
    "queue of a tap": Refusal(_E.EINVAL, "Tap request with bad event_queue %p", "src/fdtap.c:56"),
    "tapped": Refusal(_E.EBUSY, "FD %d already has a tap", "src/fdtap.c:76"),
    "no taps": Refusal(_E.ENOSYS, "Device %s does not handle taps", "src/fdtap.c:80"),
    "not tapped": Refusal(_E.EBADF, "FD %d was not tapped", "src/fdtap.c:146"),
    "tap command": Refusal(_E.ENOSYS, "FD Tap Command %d not supported", "src/syscall.c:2443"),
    "filter of a pipe": Refusal(
        _E.ENOSYS, "Unsupported #pipe data tap %p, must be %p", "drivers/dev/pipe.c:617"
    ),
    "filter of an event": Refusal(
        _E.ENOSYS, "Unsupported #eventfd tap %p, must be %p", "drivers/dev/eventfd.c:298"
    ),
}
"""By what is wrong."""
