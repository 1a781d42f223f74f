"""What users get wrong: one clear line, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.cli.main import main
from fairlead.guest.toolchain import find_toolchain

HELLO = 'package main\n\nfunc main() { println("hello") }\n'
CODE = 125
"""Exit code of what is wrong but no wrong use (cli.md)."""

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small program's image for opensbi."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.go").write_text(HELLO)
    words = ["build", "--port", "opensbi", "-o", str(folder / "image"), str(folder / "hello.go")]
    subprocess.run([sys.executable, "-m", "fairlead", *words], check=True, timeout=300)
    return (folder / "image").read_bytes()


@pytest.fixture
def refused(fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run a command that must end with a clear line and an exit code; the line."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    def refused(code: int, *words: str | Path, before: str | None = "") -> str:
        """`before` is what stands before the line on standard error; None if that does not matter."""
        work = tmp_path / "work"
        there = sorted(work.rglob("*"))
        ran = fairlead(*map(str, words))
        *lines, last = ran.stderr.splitlines()
        assert ran.returncode == code, ran.stderr
        assert last.startswith("fairlead: ")
        assert len(last) < 500
        assert "Traceback" not in ran.stderr
        assert "internal error" not in ran.stderr
        if before is not None:
            assert "\n".join(lines) == before
        assert sorted(work.rglob("*")) == there
        assert list(temporary.iterdir()) == []
        return last

    return refused


@pytest.fixture
def work(tmp_path: Path, fairlead) -> Path:
    """The folder that commands run in."""
    return tmp_path / "work"


# -- programs -------------------------------------------------------------------------------------------


def test_a_program_that_does_not_compile_shows_go_s_own_message(work: Path, refused: Refused) -> None:
    (work / "wrong.go").write_text("package main\n\nfunc main() { undefined() }\n")
    said = "# command-line-arguments\n./wrong.go:3:15: undefined: undefined"
    assert "wrong.go failed" in refused(CODE, "run", "--port", "opensbi", "wrong.go", before=said)


def test_a_program_that_is_not_there(refused: Refused) -> None:
    assert "none.go" in refused(2, "run", "--port", "opensbi", "none.go")
    assert "./nowhere" in refused(2, "run", "--port", "opensbi", "./nowhere")
    assert "no/such/image" in refused(CODE, "run", "--port", "opensbi", "no/such/image", before=None)


def test_a_folder_without_a_program(work: Path, refused: Refused) -> None:
    (work / "empty").mkdir()
    refused(CODE, "run", "--port", "opensbi", "./empty", before=None)
    (work / "library").mkdir()
    (work / "library" / "library.go").write_text("package library\n")
    refused(2, "run", "--port", "opensbi", "library/library.go", before=None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_program_that_may_not_be_read(work: Path, image: bytes, refused: Refused) -> None:
    (work / "image").write_bytes(image)
    (work / "image").chmod(0)
    assert "cannot be read" in refused(CODE, "run", "--port", "opensbi", "image")


# -- images ---------------------------------------------------------------------------------------------


def patched(image: bytes, offset: int, data: bytes) -> bytes:
    """An image with other bytes in its record."""
    at = image.index(b"FAIRLEAD-RECORD\0") + offset
    return image[:at] + data + image[at + len(data) :]


def with_field(image: bytes, name: bytes, value: int) -> bytes:
    """An image whose record gives a field another value."""
    record = image.index(b"FAIRLEAD-RECORD\0")
    at = image.index(name.ljust(16, b"\0"), record) + 16
    return image[:at] + value.to_bytes(8, "little") + image[at + 8 :]


IMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda image: b"", "empty"),
    "text": (lambda image: b"#!/bin/sh\n", "not an ELF file"),
    "header cut off": (lambda image: image[:40], "cut off"),
    "cut off": (lambda image: image[: len(image) // 2], "cut off"),
    "one byte short": (lambda image: image[: image.index(b"FAIRLEAD-RECORD\0") + 100], "cut off"),
    "other class": (lambda image: image[:4] + b"\1" + image[5:], "foreign architecture"),
    "other machine": (lambda image: image[:18] + b"\x28\0" + image[20:], "foreign architecture"),
    "entry outside": (lambda image: image[:24] + bytes(8) + image[32:], "entry"),
    "no record": (lambda image: image.replace(b"FAIRLEAD-RECORD\0", b"FAIRLEAD-RECIRD\0"), "built without"),
    "other port": (lambda image: patched(image, 24, b"akaros\0\0"), "was built for port akaros"),
    "unheard-of port": (lambda image: patched(image, 24, b"plan9\0\0\0"), "was built for port plan9"),
    "other abi": (lambda image: patched(image, 20, b"\x63"), "built for version 99 of port opensbi's ABI"),
    "other record": (lambda image: patched(image, 16, b"\x63"), "the record is of version 99"),
    "many fields": (lambda image: patched(image, 48, b"\xff" * 8), "the record claims"),
    "no version": (lambda image: patched(image, 40, b"\xff" * 8), "points at no Go version"),
    "field missing": (lambda image: image.replace(b"wallbase", b"wellbase"), "no field wallbase"),
    "wild field": (lambda image: with_field(image, b"timebase", 1 << 63), "outside the image"),
    "field in code": (lambda image: with_field(image, b"wallbase", 0x80202000), "outside the image"),
}


@pytest.mark.parametrize("how", IMAGES)
def test_an_image_that_is_none_of_this_port_s(how: str, image: bytes, work: Path, refused: Refused) -> None:
    spoil, said = IMAGES[how]
    (work / "image").write_bytes(spoil(image))
    for command in ("run", "exec"):
        line = refused(CODE, command, "--port", "opensbi", "image")
        assert said in line
        assert "image" in line


@pytest.mark.parametrize("name", ["allm", "m_alllink", "m_g0", "g_stack_hi", "mstart", "m0"])
def test_a_record_that_lies_hurts_the_guest_alone(name: str, image: bytes, work: Path, fairlead) -> None:
    for value in (1, 0x80202000, (1 << 64) - 8):
        (work / "image").write_bytes(with_field(image, name.encode(), value))
        ran = fairlead("run", "--port", "opensbi", "--max-time=100ms", "image")
        assert "Traceback" not in ran.stderr
        assert "internal error" not in ran.stderr
        assert ran.returncode in (0, 2, 123, 124, 125, 132, 134, 135, 139)


def test_programs_of_the_host_are_foreign(work: Path, refused: Refused) -> None:
    go = find_toolchain().go.resolve()
    assert "foreign architecture" in refused(CODE, "run", "--port", "opensbi", go)
    refused(CODE, "run", "--port", "opensbi", Path(sys.executable).resolve())
    assert "not a file" in refused(CODE, "exec", "--port", "opensbi", "/dev/zero")


def test_a_stock_linux_program_names_the_way_out(work: Path, refused: Refused) -> None:
    (work / "hello.go").write_text(HELLO)
    stock = {**os.environ, "GOOS": "linux", "GOARCH": "riscv64", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    subprocess.run([find_toolchain().go, "build", "-o", "stock", "hello.go"], cwd=work, env=stock, check=True)
    line = refused(CODE, "run", "--port", "opensbi", "stock")
    assert "stock was built without port opensbi" in line
    assert "fairlead build --port opensbi" in line


# -- ports and plugins ----------------------------------------------------------------------------------


def test_an_unknown_port_names_those_there_are(refused: Refused) -> None:
    line = refused(2, "run", "--port", "plan9", "x.go")
    assert "no port is called 'plan9'" in line
    assert "opensbi" in line


def plugin(folder: Path, name: str, module: str, points: str | None = None) -> None:
    """Install a distribution with one module, by hand."""
    info = folder / f"fairlead_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fairlead-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points or f"[fairlead]\n{name} = fairlead_{name}\n")
    (folder / f"fairlead_{name}.py").write_text(textwrap.dedent(module))


PORT = """
    from fairlead import hookimpl
    from fairlead.plugins import find_port

    def boot(services):
        return {boot}

    @hookimpl
    def fairlead_ports():
        return [find_port("opensbi")._replace(name="{name}", boot=boot{more})]
