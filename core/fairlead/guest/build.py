"""Building a Go program for a port, and remembering what was built: the second time no go command runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fairlead.errors import ImageError, PortError, ToolError, UsageError
from fairlead.guest.cache import Cache, digest, write_atomically
from fairlead.guest.flags import link_flags, take_goflags
from fairlead.guest.image import load_image
from fairlead.guest.overlay import Overlay, make_overlay
from fairlead.guest.stamps import now, stamp
from fairlead.guest.toolchain import Finished, Toolchain, find_toolchain
from fairlead.port import Port

__all__ = ["Target", "build_program", "go_environment", "resolve"]

_FORMAT = 1
_INDEX = "builds"
_IMAGES = "images"
_INPUTS = "inputs"
_KEPT_BUILDS = 512
_KEPT_IMAGES = 128
_ARCHIVE = b"!<arch>"
_IRRELEVANT = ("GOCACHE", "GOCACHEPROG", "GOTMPDIR", "GOMAXPROCS", "GOTRACEBACK", "GOTELEMETRYDIR")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be built: the word for the go command, the folder to run it in, and the program's name."""

    word: str
    cwd: Path
    name: str


def resolve(program: str) -> Target:
    """A package folder, a .go file or an import path, as a target; UsageError for anything else."""
    path = Path(program)
    if not program or program.startswith("-") or "\0" in program:
        raise UsageError(f"{program!r} is no Go program", hint="name a package folder or a .go file")
    if path.is_dir():
        folder = path.resolve()
        cwd = _module_cwd(folder)
        word = os.path.relpath(folder, cwd)
        word = word if word == "." or word.startswith("../") or word == ".." else f"./{word}"
        return Target(word, cwd, folder.name or "program")
    if path.suffix == ".go":
        if not path.is_file():
            raise UsageError(f"{program}: no such file")
        folder = path.resolve().parent if not path.is_symlink() else path.absolute().parent
        cwd = _module_cwd(folder)
        return Target(os.path.relpath(folder / path.name, cwd), cwd, path.stem)
    if path.exists():
        raise UsageError(f"{program} is neither a Go package folder nor a .go file")
    if program.startswith((".", os.sep)):
        raise UsageError(
            f"{program}: no such file or folder", hint="name a Go package folder, a .go file or an image"
        )
    return Target(program, Path.cwd(), program.rstrip("/").rpartition("/")[2] or "program")


def _module_cwd(folder: Path) -> Path:
    """Where to run go: here, so that its messages name files as seen from here, unless the folder belongs to
    another module."""
    here = Path.cwd()
    return here if _module(folder) == _module(here) else folder


def _module(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if (each / "go.mod").is_file()), None)


def go_environment(port: Port, toolchain: Toolchain, cache: Cache) -> dict[str, str]:
    """The environment that a go command builds a port's programs in."""
    target = {"GOOS": port.guest.goos, "GOARCH": port.guest.goarch, **port.guest.env}
    return toolchain.environment(target, cache)


def build_program(
    port: Port,
    program: str,
    *,
    out: Path | None = None,
    flags: Sequence[str] = (),
    allow_untested_go: bool = False,
    cache: Cache | None = None,
) -> Path:
    """Build a program for a port; the image's path, in the cache or at `out`.

    `flags` are further flags of `go build`. What does not compile is a ToolError, after Go's own messages.
    """
    cache = cache or Cache()
    target = resolve(program)
    toolchain = find_toolchain()
    overlay = make_overlay(port, toolchain, cache, allow_untested=allow_untested_go)
    build = _Build(port, toolchain, overlay, target, tuple(flags), cache)
    image = build.remembered()
    if image is None:
        with cache.lock(f"build-{build.key[:2]}"):
            image = build.remembered() or build.make()
    if out is None:
        return image
    try:
        if out.exists() and not out.is_file():  # /dev/null must stay what it is
            out.write_bytes(image.read_bytes())
        else:
            write_atomically(out, image.read_bytes(), 0o755)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from error
    return out


