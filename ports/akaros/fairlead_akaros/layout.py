"""Laying structures out by the rules of C (System V ABI, AMD64 supplement, 3.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Field", "Layout", "flat", "opaque", "struct", "union"]

_SCALARS = {"bool": 1, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8, "ptr": 8}


@dataclass(frozen=True, slots=True)
class Layout:
    """A structure: sizes in bytes, and where each field is."""

    name: str
    size: int
    align: int
    offsets: Mapping[str, int]
    sizes: Mapping[str, int]

    def __getitem__(self, field: str) -> int:
        """Offset of a field."""
        return self.offsets[field]


Type = str | Layout
Field = tuple[str, Type] | tuple[str, Type, int]
"""A name, a scalar of _SCALARS or another structure, and how many of them if it is an array."""


def _extent(kind: Type) -> tuple[int, int]:
    if isinstance(kind, Layout):
        return kind.size, kind.align
    return _SCALARS[kind], _SCALARS[kind]


def struct(name: str, *fields: Field, align: int = 1) -> Layout:
    """Lay fields out one after another, each at a multiple of its alignment; a name of "" only takes room."""
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    position = 0
    for field, kind, *count in fields:
        size, natural = _extent(kind)
        position = -(-position // natural) * natural
        if field:
            offsets[field], sizes[field] = position, size * (count[0] if count else 1)
        position += size * (count[0] if count else 1)
        align = max(align, natural)
    return Layout(name, -(-position // align) * align, align, offsets, sizes)


def union(name: str, *fields: tuple[str, Type]) -> Layout:
    extents = [_extent(kind) for _, kind in fields]
    align = max(each for _, each in extents)
    size = -(-max(each for each, _ in extents) // align) * align
    return Layout(
        name,
        size,
        align,
        {field: 0 for field, _ in fields},
        {field: size for (field, _), (size, _) in zip(fields, extents, strict=True)},
    )


def flat(name: str, *parts: tuple[str, Type]) -> Layout:
    """A structure whose anonymous unions' members count as its own."""
    outer = struct(name, *parts)
    offsets, sizes = dict(outer.offsets), dict(outer.sizes)
    for field, kind in parts:
        if isinstance(kind, Layout) and kind.name == "":
            base = offsets.pop(field)
            del sizes[field]
            offsets.update({inner: base + at for inner, at in kind.offsets.items()})
            sizes.update(kind.sizes)
    return Layout(name, outer.size, outer.align, offsets, sizes)


def opaque(name: str, size: int, align: int) -> Layout:
    """A structure of which nothing but its size matters here."""
    return Layout(name, size, align, {}, {})