"""

HALF = """
    from fairlead import hookimpl

    class Half:
        @hookimpl
        def nanotime(self):
            return 1
"""

PLUGINS: dict[str, tuple[str, int, str]] = {
    "raises": ("raise RuntimeError('no luck')", CODE, "RuntimeError: no luck"),
    "exits": ("raise SystemExit(3)", CODE, "SystemExit: 3"),
    "typo": ("def", CODE, "SyntaxError"),
    "imports": ("import not_installed_anywhere", CODE, "No module named 'not_installed_anywhere'"),
    "misspelt": (
        "from fairlead import hookimpl\n@hookimpl\ndef fairlead_portz():\n    return []\n",
        CODE,
        "fairlead_portz",
    ),
    "wrong": (
        "from fairlead import hookimpl\n@hookimpl\ndef fairlead_ports():\n    return ['port']\n",
        CODE,
        "'port' where a Port is due",
    ),
    "nothing": ("offers = None", CODE, "neither a port nor a board"),
    "taken": (PORT.format(name="opensbi", boot="None", more=""), CODE, "'opensbi', which"),
    "hookless": (PORT.format(name="hookless", boot="object()", more=""), CODE, "hook newosproc is missing"),
    "half": (
        HALF + PORT.format(name="half", boot="Half()", more=""),
        CODE,
        "hook newosproc is missing",
    ),
    "explodes": (PORT.format(name="explodes", boot="1 / 0", more=""), CODE, "ZeroDivisionError"),
    "boardless": (
        PORT.format(name="boardless", boot="None", more=", board='cutter'"),
        CODE,
        "port boardless: no board is called 'cutter'",
    ),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_fails_is_named_and_does_no_other_harm(
    name: str, image: bytes, work: Path, refused: Refused, fairlead, tmp_path: Path, monkeypatch
) -> None:
    module, code, said = PLUGINS[name]
    folder = tmp_path / "site"
    plugin(folder, name, module)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (work / "image").write_bytes(patched(image, 24, name.encode().ljust(16, b"\0")))
    line = refused(code, "run", "--port", name, "image")
    assert said in line
    assert name in line
    (work / "image").write_bytes(image)
    assert fairlead("run", "--port", "opensbi", "image").stderr == "hello\n"
    listed = fairlead("ports")
    assert listed.returncode == 0
    assert "opensbi " in listed.stdout
    if name not in ("hookless", "half", "explodes", "boardless"):
        assert f"fairlead: plugin '{name}' could not be loaded: " in listed.stderr
        assert len(listed.stderr.splitlines()) == 1


def test_a_distribution_that_cannot_be_read_does_no_other_harm(
    image: bytes, work: Path, fairlead, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "site"
    plugin(folder, "mangled", "", points="[fairlead]\nthis is no entry point\n= \n")
    plugin(folder, "binary", "", points="[fairlead]\nx = y\n")
    (folder / "fairlead_binary-1.0.dist-info" / "entry_points.txt").write_bytes(b"[fairlead]\n\xff\xfe = x\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (work / "image").write_bytes(image)
    ran = fairlead("run", "--port", "opensbi", "image")
    assert (ran.stderr, ran.returncode) == ("hello\n", 0)
    listed = fairlead("ports")
    assert "opensbi " in listed.stdout
    assert "Traceback" not in listed.stderr


# -- options --------------------------------------------------------------------------------------------

OPTIONS = [
    ("--mount=nothing", "--mount"),
    ("--mount=/no/such:/x", "/no/such does not exist"),
    ("--mount=/tmp:relative", "--mount"),
    ("--mount=/tmp:/x:rwx", "--mount"),
    ("--mount=:/x", "--mount"),
    ("--set=lives", "--set"),
    ("--set=lives=0", "--set lives=0"),
    ("--set=lives=-1", "--set lives=-1"),
    ("--set=lives=many", "--set lives=many"),
    ("--set=timer-interval=1e9", "--set timer-interval=1e9"),
    ("--set=colour=red", "no option 'colour'"),
    ("--memory=lots", "'lots' is not a size"),
    ("--memory=1M", "--memory 1M"),
    ("--memory=65M", "--memory 65M"),
    ("--memory=128G", "--memory 128G"),
    ("--memory=-1G", "'-1G' is not a size"),
    ("--max-time=soon", "'soon' is not a duration"),
    ("--max-time=10", "'10' is not a duration"),
    ("--max-time=", "not a duration"),
    ("--epoch=yesterday", "--epoch 'yesterday' is not a time"),
    ("--epoch=99999999999999999999", "--epoch"),
    ("--trace=everything", "--trace 'everything'"),
    ("--trace=", "--trace"),
    ("--trace=traps=/no/such/folder/file", "cannot write /no/such/folder/file"),
    ("--strace=/no/such/folder/file", "cannot write /no/such/folder/file"),
    ("--result=/no/such/folder/file", "/no/such/folder/file"),
    ("--seed=x", "--seed"),
    ("--clock=sundial", "--clock"),
    ("--counter=fingers", "--counter"),
    ("--no-such-option", "--no-such-option"),
    ("--env==x", "--env"),
]


@pytest.mark.parametrize(("word", "said"), OPTIONS)
def test_a_wrong_option_is_named_before_the_guest_starts(
    word: str, said: str, image: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "image"
    path.write_bytes(image)
    with pytest.raises(SystemExit) as caught:
        main(["run", "--port", "opensbi", word, str(path)])
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("fairlead: ")
    assert err.count("\n") == 1
    assert said in err


def test_the_port_is_asked_for(refused: Refused) -> None:
    assert "--port" in refused(2, "run", "x.go")
    assert "PROGRAM" in refused(2, "run", "--port", "opensbi")


# -- guests that go wrong -------------------------------------------------------------------------------


def starting_with(image: bytes, *words: int) -> bytes:
    """An image whose first instructions are these."""
    entry = int.from_bytes(image[24:32], "little")
    count = int.from_bytes(image[56:58], "little")
    for at in range(64, 64 + 56 * count, 56):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", image, at)
        if kind == 1 and address <= entry < address + size:
            place = entry - address + offset
            code = b"".join(word.to_bytes(4, "little") for word in words)
            return image[:place] + code + image[place + len(code) :]
    raise AssertionError("no segment holds the entry")


def call(number: int) -> tuple[int, ...]:
    """An OS call: addi a6,x0,number; lui a7,0x0A464000; ecall."""
    return (number << 20 | 16 << 7 | 0x13, 0x0A46_4000 | 17 << 7 | 0x37, 0x73)


SLEEPING_FOR_EVER = (0x0001_0513, 0x0000_0593, 0x0001_2603, 0x0000_0693, *call(98))
"""addi a0,sp,0; addi a1,x0,0; lw a2,0(sp); addi a3,x0,0; futex: what stands at sp, argc, will not change."""

ENTRIES: dict[str, tuple[tuple[int, ...], int, str]] = {
    "spinning": ((0x0000_006F,), 124, "the guest ran past --max-time (0.05 s of guest time)"),
    "waiting": (SLEEPING_FOR_EVER, 123, "deadlock: all 1 threads wait and nothing can wake one"),
    "illegal": ((0,), 132, "the guest was ended by SIGILL at pc 0x"),
    "breakpoint": ((0x0010_0073,), 133, "the guest was ended by SIGTRAP at pc 0x"),
    "reading": ((0x0100_3503,), 139, ", address 0x10"),  # ld a0,16(x0)
    "writing": ((0x00A0_3C23,), 139, ", address 0x18"),  # sd a0,24(x0)
    "jumping": ((0x0000_0067,), 139, "the guest was ended by SIGSEGV at pc 0x0, address 0x0"),  # jr x0
    "halting": ((0x1050_0073, 0xFFDF_F06F), 124, "ran past --max-time"),  # wfi; j .-4
    "trap vector": ((0x1051_1073, 0), 124, "ran past --max-time"),  # csrw stvec,sp: faults without end
    "page tables": ((0x1800_1073, 0), 132, "SIGILL"),  # csrw satp,x0: what is at the physical address
    "shutdown": ((0x0000_0513, 0x0080_0893, 0x73), 0, ""),  # legacy SBI shutdown
}


@pytest.mark.parametrize("how", ENTRIES)
def test_a_guest_that_goes_wrong_at_once(how: str, image: bytes, work: Path, refused: Refused, fairlead):
    words, code, said = ENTRIES[how]
    (work / "image").write_bytes(starting_with(image, *words))
    given = ("run", "--port", "opensbi", "--max-time=50ms", "image")
    if not said:
        ran = fairlead(*given)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", code)
    elif code > 128:  # ended by a signal: a report stands below the line
        ran = fairlead(*given)
        line, *report = ran.stderr.splitlines()
        assert (ran.stdout, ran.returncode) == ("", code)
        assert line.startswith("fairlead: ")
        assert said in line
        assert report[0].endswith(": no goroutine")
        assert "registers:" in report
        assert not [each for each in report if each.startswith("fairlead: ") or "no more can be told" in each]
    else:
        assert said in refused(code, *given)


# -- cache and toolchain --------------------------------------------------------------------------------


def test_a_cache_of_garbage_is_made_anew(work: Path, fairlead, tmp_path: Path) -> None:
    (work / "hello.go").write_text(HELLO)
    assert fairlead("run", "--port", "opensbi", "hello.go").stderr == "hello\n"
    cache = tmp_path / "cache"
    files = sorted(path for path in cache.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 5
    for spoil in (
        lambda data: bytes(byte ^ 0xFF for byte in data),
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: b"",
    ):
        for path in sorted(path for path in cache.rglob("*") if path.is_file()):
            data = path.read_bytes()
            if data:
                path.chmod(0o644)
                path.write_bytes(spoil(data))
        ran = fairlead("run", "--port", "opensbi", "hello.go")
        assert (ran.stderr, ran.returncode) == ("hello\n", 0)


def test_a_cache_that_cannot_be_written(work: Path, refused: Refused, monkeypatch) -> None:
    (work / "hello.go").write_text(HELLO)
    (work / "file").write_text("")
    monkeypatch.setenv("FAIRLEAD_CACHE", str(work / "file" / "cache"))
    assert "FAIRLEAD_CACHE" in refused(CODE, "run", "--port", "opensbi", "hello.go")


def test_an_image_runs_without_a_cache(work: Path, image: bytes, fairlead, monkeypatch) -> None:
    (work / "image").write_bytes(image)
    (work / "file").write_text("")
    monkeypatch.setenv("FAIRLEAD_CACHE", str(work / "file" / "cache"))
    ran = fairlead("run", "--port", "opensbi", "image")
    assert (ran.stderr, ran.returncode) == ("hello\n", 0)


@pytest.mark.parametrize("go", ["/no/such/go", "/etc/hostname", "/bin/false", "/tmp"])
def test_a_toolchain_that_is_not_there(go: str, work: Path, refused: Refused, monkeypatch) -> None:
    (work / "hello.go").write_text(HELLO)
    monkeypatch.setenv("FAIRLEAD_GO", go)
    line = refused(CODE, "run", "--port", "opensbi", "hello.go")
    assert f"FAIRLEAD_GO names {go}" in line


def test_closed_streams_are_no_error(work: Path, image: bytes, fairlead) -> None:
    (work / "image").write_bytes(image)
    words = [sys.executable, "-m", "fairlead", "run", "--port", "opensbi", "image"]
    command = " ".join(words) + " <&- >&-"
    ran = subprocess.run(["sh", "-c", command], cwd=work, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.returncode) == ("hello\n", 0)
