"""Functions and lines of addresses, against what the toolchain's own tools say."""

from __future__ import annotations

import functools
import os
import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.guest.cache import Cache
from fairlead.guest.image import Image, load_image
from fairlead.guest.lines import Lines, read_lines
from fairlead.guest.toolchain import find_toolchain

SOURCE = """\
package main

import "fmt"

type pair[T any] struct{ a, b T }

func (p pair[T]) swap() pair[T] { return pair[T]{p.b, p.a} }

func twice(n int) int { return inner(n) * 2 }

func inner(n int) int {
	if n > 5 {
		panic("large")
	}
	return n
}

func main() { fmt.Println(twice(len(fmt.Sprint(pair[int]{1, 2}.swap())) - 3)) }
"""
ARCHES = ("amd64", "riscv64")
_TYPE_ARGUMENTS = re.compile(r"\[.*\]")


def plain(name: str) -> str:
    """Symbols spell type arguments out, the runtime's tables do not."""
    return _TYPE_ARGUMENTS.sub("[...]", name)


folders: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the programs of this module are built, each when it is first asked for."""
    folders.append(tmp_path_factory.mktemp("lines"))


@functools.cache
def built(arch: str, *, stripped: bool) -> Path:
    folder = folders[-1] / f"{arch}-{stripped}"
    folder.mkdir()
    (folder / "main.go").write_text(SOURCE)
    flags = ["-ldflags=-s -w"] if stripped else []
    words = ["build", "-trimpath", *flags, "-o", str(folder / "program"), str(folder / "main.go")]
    go(*words, GOOS="linux", GOARCH=arch, CGO_ENABLED="0")
    return folder / "program"


def go(*words: str, input: str = "", **environment: str) -> str:
    command = [str(find_toolchain().goroot / "bin" / "go"), *words]
    ran = subprocess.run(
        command, input=input, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return ran.stdout


@functools.cache
def image_of(arch: str, *, stripped: bool) -> Image:
    return load_image(built(arch, stripped=stripped), Cache(folders[-1] / "cache"))


@functools.cache
def lines_of(arch: str, *, stripped: bool) -> Lines:
    lines = read_lines(image_of(arch, stripped=stripped))
    assert lines is not None
    return lines


@functools.cache
def functions(arch: str) -> list[tuple[int, int, str]]:
    """Address, size and name of each function that `go tool nm` knows."""
    listed = go("tool", "nm", "-size", str(built(arch, stripped=False)))
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return [(int(row[0], 16), int(row[1]), row[3]) for row in rows if len(row) == 4 and row[2] in "tT"]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHES)
def test_places_are_those_of_addr2line(arch: str) -> None:
    chance = random.Random(1)
    known = [each for each in functions(arch) if each[1] > 0]
    some = [each for each in known if each[2].startswith(("main.", "fmt."))] + chance.sample(known, 300)
    addresses = [address + chance.randrange(size) for address, size, _ in some]
    program = built(arch, stripped=False)
    said = go("tool", "addr2line", str(program), input="\n".join(map(hex, addresses)) + "\n").splitlines()
    lines = lines_of(arch, stripped=False)
    inlined = compared = 0
    for address, name, place in zip(addresses, said[::2], said[1::2], strict=True):
        if place.endswith(":-1"):  # padding behind the last instruction
            continue
        first, *_, last = (frames := lines.frames_at(address)) * 2
        assert (plain(last.function), f"{first.file}:{first.line}") == (plain(name), place), hex(address)
        inlined += len(frames) > 1
        compared += 1
    assert compared > 300
    assert inlined > 10


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHES)
def test_inlined_calls_are_told_apart_from_the_function_they_are_in(arch: str) -> None:
    """The panic of inner, inlined into twice, inlined into main."""
    lines = lines_of(arch, stripped=True)
    start, size, _ = next(each for each in functions(arch) if each[2] == "main.main")
    deepest = max((lines.frames_at(start + each) for each in range(0, size, 2)), key=len)
    assert [frame.function for frame in deepest] == ["main.inner", "main.twice", "main.main"]
    assert [frame.line for frame in deepest[1:]] == [9, 18]
    assert deepest[0].line in range(11, 16)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHES)
def test_a_stripped_image_says_the_same(arch: str) -> None:
    with_symbols, stripped = (lines_of(arch, stripped=each) for each in (False, True))
    named = 0
    for address, size, name in functions(arch)[:2000]:
        if not size:  # marks of the linker's, such as runtime.etext
            continue
        frame = stripped.frames_at(address)
        assert frame == with_symbols.frames_at(address)
        assert frame
        named += plain(frame[-1].function) == plain(name)
    assert named > 1000


@pytest.mark.slow
def test_addresses_outside_the_code_have_no_function() -> None:
    lines = lines_of("amd64", stripped=True)
    image = image_of("amd64", stripped=True)
    data = image.segments[-1].address
    for address in (0, 1, data, 1 << 47, (1 << 64) - 1, -1):
        assert lines.function_at(address) is None


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_tables_that_were_changed_never_raise(data: st.DataObject) -> None:
    """Any words in the tables: an answer or none, in bounded time."""
    image = image_of("amd64", stripped=True)
    good = lines_of("amd64", stripped=True)
    code = bytearray(image.data)
    offset = next(s.offset for s in image.segments if image.content(s).tobytes() == good._data)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, 4))
        start = (good._names, good._units, good._files, good._values, good._functions)[where]
        at = offset + start + data.draw(st.integers(-72, 3000))
        struct.pack_into(
            "<I", code, at, data.draw(st.one_of(st.integers(0, 0xFFFF_FFFF), st.just(0xFFFF_FFFF)))
        )
    lines = read_lines(image._replace(data=bytes(code)))
    if lines is None:
        return
    for address in data.draw(st.lists(st.integers(0x401000, 0x440000), max_size=20)):
        for frame in lines.frames_at(address):
            assert frame.line >= 0
            assert frame.function.isprintable()


def test_an_image_without_tables_has_no_lines(tmp_path: Path) -> None:
    image = image_of("amd64", stripped=True)
    assert (
        read_lines(image._replace(data=image.data.replace(b"\xf1\xff\xff\xff\0\0", b"\xf0\xff\xff\xff\0\0")))
        is None
    )
    assert read_lines(image._replace(data=bytes(len(image.data)))) is None
