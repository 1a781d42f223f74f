from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from elves import ARM, BASE, X86_64, Part, elf, record
from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.errors import ImageError, UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.elf import read_layout
from fairlead.guest.image import Image, load_image
from fairlead.machine import Prot
from fairlead.port import GuestEnv, Port
from fairlead.syscall import RegisterABI


def _never(*_: object) -> object:
    raise UsageError("not booted here")


PORT = Port(
    name="trial",
    summary="",
    board="none",
    abi=1,
    guest=GuestEnv("linux", "riscv64", Path("somewhere")),
    convention=RegisterABI(number="a7", arguments=("a0",), result="a0"),
    options=(),
    boot=_never,  # type: ignore[arg-type]
)
STOCK = PORT._replace(guest=GuestEnv("linux", "riscv64", None))
GO = b"\xff Go buildinf:".ljust(32, b"\0")


@pytest.fixture
def load(tmp_path: Path) -> object:
    def load(data: bytes) -> Image:
        path = tmp_path / "image"
        path.write_bytes(data)
        return load_image(path, Cache(tmp_path / "cache"))

    return load


def test_layout_of_a_sound_file() -> None:
    layout = read_layout(
        elf(Part(b"x" * 100), Part(b"data", BASE + 0x2010, flags=6, memory=0x5000), Part(kind=4, memory=0))
    )
    code, data = layout.segments
    assert (layout.arch, layout.entry) == ("riscv64", BASE)
    assert (code.address, code.size, code.file_size, code.prot) == (BASE, 100, 100, Prot.READ | Prot.EXEC)
    assert (data.address, data.size, data.offset) == (BASE + 0x2010, 0x5000, 0x2010)
    assert (data.file_size, data.prot) == (4, Prot.READ | Prot.WRITE)


def test_segments_are_in_order_of_address() -> None:
    layout = read_layout(elf(Part(b"b", BASE + 0x4000), Part(b"a")))
    assert [each.address for each in layout.segments] == [BASE, BASE + 0x4000]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF", "cut off"),
        (elf()[:100], "cut off"),
        (elf()[:-1], "cut off"),
        (elf(ident=b"\x7fELF\1\1\1"), "foreign architecture"),
        (elf(ident=b"\x7fELF\2\2\1"), "foreign architecture"),
        (elf(machine=ARM), "foreign architecture: EM_ARM"),
        (elf(machine=0xFFFE), "foreign architecture: 65534"),
        (elf(kind=3), "not an executable"),
        (elf(kind=1), "not an executable"),
        (elf(Part(b"c"), Part(b"/lib/ld.so", BASE + 0x3000, kind=3)), "linked dynamically"),
        (elf(Part(b"c"), Part(b"d", BASE + 0x3000, kind=2)), "linked dynamically"),
        (elf(Part(b"c", flags=4)), "entry"),
        (elf(entry=BASE + 0x500), "entry"),
        (elf(Part(b"c", memory=0x2000), entry=BASE + 0x1000), "entry"),
        (elf(Part(b"c", address=0xF000), entry=0xF000), "outside user memory"),
        (elf(Part(b"c", memory=1 << 47)), "outside user memory"),
        (elf(Part(b"c", memory=(1 << 64) - 1)), "outside user memory"),
        (elf(Part(b"cc", memory=1)), "unsound segment"),
        (elf(Part(b"c", memory=0x1001), Part(b"d", BASE + 0x1000)), "share a page"),
        (elf(Part(b"c"), Part(b"d", BASE + 0x800)), "share a page"),
        (elf(Part(kind=4)), "nothing to load"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_layout(data)


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (32, "<Q", 1 << 63),  # e_phoff
        (54, "<H", 32),  # e_phentsize
        (56, "<H", 0),  # e_phnum
        (56, "<H", 0xFFFF),
        (64 + 8, "<Q", 1 << 62),  # p_offset
        (64 + 8, "<Q", 0x1001),  # not congruent to the address
        (64 + 32, "<Q", (1 << 64) - 1),  # p_filesz
    ],
)
def test_refused_headers(offset: int, form: str, value: int) -> None:
    data = bytearray(elf())
    struct.pack_into(form, data, offset, value)
    with pytest.raises(ImageError):
        read_layout(bytes(data))


