"""Arguments and environment through the device tree's /chosen, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fairlead.machine import BoardOptions
from fairlead.plugins import find_board
from fairlead.port import Program
from fairlead_opensbi.ethanol.bootargs import describe, join, split, unpack
from fairlead_opensbi.ethanol.devicetree import read_device_tree


class Silent:
    """A console that nobody writes to."""

    def write(self, data: bytes) -> None:
        raise AssertionError("the console was written to")

    def read(self, limit: int) -> bytes | None:
        return None


# What exec(2) can carry: any bytes but NUL, as Python holds them (PEP 383).
strings = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b" ").decode("utf-8", "surrogateescape")),
    st.text(st.sampled_from(" \t\n=\"'\\$#aé€😀\x7f\x01"), max_size=12),
    st.sampled_from(["", " ", "=", "A=B", "-x", "--", "bootargs", "GODEBUG=schedtrace=1"]),
)
keys = strings.map(lambda text: text.replace("=", "")).filter(bool)


def through_the_machine(arguments: list[str], environment: dict[str, str]) -> BoardOptions:
    program = Program(image=None, arguments=arguments, environment=environment)  # type: ignore[arg-type]
    return describe(program, BoardOptions(console=Silent(), memory=64 << 20))


def through_the_tree(options: BoardOptions) -> tuple[str, tuple[list[str], dict[str, str]]]:
    """/chosen's bootargs and what the port makes of it, from a blob that a real board has made."""
    machine = find_board("virt").build(options)
    try:
        chosen = read_device_tree(machine.device_tree())
    finally:
        machine.close()
    return chosen.bootargs, unpack(chosen.bootargs, chosen.properties)


@settings(max_examples=60, deadline=None)
@given(st.lists(strings, max_size=5), st.dictionaries(keys, strings, max_size=5))
@example([""], {})
@example([], {})
@example(["ethanol", "x" * 100_000], {"LONG": "y" * 100_000})
@example(["\udcff\udc80"], {"\udcfe": "\udcfd"})
@example(["a", "b"], {"K": "v\nw"})
@example(["a=b"], {"=": ""})
def test_nothing_is_lost_or_changed(arguments: list[str], environment: dict[str, str]) -> None:
    environment = {key: value for key, value in environment.items() if "=" not in key}
    _, found = through_the_tree(through_the_machine(arguments, environment))
    assert found == (arguments, environment)


@settings(max_examples=300, deadline=None)
@given(st.lists(strings, max_size=6), st.dictionaries(keys, strings, max_size=6))
def test_a_line_that_fits_says_it_all_alone(arguments: list[str], environment: dict[str, str]) -> None:
    options = through_the_machine(arguments, environment)
    if not options.properties:
        assert split(options.bootargs) == (arguments, environment)
        assert options.bootargs == join(arguments, environment)
    assert options.bootargs.isascii()
    assert len(options.bootargs) < 2048


def test_the_document_s_line() -> None:
    options = through_the_machine(["ethanol", "arg1", "arg2"], {"GODEBUG": "schedtrace=1"})
    assert options.bootargs == "ethanol arg1 arg2 GODEBUG=schedtrace=1"
    assert not options.properties
    assert through_the_tree(options) == (
        "ethanol arg1 arg2 GODEBUG=schedtrace=1",
        (["ethanol", "arg1", "arg2"], {"GODEBUG": "schedtrace=1"}),
    )


def test_a_line_someone_else_wrote_is_understood() -> None:
    assert unpack("  ethanol  a\tb K=v=w =x K2= ", {}) == (
        ["ethanol", "a", "b", "=x"],
        {"K": "v=w", "K2": ""},
    )


ECHO = """\
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

func main() {
	fmt.Printf("%q\\n", os.Args[1:])
	environment := os.Environ()
	sort.Strings(environment)
	for _, each := range environment {
		if strings.HasPrefix(each, "T_") {
			fmt.Printf("%q\\n", each)
		}
	}
	fmt.Println(len(os.Args[0]) > 0, len(os.Getenv("T_LONG")))
}
"""


@pytest.fixture(scope="module")
def echo(go_program) -> Path:
    return go_program(ECHO)


def test_what_is_given_arrives_in_the_program(echo: Path, fairlead) -> None:
    arguments = [
        "plain",
        "",
        " ",
        "two words",
        "a=b",
        "=",
        "'\"`\\",
        "é€😀",
        "\udcff\udc80",
        "-flag",
        "--",
        "\t\n",
    ]
    variables = {"T_1": "", "T_2": " ", "T_3": "x=y", "T_4": "\"'", "T_5": "é\udcff", "T_LONG": "z" * 100_000}
    words = [f"--env={key}={value}" for key, value in variables.items()]
    ran = fairlead("run", "--port", "opensbi", *words, echo, *arguments)
    assert ran.stderr == ""
    shown, *environment, last = ran.stdout.splitlines()
    assert shown == (
        r'["plain" "" " " "two words" "a=b" "=" "' "'" r'\"`\\" "é€😀" "\xff\x80" "-flag" "--" "\t\n"]'
    )
    assert environment[:5] == ['"T_1="', '"T_2= "', '"T_3=x=y"', r'"T_4=\"' "'" '"', r'"T_5=é\xff"']
    assert len(environment[5]) == 100_000 + len('"T_LONG="')
    assert last == "true 100000"


def test_a_hundred_kilobytes_of_argument_arrive(echo: Path, fairlead) -> None:
    ran = fairlead("run", "--port", "opensbi", echo, "x" * 100_000, "end")
    assert ran.stdout.splitlines()[0] == f'["{"x" * 100_000}" "end"]'


BUSY = """\
package main

import (
	"fmt"
	"os"
	"sync"
)

func main() {
	var group sync.WaitGroup
	sums := make([]int, 4)
	for i := range sums {
		group.Go(func() {
			for n := range 3_000_000 {
				sums[i] += n % 7
			}
		})
	}
	group.Wait()
	fmt.Println(os.Args[1:], sums)
}
"""


def test_schedtrace_travels_in_bootargs_and_prints_its_lines(go_program, fairlead) -> None:
    program = go_program(BUSY)
    ran = fairlead("run", "--port", "opensbi", "--env=GODEBUG=schedtrace=1", program, "arg1", "arg2")
    assert ran.returncode == 0
    assert ran.stdout == "[arg1 arg2] [8999994 8999994 8999994 8999994]\n"
    lines = ran.stderr.splitlines()
    assert len(lines) > 5
    assert all(line.startswith("SCHED ") and "gomaxprocs=1" in line for line in lines)
    # A line each millisecond of guest time.
    times = [int(line.split()[1].removesuffix("ms:")) for line in lines]
    assert times == sorted(times)
    assert len(set(times)) > 5
    quiet = fairlead("run", "--port", "opensbi", program, "arg1", "arg2", env={"GODEBUG": ""})
    assert quiet.stderr == ""
