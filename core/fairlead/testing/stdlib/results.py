"""What was measured, in a file that any part of can be measured again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.errors import UsageError
from fairlead.guest.cache import Cache, write_atomically
from fairlead.testing.stdlib.events import Outcome
from fairlead.testing.stdlib.judge import Compared

__all__ = ["Measured", "Results", "Stock", "StockRun", "recall", "remember"]

_SCHEMA, _VERSION = "fairlead/stdlib", 1
_KEPT = "stdlib"


@dataclass(frozen=True, slots=True)
class Stock:
    """A package on stock Linux: tests by how they end in every run there, subtests too."""

    passed: int
    failed: int
    skipped: int
    unsteady: int
    """Tests that end in one way in one run and otherwise, or not at all, in another."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A package on a port."""

    goarch: str
    status: str
    """As go says: "pass", "fail", "build-fail", "skip"; "limit" for one that took too long."""
    names: int
    passed: int
    unlike: dict[str, Outcome]
    elsewhere: int
    seconds: float
    """Host time."""

    @classmethod
    def of(cls, goarch: str, status: str, seconds: float, compared: Compared) -> Measured:
        names, passed, unlike, elsewhere = (
            compared.names, compared.passed, compared.unlike, compared.elsewhere,
        )  # fmt: skip
        return cls(goarch, status, names, passed, unlike, elsewhere, round(seconds, 1))

    @property
    def compared(self) -> Compared:
        return Compared(self.names, self.passed, self.unlike, self.elsewhere)


@dataclass(slots=True)
class Results:
    """Everything measured so far, of one Go version."""

    go: str
    packages: list[str] = field(default_factory=list)
    """All of the standard library that have tests."""
    stock: dict[str, Stock] = field(default_factory=dict)
    ports: dict[str, dict[str, Measured]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, go: str) -> Results:
        """Those of a file, if they are of this Go version; nothing measured if they are not or there is no
        file."""
        import cattrs

        try:
            document = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return cls(go)
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}", hint="delete it to measure anew") from error
        if not isinstance(document, dict) or (document.get("schema"), document.get("version")) != (
            _SCHEMA, _VERSION,
        ):  # fmt: skip
            raise UsageError(f"{path} holds no results of this version", hint="delete it to measure anew")
        try:
            found = cattrs.structure(document, cls)
        except cattrs.BaseValidationError as error:
            said = "; ".join(cattrs.transform_error(error))
            raise UsageError(f"{path}: {said}", hint="delete it to measure anew") from error
        return found if found.go == go else cls(go)

    def save(self, path: Path) -> None:
        """Write the file, in an order that depends on names only."""
        import cattrs

        document = {"schema": _SCHEMA, "version": _VERSION, **cattrs.unstructure(self)}
        document["stock"] = dict(sorted(document["stock"].items()))
        document["ports"] = {
            port: dict(sorted(found.items())) for port, found in sorted(document["ports"].items())
        }
        try:
            write_atomically(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class StockRun:
    """A package's tests on stock Linux: what every run says, and all names that were seen in one."""

    steady: dict[str, Outcome]
    seen: tuple[str, ...]

    @property
    def counts(self) -> Stock:
        ends = list(self.steady.values())
        unsteady = len(self.seen) - len(ends)
        return Stock(ends.count("pass"), ends.count("fail"), ends.count("skip"), unsteady)


def remember(cache: Cache, go: str, package: str, run: StockRun) -> None:
    """Keep a stock run on this host: it does not change with ports."""
    import cattrs

    cache.store(_KEPT, _key(go, package), json.dumps(cattrs.unstructure(run)).encode())


def recall(cache: Cache, go: str, package: str) -> StockRun | None:
    """The stock run of a package on this host, if there was one."""
    import cattrs

    stored = cache.load(_KEPT, _key(go, package))
    return cattrs.structure(json.loads(stored), StockRun) if stored is not None else None


def _key(go: str, package: str) -> str:
    return f"{go}-{package.replace('/', '_')}"
