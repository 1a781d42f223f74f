"""The standard library's own tests, on every port: what passes on stock Linux passes here."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from fairlead.plugins import find_port

PACKAGES = (
    "errors", "sort", "strings", "bytes", "strconv", "sync", "sync/atomic", "time", "container/heap",
    "container/list", "container/ring", "bufio", "context", "encoding/json", "math", "math/big",
    "unicode/utf8",
)  # fmt: skip
OF_A_CONTROL = ("errors", "sort", "strings", "sync", "time", "context", "encoding/json", "unicode/utf8")
"""For a port that runs stock programs: nothing of theirs is changed, so fewer packages tell the rest."""
REASONS = ("sockets", "exec")

DIFFERENCES = tomllib.loads((Path(__file__).parent / "differences.toml").read_text())["difference"]
LISTED = sorted({test for each in DIFFERENCES for test in each["tests"]})


def test_every_difference_has_one_of_the_reasons() -> None:
    assert DIFFERENCES
    for each in DIFFERENCES:
        assert set(each) == {"package", "tests", "reason"}
        assert each["reason"] in REASONS
        assert each["package"] in PACKAGES


@pytest.mark.slow
def test_what_passes_on_linux_passes_here(port: str, fairlead) -> None:
    packages = PACKAGES if find_port(port).guest.overlay else OF_A_CONTROL
    skip = "^(" + "|".join(LISTED) + ")$"
    ran = fairlead("test", "--port", port, "--json", *packages, "--", "-short", f"-skip={skip}", timeout=800)
    report = json.loads(ran.stdout)
    assert {each["package"] for each in report["packages"]} == set(packages)
    assert [each for each in report["packages"] if each["status"] != "pass"] == [], ran.stderr[-5000:]
    assert ran.returncode == 0
    passed = {each["package"]: each["passed"] for each in report["packages"]}
    if packages is PACKAGES:
        assert sum(passed.values()) > 1350
    else:
        assert sum(passed.values()) > 500
    assert min(passed.values()) > 5


@pytest.mark.slow
def test_what_is_listed_does_not_pass(port: str, fairlead) -> None:
    for difference in DIFFERENCES:
        only = "^(" + "|".join(difference["tests"]) + ")$"
        ran = fairlead(
            "test", "--port", port, "--json", difference["package"], "--", f"-run={only}", timeout=300
        )
        (package,) = json.loads(ran.stdout)["packages"]
        assert package["status"] == "fail"
        assert package["passed"] == 0, (
            f"{difference['tests']} of {difference['package']}: one passes, mend the list"
        )
