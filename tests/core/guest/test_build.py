from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import PortError, ToolError, UsageError
from fairlead.guest.build import build_program, resolve
from fairlead.guest.cache import Cache
from fairlead.guest.image import load_image
from fairlead.port import Port

HELLO = 'package main\n\nfunc main() { println("hello") }\n'


class Builds:
    """A folder to build in, and how often go was started."""

    def __init__(self, folder: Path, port: Port, calls: Path) -> None:
        self.folder = folder
        self.port = port
        self._calls = calls

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def build(self, program: str, **options: object) -> tuple[bytes, int]:
        """The image's bytes, and how often `go build` ran for it."""
        self._calls.write_text("")
        path = build_program(self.port, program, **options)  # type: ignore[arg-type]
        return path.read_bytes(), self._calls.read_text().split().count("build")

    def settle(self, program: str, **options: object) -> bytes:
        """Build until the build is remembered."""
        self.build(program, **options)
        data, started = self.build(program, **options)
        assert (started, self._calls.read_text()) == (0, "")
        return data


@pytest.fixture
def builds(
    tmp_path: Path, make_port: Callable[..., Port], counted_go: Path, monkeypatch: pytest.MonkeyPatch
) -> Builds:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GOPROXY", "off")
    # What is written here is stamped at once, for the sake of speed; that slack has a test of its own.
    monkeypatch.setattr("fairlead.guest.stamps._SLACK", -(10**18))
    return Builds(folder, make_port(), counted_go)


@pytest.mark.slow
def test_image_has_its_record(builds: Builds) -> None:
    path = build_program(builds.port, str(builds.write("hello.go", HELLO)))
    assert path.name == "hello.trial"
    image = load_image(path)
    image.check_port(builds.port)
    record = image.require_record()
    assert (record.port, record.abi) == ("trial", 1)
    assert record.go_version.startswith("go1.")
    names = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
    symbols = {line.split()[-1]: int(line.split()[0], 16) for line in names if line[0] != " "}
    assert record.field("allm") == symbols["runtime.allm"]
    assert record.field("mstart") in (symbols.get("runtime.mstart"), symbols.get("runtime.mstart.abi0"))
    assert 0 < record.field("m_procid") < 1024


@pytest.mark.slow
def test_record_survives_stripping(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "'-ldflags=-s -w'")
    image = load_image(build_program(builds.port, str(builds.write("hello.go", HELLO))))
    assert b".symtab" not in image.data
    assert image.require_record().field("allm") > image.segments[-1].address
    assert image.segments[0].address == 0x80200000, "the port's link flags are there beside the user's"


@pytest.mark.slow
def test_second_time_starts_no_go(builds: Builds) -> None:
    builds.write("hello.go", HELLO)
    first, started = builds.build("hello.go")
    assert started == 1
    assert builds.build("hello.go") == (first, 0)
    builds.write("go.mod", "module m\n")
    assert builds.build("hello.go")[1] == 1
    assert builds.build("hello.go")[1] == 0
    assert builds.build(".")[1] == 1
    assert builds.build(str(builds.folder)) == builds.build(".")


def module(builds: Builds) -> None:
    builds.write("go.mod", "module m\n\ngo 1.24\n")
    builds.write(
        "main.go",
        'package main\n\nimport (\n\t_ "embed"\n\n\t"m/lib"\n)\n\n//go:embed text\nvar text string\n\n'
        "func main() { println(text, lib.Value()) }\n",
    )
    builds.write("text", "embedded text one")
    builds.write("lib/lib.go", 'package lib\n\nfunc Value() string { return "lib value one" + value }\n')
    builds.write("lib/value.go", '//go:build !other\n\npackage lib\n\nconst value = "plain"\n')
    builds.write("lib/other.go", '//go:build other\n\npackage lib\n\nconst value = "other tag"\n')
    builds.write("lib/init.txt", "")


def change_main(builds: Builds) -> bytes:
    path = builds.folder / "main.go"
    path.write_text(path.read_text().replace("println(text,", 'println("changed main", text,'))
    return b"changed main"


