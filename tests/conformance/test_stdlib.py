"""The standard library's own tests, on every port."""

from __future__ import annotations

import json

PACKAGES = (
    "errors", "sort", "strings", "bytes", "strconv", "sync", "sync/atomic", "time", "container/heap",
    "container/list", "container/ring", "bufio", "context", "encoding/json", "math", "math/big",
    "unicode/utf8",
)  # fmt: skip


def test_what_passes_on_linux_passes_here(port: str, fairlead) -> None:
    ran = fairlead("test", "--port", port, "--json", *PACKAGES, timeout=800)
    report = json.loads(ran.stdout)
    assert {each["package"] for each in report["packages"]} == set(PACKAGES)
    failed = {each["package"]: each for each in report["packages"] if each["failed"]}
    assert not failed, ran.stderr[-5000:]
    assert ran.returncode == 0, ran.stderr[-5000:]
    assert sum(each["passed"] for each in report["packages"]) > 1000
