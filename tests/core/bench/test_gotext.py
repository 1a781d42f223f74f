"""Go's benchmark format is read as it is written, and nothing that a program prints upsets the reader."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fairlead.bench.gotext import config_lines, parse, result_line

OUTPUT = """\
goos: linux
goarch: riscv64
pkg: strings
cpu: some: cpu
starting
BenchmarkSort/n=10-4  \t 1000\t     22.94 ns/op\t 39567.02 MB/s\t       0 B/op
BenchmarkOdd 3 words
BenchmarkNone
--- FAIL: BenchmarkBad
    bad_test.go:7: no
BenchmarkHuge 2 1e400 ns/op
BenchmarkNot 2 NaN ns/op
BenchmarkLate 2 3e2 ns/op
PASS
"""


def test_results_under_their_configuration() -> None:
    sort, late = parse(OUTPUT)
    assert (sort.name, sort.iterations) == ("Sort/n=10-4", 1000)
    assert sort.values == {"ns/op": 22.94, "MB/s": 39567.02, "B/op": 0.0}
    assert sort.config == {"goos": "linux", "goarch": "riscv64", "pkg": "strings", "cpu": "some: cpu"}
    assert late.values == {"ns/op": 300.0}


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for line in parse(text):
        assert all(math.isfinite(value) for value in line.values.values())
    for line in parse(f"Benchmark{text}"):
        assert line.iterations >= 0


names = st.from_regex(r"[A-Z][A-Za-z0-9=/_]{0,20}", fullmatch=True)
units = st.sampled_from(["ns/op", "host-ns/op", "B/op", "allocs/op", "blocks/op"])
values = st.dictionaries(units, st.floats(-1e12, 1e12), min_size=1)


@given(names, st.integers(1, 10**9), values)
def test_what_is_written_is_read(name: str, iterations: int, given: dict[str, float]) -> None:
    (line,) = parse("\n".join([*config_lines({"port": "akaros"}), result_line(name, iterations, given)]))
    assert (line.name, line.iterations, line.config) == (name, iterations, {"port": "akaros"})
    assert line.values.keys() == given.keys()
    for unit, value in given.items():
        assert math.isclose(line.values[unit], value, rel_tol=1e-4, abs_tol=1e-5)
