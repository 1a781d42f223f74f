from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import UsageError
from fairlead.guest.gotest import Package, Test
from fairlead.guest.junit import junit, write_junit


def package(name: str, status: str, *tests: Test, output: str = "") -> Package:
    return Package(name, status, seconds=1.5, tests={test.name: test for test in tests}, output=output)


PACKAGES = [
    package(
        "m/good",
        "pass",
        Test("TestA", "pass", 0.25),
        Test("TestB", "skip", output="=== RUN   TestB\n    b_test.go:3: not here\n--- SKIP: TestB (0.00s)\n"),
    ),
    package("m/bad", "fail", Test("TestC", "fail", output="c is wrong\n"), Test("TestC/x", "pass")),
    package("m/hang", "fail", Test("TestD", "running", output="=== RUN   TestD\n")),
    package("m/main", "fail", Test("TestE", "pass"), output="TestMain says no\n"),
    package("m/broken", "build-fail"),
    package("m/none", "skip"),
]


def test_a_suite_for_each_package() -> None:
    root = Xml.fromstring(junit(PACKAGES))
    assert (root.tag, root.attrib) == (
        "testsuites",
        {"tests": "8", "failures": "1", "errors": "3", "skipped": "1", "time": "9.000"},
    )
    told = {
        suite.attrib["name"]: [
            (case.attrib["name"], *((said.tag, said.attrib["message"], said.text) for said in case))
            for case in suite
        ]
        for suite in root
    }
    assert told == {
        "m/good": [("TestA",), ("TestB", ("skipped", "b_test.go:3: not here", None))],
        "m/bad": [("TestC", ("failure", "it failed", "c is wrong\n")), ("TestC/x",)],
        "m/hang": [("TestD", ("error", "it never came to an end", "=== RUN   TestD\n"))],
        "m/main": [("TestE",), ("(package)", ("error", "it failed", "TestMain says no\n"))],
        "m/broken": [("(package)", ("error", "it does not build", None))],
        "m/none": [],
    }
    case = root.find("testsuite/testcase")
    assert case is not None
    assert case.attrib == {"classname": "m/good", "name": "TestA", "time": "0.250"}


@given(st.text(), st.text())
def test_whatever_a_test_prints_is_xml(name: str, output: str) -> None:
    root = Xml.fromstring(junit([package("p", "fail", Test(name, "fail", output=output))]))
    assert root.attrib["failures"] == "1"


def test_a_place_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_junit(tmp_path / "gone" / "file", [])
