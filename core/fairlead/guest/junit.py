"""Test results as the JUnit XML that build servers read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Xml

from fairlead.errors import UsageError
from fairlead.guest.cache import write_atomically
from fairlead.guest.gotest import Package, Test

__all__ = ["junit", "write_junit"]

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not let stand in a document (section 2.2)."""
_UNENDED = {"running": "it never came to an end", "build-fail": "it does not build"}


def write_junit(path: Path, packages: Iterable[Package]) -> None:
    """Write the document; UsageError where that cannot be."""
    try:
        write_atomically(path, junit(packages))
    except OSError as error:
        raise UsageError(f"--junit {path} cannot be written: {error.strerror or error}") from error


def junit(packages: Iterable[Package]) -> bytes:
    """A suite for each package, a case for each test and subtest.

    A package that broke off, or failed while no test of it did, has one more case of its own name, an error.
    """
    root = Xml.Element("testsuites")
    sums: dict[str, float] = dict.fromkeys(("tests", "failures", "errors", "skipped", "time"), 0)
    for package in packages:
        suite = _suite(package)
        root.append(suite)
        for key in sums:
            sums[key] += float(suite.attrib[key])
    for key, value in sums.items():
        root.set(key, f"{value:.3f}" if key == "time" else f"{value:.0f}")
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(package: Package) -> Xml.Element:
    suite = Xml.Element("testsuite", name=_text(package.package), time=f"{package.seconds:.3f}")
    for test in package.tests.values():
        suite.append(_case(package, test))
    failed = any(test.outcome != "pass" and test.outcome != "skip" for test in package.tests.values())
    if package.status in _UNENDED or (package.status == "fail" and not failed):
        case = Xml.SubElement(suite, "testcase", classname=_text(package.package), name="(package)", time="0")
        said = Xml.SubElement(case, "error", message=_UNENDED.get(package.status, "it failed"))
        said.text = _text(package.output)
    for key, tag in (("tests", "."), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        found = suite.findall("testcase") if tag == "." else suite.findall(f"testcase/{tag}")
        suite.set(key, str(len(found)))
    return suite


def _case(package: Package, test: Test) -> Xml.Element:
    case = Xml.Element(
        "testcase",
        classname=_text(package.package),
        name=_text(test.name),
        time=f"{test.seconds:.3f}",
    )
    if test.outcome == "skip":
        Xml.SubElement(case, "skipped", message=_text(_last_words(test.output)))
    elif test.outcome != "pass":
        tag = "failure" if test.outcome == "fail" else "error"
        said = Xml.SubElement(case, tag, message=_UNENDED.get(test.outcome, "it failed"))
        said.text = _text(test.output)
    return case


def _last_words(output: str) -> str:
    """The last line that a test itself printed."""
    lines = [line.strip() for line in output.splitlines() if not line.strip().startswith(("=== ", "--- "))]
    return lines[-1] if lines else ""


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
