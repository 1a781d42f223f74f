"""The checked-in lists: what differs from stock Linux, by name and reason, and packages left out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from fairlead.errors import UsageError

__all__ = ["BOUNDED", "REASONS", "Difference", "Exclusion", "Foreign", "Lists", "Reason", "read_lists"]

Reason = Literal["sockets", "exec", "cgo", "race", "words", "unicorn", "toolchain"]
"""sockets: there is no network in the guest; exec: a guest is one process; cgo, race: these builds of Go are
not for ports; words: errors carry what the port's kernel says of them, and a plain `==` with a number, which
only tests do, does not see through that; unicorn: a defect of the engine, shown by a reproducer; toolchain:
needs Go's own tools while it runs."""
REASONS: tuple[Reason, ...] = get_args(Reason)
BOUNDED: tuple[Reason, ...] = ("unicorn", "toolchain")
"""The reasons that may stand by at most one name in a hundred."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Difference:
    """Tests of one package that pass on stock Linux and not on ports; a test stands for its subtests."""

    package: str
    reason: Reason
    tests: tuple[str, ...]
    ports: tuple[str, ...] = ()
    """The ports that this is true of; all if none is named."""
    reproducer: str = ""
    """For "unicorn": a file of the repository that shows the defect."""

    def concerns(self, package: str, port: str) -> bool:
        return self.package == package and (not self.ports or port in self.ports)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Packages that are not run at all, since what they are about cannot be there."""

    packages: tuple[str, ...]
    reason: Reason
    why: str

    def holds(self, package: str) -> bool:
        return package in self.packages


@dataclass(frozen=True, slots=True)
class Foreign:
    """Tests that are compiled for an architecture and skip themselves there, on stock Linux too."""

    package: str
    goarch: str
    tests: tuple[str, ...]
    says: str
    """What their source says when they do."""


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists."""

    differences: tuple[Difference, ...]
    exclusions: tuple[Exclusion, ...]
    foreign: tuple[Foreign, ...] = ()

    def excluded(self, package: str) -> Exclusion | None:
        return next((each for each in self.exclusions if each.holds(package)), None)

    def of(self, package: str, port: str) -> dict[str, Reason]:
        """The listed tests of a package on a port, each with its reason."""
        return {
            test: each.reason
            for each in self.differences
            if each.concerns(package, port)
            for test in each.tests
        }

    def elsewhere(self, package: str, goarch: str) -> frozenset[str]:
        """The tests of a package that skip themselves on an architecture."""
        return frozenset(
            test
            for each in self.foreign
            if each.package == package and each.goarch == goarch
            for test in each.tests
        )


def read_lists(folder: Path) -> Lists:
    """`differences.toml`, `exclusions.toml` and `architectures.toml` of a folder; UsageError says what is
    wrong with one."""
    differences = _table(folder / "differences.toml", "difference", Difference)
    exclusions = _table(folder / "exclusions.toml", "exclusion", Exclusion)
    foreign = _table(folder / "architectures.toml", "foreign", Foreign)
    _check(folder, differences, exclusions)
    return Lists(differences, exclusions, foreign)


def _table(path: Path, key: str, kind: type[_T]) -> tuple[_T, ...]:
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return converter.structure(document.get(key, []), tuple[kind, ...])  # type: ignore[valid-type]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    except cattrs.BaseValidationError as error:
        said = "; ".join(cattrs.transform_error(error))
        raise UsageError(f"{path}: {said}", hint=f"reasons: {', '.join(REASONS)}") from error


def _check(folder: Path, differences: Sequence[Difference], exclusions: Sequence[Exclusion]) -> None:
    for each in differences:
        if each.reason == "unicorn" and not each.reproducer:
            raise UsageError(f"{folder}: {each.package}: a defect of the engine needs its reproducer")
        if each.reproducer and not _in_repository(folder, each.reproducer):
            raise UsageError(f"{folder}: {each.package}: there is no reproducer {each.reproducer}")
    _once(folder, (package for each in exclusions for package in each.packages))
    out = {package for each in exclusions for package in each.packages}
    for each in differences:
        if each.package in out:
            raise UsageError(f"{folder}: {each.package} is left out, and has differences listed")
        for test in each.tests:
            clashes = [
                other
                for other in differences
                if other is not each and other.package == each.package and test in other.tests
                and (not each.ports or not other.ports or set(each.ports) & set(other.ports))
            ]  # fmt: skip
            if clashes or each.tests.count(test) > 1:
                raise UsageError(f"{folder}: {test} of {each.package} is listed twice")


def _in_repository(folder: Path, name: str) -> bool:
    return any((parent / name).is_file() for parent in (folder, *folder.resolve().parents))


def _once(folder: Path, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{folder}: {name} is left out twice")
        seen.add(name)
