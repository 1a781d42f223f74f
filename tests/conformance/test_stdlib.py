"""The standard library's own tests, on every port: what passes on stock Linux passes here.

These are packages that take seconds; `nox -s stdlib` runs all that can make sense on a port.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.plugins import find_port
from fairlead.testing.stdlib.events import top
from fairlead.testing.stdlib.lists import read_lists

PACKAGES = (
    "errors", "sort", "strings", "bytes", "strconv", "sync", "sync/atomic", "container/heap",
    "container/list", "container/ring", "bufio", "context", "encoding/json", "math", "unicode/utf8",
)  # fmt: skip
OF_A_CONTROL = ("errors", "sort", "strings", "sync", "context", "encoding/json", "unicode/utf8")
"""For a port that runs stock programs: nothing of theirs is changed, so fewer packages tell the rest."""

LISTS = read_lists(Path(__file__).parent.parent / "stdlib")


def listed(port: str, package: str) -> dict[str, str]:
    """The top-level tests that are listed for a package on a port."""
    return {top(test): reason for test, reason in LISTS.of(package, port).items()}


@pytest.mark.slow
def test_what_passes_on_linux_passes_here(port: str, fairlead) -> None:
    packages = PACKAGES if find_port(port).guest.overlay else OF_A_CONTROL
    names = sorted({test for package in packages for test in listed(port, package)})
    skip = "^(" + "|".join(names) + ")$"
    ran = fairlead("test", "--port", port, "--json", *packages, "--", "-short", f"-skip={skip}", timeout=800)
    report = json.loads(ran.stdout)
    assert {each["package"] for each in report["packages"]} == set(packages)
    assert [each for each in report["packages"] if each["status"] != "pass"] == [], ran.stderr[-5000:]
    assert ran.returncode == 0
    passed = {each["package"]: each["passed"] for each in report["packages"]}
    if packages is PACKAGES:
        assert sum(passed.values()) > 980
    else:
        assert sum(passed.values()) > 430
    assert min(passed.values()) > 5


@pytest.mark.slow
def test_what_is_listed_does_not_pass(port: str, fairlead) -> None:
    tried = 0
    for package in PACKAGES:
        tests = sorted(listed(port, package))
        if not tests:
            continue
        only = "^(" + "|".join(tests) + ")$"
        ran = fairlead("test", "--port", port, "--json", package, "--", "-short", f"-run={only}", timeout=300)
        (report,) = json.loads(ran.stdout)["packages"]
        assert report["passed"] == 0, f"of {tests} in {package} one passes, mend the list"
        assert report["failed"] + report["skipped"] > 0
        tried += 1
    assert tried > 0