def test_hostile_section_headers_are_not_followed() -> None:
    data = bytearray(elf())
    struct.pack_into("<Q", data, 40, 64)  # e_shoff, with e_shnum 0: the count is then taken from the file
    struct.pack_into("<HHH", data, 58, 64, 0, 0xFFFF)
    assert read_layout(bytes(data)) == read_layout(elf())


@given(st.binary(max_size=300))
@example(b"\x7fELF\2\1\1" + bytes(57))
def test_any_bytes_are_an_image_or_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        read_layout(data)


@given(st.data())
def test_a_damaged_file_is_an_image_or_an_image_error(data: st.DataObject) -> None:
    whole = bytearray(elf(Part(record((b"allm", 5)) + GO), Part(b"d", BASE + 0x3000, flags=6)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.one_of(st.integers(0, 175), st.integers(0, len(whole) - 1)))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        layout = read_layout(bytes(whole[:cut]))
    except ImageError:
        return
    end = 0x10000
    for segment in layout.segments:
        assert segment.address >= end
        assert segment.offset + segment.file_size <= cut
        assert segment.file_size <= segment.size
        end = -(-(segment.address + segment.size) // 0x1000) * 0x1000
    assert end <= 1 << 47


def test_load(load, tmp_path: Path) -> None:
    data = elf(Part(record((b"allm", 5)) + GO))
    image = load(data)
    assert image.path == tmp_path / "image"
    assert image.record is not None
    assert image.record.field("allm") == 5
    assert bytes(image.content(image.segments[0])) == data[0x1000:]
    assert (image.entry, image.arch) == (BASE, "riscv64")
    image.check_port(PORT)


def test_sidecar_answers_the_same_as_the_file(load) -> None:
    data = elf(Part(record((b"allm", 5), (b"m0", 1 << 63)) + GO))
    assert load(data) == load(data)


def test_sidecar_is_used(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = elf()
    load(data)
    monkeypatch.setattr("fairlead.guest.elf.read_layout", _never)
    assert load(data).entry == BASE
    with pytest.raises(UsageError):
        load(data + b"x")


def test_damaged_sidecar_is_made_again(load, tmp_path: Path) -> None:
    data = elf(Part(record((b"allm", 5))))
    first = load(data)
    (sidecar,) = (tmp_path / "cache" / "sidecars-1").iterdir()
    whole = sidecar.read_bytes()
    for damage in (b"", whole[:-5], whole.replace(b"allm", b"allg"), b"\xff" * 100):
        sidecar.write_bytes(damage)
        assert load(data) == first
        assert sidecar.read_bytes() == whole


def test_an_image_loads_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(elf())
    assert load_image(tmp_path / "file", Cache(tmp_path / "file" / "no-folder")).entry == BASE


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "looped").symlink_to("looped")
    for name, reason in [
        ("gone", "no such file"),
        ("", "not a file"),
        ("pipe", "not a file"),
        ("looped", "cannot be read"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ImageError, match=reason) as caught:
            load_image(tmp_path / name, Cache(tmp_path))
        assert str(tmp_path) in caught.value.what


@pytest.mark.parametrize(
    ("data", "port", "reason", "hint"),
    [
        (elf(Part(record(port=b"other"))), PORT, "built for port other", "--port other"),
        (elf(Part(record(abi=7))), PORT, "version 7 of port trial's ABI, this one has version 1", "again"),
        (elf(Part(b"c" * 16 + GO)), PORT, "built without port trial", "--port trial"),
        (elf(Part(b"c" * 16)), PORT, "not a Go program", "--port trial"),
        (elf(Part(b"c" * 16)), STOCK, "not a Go program", "--port trial"),
        (elf(machine=X86_64), PORT, "foreign architecture", "--port trial"),
        (elf(Part(record(port=b"akaros")), machine=X86_64), PORT, "foreign architecture", "--port akaros"),
    ],
)
def test_images_of_others(load, data: bytes, port: Port, reason: str, hint: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        load(data).check_port(port)
    assert hint in caught.value.hint


def test_stock_program_for_a_stock_port(load) -> None:
    load(elf(Part(b"c" * 16 + GO))).check_port(STOCK)


def test_record_required(load) -> None:
    assert load(elf(Part(record()))).require_record().port == "trial"
    with pytest.raises(ImageError, match="carries no record"):
        load(elf()).require_record()