def change_dependency(builds: Builds) -> bytes:
    path = builds.folder / "lib" / "lib.go"
    status = path.stat()
    path.write_text(path.read_text().replace("value one", "value two"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return b"lib value two"


def change_embedded_file(builds: Builds) -> bytes:
    builds.write("text", "embedded text two")
    return b"embedded text two"


def add_a_file(builds: Builds) -> bytes:
    builds.write("lib/new.go", 'package lib\n\nfunc init() { println("new file") }\n')
    return b"new file"


def change_constraints(builds: Builds) -> bytes:
    for name, tags in (("value", "other"), ("other", "!other")):
        path = builds.folder / "lib" / f"{name}.go"
        path.write_text(f"//go:build {tags}\n" + path.read_text().partition("\n")[2])
    return b"other tag"


def change_go_mod(builds: Builds) -> bytes:
    builds.write("lib2/go.mod", "module m/lib\n")
    builds.write("lib2/lib.go", 'package lib\n\nfunc Value() string { return "replaced module" }\n')
    (builds.folder / "lib").rename(builds.folder / "was-lib")
    builds.write("go.mod", "module m\n\ngo 1.24\n\nrequire m/lib v0.0.0\n\nreplace m/lib v0.0.0 => ./lib2\n")
    return b"replaced module"


def change_tags(builds: Builds) -> bytes:
    os.environ["GOFLAGS"] = "-tags=other"
    return b"other tag"


def change_link_flags(builds: Builds) -> bytes:
    os.environ["GOFLAGS"] = "-ldflags=-X=runtime.buildVersion=gone"
    return b"gone"


def change_overlay(builds: Builds) -> bytes:
    overlay = builds.folder / "overlay"
    guest = builds.port.guest
    assert guest.overlay is not None
    (overlay / "files/src/runtime").mkdir(parents=True)
    for path in guest.overlay.rglob("*"):
        if path.is_file():
            (overlay / path.relative_to(guest.overlay)).write_bytes(path.read_bytes())
    (overlay / "files/src/runtime/new.go").write_text(
        'package runtime\n\nfunc init() { println("overlaid") }\n'
    )
    builds.port = builds.port._replace(guest=guest._replace(overlay=overlay))
    return b"overlaid"


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        change_main,
        change_dependency,
        change_embedded_file,
        add_a_file,
        change_constraints,
        change_go_mod,
        change_tags,
        change_link_flags,
        change_overlay,
    ],
)
def test_never_stale(
    builds: Builds, change: Callable[[Builds], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "")
    module(builds)
    before = builds.settle(".")
    expected = change(builds)
    assert expected not in before
    after, started = builds.build(".")
    assert started == 1
    assert expected in after


@pytest.mark.slow
def test_embedded_folders(builds: Builds) -> None:
    builds.write("go.mod", "module m\n\ngo 1.24\n")
    builds.write(
        "main.go",
        'package main\n\nimport "embed"\n\n//go:embed tree *.txt\nvar files embed.FS\n\n'
        'func main() { entries, _ := files.ReadDir("tree"); println(len(entries)) }\n',
    )
    builds.write("a.txt", "first text")
    builds.write("tree/one/x", "first file")
    (builds.folder / "tree" / "empty").mkdir()
    builds.settle(".")
    for name in ("b.txt", "tree/y", "tree/one/z", "tree/empty/w"):
        builds.write(name, f"contents of {name}")
        data, started = builds.build(".")
        assert started == 1
        assert f"contents of {name}".encode() in data
        builds.settle(".")


@pytest.mark.slow
def test_a_module_that_turns_up_in_between(builds: Builds) -> None:
    builds.write("go.mod", "module outer\n\ngo 1.24\n")
    builds.write("deep/cmd/main.go", HELLO)
    builds.settle("./deep/cmd")
    builds.write("deep/go.mod", "module inner\n\ngo 1.24\n")
    data, started = builds.build("./deep/cmd")
    assert started == 1
    assert b"inner/cmd" in data


@pytest.mark.slow
def test_a_file_changed_since_the_build_began_is_not_remembered(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.guest.stamps._SLACK", 10**12)
    builds.write("hello.go", HELLO)
    assert builds.build("hello.go")[1] == 1
    assert builds.build("hello.go")[1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["builds", "inputs", "images"])
def test_a_damaged_cache_is_built_anew(builds: Builds, tmp_path: Path, kind: str) -> None:
    builds.write("hello.go", HELLO)
    data = builds.settle("hello.go")
    files = [path for path in (tmp_path / "cache" / kind).rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:-7])
    assert builds.build("hello.go") == (data, 1)
    assert builds.build("hello.go") == (data, 0)


@pytest.mark.slow
def test_what_does_not_compile(builds: Builds, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    builds.write("bad.go", "package main\n\nfunc main() { nothing() }\n")
    with pytest.raises(ToolError, match=r"go build of bad\.go failed") as caught:
        build_program(builds.port, "bad.go")
    assert caught.value.exit_code == 125
    assert capfd.readouterr().err == "# command-line-arguments\n./bad.go:3:15: undefined: nothing\n"
    left = [each.name for each in (tmp_path / "cache" / "images").iterdir()]
    assert left == []


@pytest.mark.slow
def test_what_is_no_program(builds: Builds, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="library"):
        build_program(builds.port, "errors")
    with pytest.raises(ToolError):
        build_program(builds.port, "no/such/package")
    assert "package no/such/package is not in std" in capfd.readouterr().err


@pytest.mark.slow
def test_a_build_that_makes_no_image(builds: Builds, make_port: Callable[..., Port]) -> None:
    builds.write("hello.go", HELLO)
    with pytest.raises(PortError, match=r"no image for port other: .* was built for port trial") as caught:
        build_program(make_port(name="other"), "hello.go")
    assert "overlay" in caught.value.hint


@pytest.mark.slow
def test_out(builds: Builds) -> None:
    builds.write("hello.go", HELLO)
    out = builds.folder / "image"
    assert build_program(builds.port, "hello.go", out=out) == out
    assert os.access(out, os.X_OK)
    load_image(out).check_port(builds.port)
    with pytest.raises(UsageError, match="cannot be written"):
        build_program(builds.port, "hello.go", out=builds.folder / "none" / "image")


@pytest.mark.slow
def test_built_at_once_by_many(builds: Builds) -> None:
    builds.write("hello.go", HELLO)
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(build_program(builds.port, "hello.go")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4
    assert len(set(paths)) == 1
    load_image(paths[0]).check_port(builds.port)


@pytest.mark.parametrize(
    ("program", "word", "cwd", "name"),
    [
        (".", ".", ".", "m"),
        ("cmd/x", "./cmd/x", ".", "x"),
        ("./cmd/x/", "./cmd/x", ".", "x"),
        ("cmd/x/x.go", "cmd/x/x.go", ".", "x"),
        ("../other", ".", "../other", "other"),
        ("../other/o.go", "o.go", "../other", "o"),
        ("example.com/a/b", "example.com/a/b", ".", "b"),
        ("m/cmd/", "m/cmd/", ".", "cmd"),
    ],
)
def test_resolve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, word: str, cwd: str, name: str
) -> None:
    for folder in ("m/cmd/x", "other"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("m/go.mod", "m/cmd/x/x.go", "other/go.mod", "other/o.go"):
        (tmp_path / file).write_text("")
    monkeypatch.chdir(tmp_path / "m")
    target = resolve(program)
    assert (target.word, target.cwd, target.name) == (word, (tmp_path / "m" / cwd).resolve(), name)


@pytest.mark.parametrize("program", ["", "-o", "gone.go", "./gone", "/gone", "file", "a\0b"])
def test_resolve_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        resolve(program)


def test_start_up_needs_nothing_heavy() -> None:
    code = (
        "import sys, fairlead.guest.build\n"
        "print({'cattrs', 'rich', 'elftools', 'subprocess', 'tempfile', 'tomllib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_cache_is_named_in_errors(
    builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds.write("hello.go", HELLO)
    with pytest.raises(ToolError, match="cannot be used"):
        build_program(builds.port, "hello.go", cache=Cache(builds.folder / "hello.go"))