class _Build:
    """One build, known by everything that is said about it; what files hold is looked at by stamp."""

    def __init__(
        self,
        port: Port,
        toolchain: Toolchain,
        overlay: Overlay,
        target: Target,
        flags: tuple[str, ...],
        cache: Cache,
    ) -> None:
        self._port = port
        self._toolchain = toolchain
        self._overlay = overlay
        self._target = target
        self._cache = cache
        users, self._environment = take_goflags(go_environment(port, toolchain, cache))
        # No version control stamp: it changes with every commit, and asking git takes time.
        self._flags = ["-buildvcs=false", *overlay.flags(), *link_flags(port.guest.link_flags, users), *flags]
        said = [
            _FORMAT,
            [port.name, port.abi, overlay.key],
            [str(toolchain.goroot), toolchain.version],
            [target.word, str(target.cwd)],
            self._flags,
            sorted(
                each
                for each in self._environment.items()
                if each[0][:2] == "GO" and each[0] not in _IRRELEVANT
            ),
        ]
        self.key = digest(json.dumps(said).encode())

    def remembered(self) -> Path | None:
        """The image of an earlier build, if nothing that went into it has changed."""
        stored = self._cache.load(_INDEX, self.key)
        if stored is None:
            return None
        entry: Mapping[str, str] = json.loads(stored)
        inputs = self._cache.load(_INPUTS, entry["inputs"])
        if inputs is None or stamp(json.loads(inputs)) != entry["stamp"]:
            return None
        image = self._cache.root / _IMAGES / entry["image"] / self._name
        try:
            if digest(image.read_bytes()) != entry["image"]:
                return None
        except OSError:
            return None
        with suppress(OSError):  # used now: pruned last
            os.utime(image.parent)
            os.utime(self._cache.root / _INDEX / self.key)
            os.utime(self._cache.root / _INPUTS / entry["inputs"])
        return image

    @property
    def _name(self) -> str:
        return f"{self._target.name}.{self._port.name}"

    def make(self) -> Path:
        """Run go build, check what it made, and remember it."""
        import shutil
        import tempfile

        started = now()
        images = self._cache.folder(_IMAGES)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=images))
        try:
            made = work / self._name
            self._go_build(made)
            content = digest(made.read_bytes())
            image = images / content / self._name
            image.parent.mkdir(exist_ok=True)
            made.replace(image)
        except OSError as error:
            raise self._cache.refused(error) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        self._remember(content, started)
        return image

    def _go_build(self, made: Path) -> None:
        from fairlead.guest.progress import working

        target = self._target
        with working(f"building {target.name} for {self._port.name}"):
            done = self._run("build", *self._flags, "-o", str(made), target.word)
        sys.stderr.flush()
        sys.stderr.buffer.write(done.messages)
        sys.stderr.buffer.flush()
        if done.status != 0:
            raise ToolError(
                f"go build of {target.word} failed (exit code {done.status})",
                hint="what Go says of it stands above" if done.messages else "",
            )
        if not made.is_file():
            raise UsageError(f"{target.word} names more than one program", hint="name one package")
        with made.open("rb") as file:
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                raise UsageError(f"{target.word} is a library, not a program", hint="name a package main")
        try:
            image = load_image(made, self._cache)
            image.check_port(self._port)
        except ImageError as error:
            raise PortError(
                f"go build made no image for port {self._port.name}: {error.what}",
                hint="look at GOFLAGS and at the port's overlay and link flags",
            ) from error

    def _run(self, *arguments: str) -> Finished:
        return self._toolchain.run(arguments, environment=self._environment, cwd=self._target.cwd)

    def _remember(self, content: str, started: int) -> None:
        from fairlead.guest.sources import LIST_FIELDS, build_inputs

        listed = [each for each in self._flags if not each.startswith("-ldflags")]
        listing = self._run("list", "-deps", f"-json={LIST_FIELDS}", *listed, self._target.word)
        settings = self._run("env", "-json", "GOENV", "GOWORK", "GOMOD", "GO111MODULE")
        if listing.status or settings.status:
            return
        paths = build_inputs(
            listing.output, json.loads(settings.output), self._target.cwd, self._toolchain.goroot
        )
        taken = stamp(paths, started) if paths is not None else None
        if taken is None:
            return
        inputs = json.dumps(paths).encode()
        self._cache.store(_INPUTS, digest(inputs), inputs)
        entry = {"inputs": digest(inputs), "stamp": taken, "image": content}
        self._cache.store(_INDEX, self.key, json.dumps(entry).encode())
        self._cache.prune(_INDEX, _KEPT_BUILDS)
        self._cache.prune(_INPUTS, _KEPT_BUILDS)
        self._cache.prune(_IMAGES, _KEPT_IMAGES)
