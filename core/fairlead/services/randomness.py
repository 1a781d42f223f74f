"""Chance, from the run's seed: the same seed gives the same bytes, whatever the host."""

from __future__ import annotations

import random

__all__ = ["Randomness"]


class Randomness:
    """A stream of bytes. Streams of one seed with different names are independent of each other."""

    def __init__(self, seed: int, name: str) -> None:
        self._generator = random.Random(
            f"fairlead {name} {seed}"
        )  # a string is hashed by SHA-512, not hash()

    def bytes(self, count: int) -> bytes:
        """The next bytes of the stream."""
        return self._generator.randbytes(count)
