from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from fairlead.testing.stdlib.events import Outcome, Ran, read_events
from fairlead.testing.stdlib.judge import Compared, compare, judge, steady
from fairlead.testing.stdlib.lists import Reason

STOCK: dict[str, Outcome] = {
    "TestA": "pass",
    "TestB": "pass",
    "TestB/x": "pass",
    "TestB/y": "pass",
    "TestSkips": "skip",
    "TestFails": "fail",
    "TestEmpty": "pass",
    "TestEmpty/x": "skip",
    "TestHost": "pass",
}
COMPILED = {"TestA", "TestB", "TestSkips", "TestFails", "TestEmpty", "TestHost"}


def compared(changes: Mapping[str, Outcome], same: bool = True, without: tuple[str, ...] = ()) -> Compared:
    here = {name: outcome for name, outcome in {**STOCK, **changes}.items() if name not in without}
    return compare(STOCK, here, COMPILED, known=STOCK.keys(), same_architecture=same)


def test_what_is_the_same() -> None:
    assert compared({}) == Compared(5, 5, {}, 0)


def test_skipped_cut_and_never_reached_are_not_passed() -> None:
    found = compared({"TestA": "skip", "TestB": "cut"}, without=("TestB/x", "TestB/y"))
    assert found == Compared(
        5, 1, {"TestA": "skip", "TestB": "cut", "TestB/x": "missing", "TestB/y": "missing"}, 0
    )


def test_what_fails_here_alone() -> None:
    found = compared({"TestSkips": "fail", "TestNew": "fail", "TestEmpty/x": "cut", "TestOther": "pass"})
    assert found.unlike == {"TestSkips": "fail", "TestNew": "fail", "TestEmpty/x": "cut"}
    assert found.names == 5 + 3


def test_what_is_not_steady_tells_nothing() -> None:
    one: dict[str, Outcome] = {"TestA": "pass", "TestB": "pass", "TestC": "pass"}
    stock = steady(one, {"TestA": "pass", "TestB": "skip"})
    assert stock == {"TestA": "pass"}
    here: dict[str, Outcome] = {"TestA": "pass", "TestB": "fail", "TestC": "fail"}
    assert compare(stock, here, one, known=one, same_architecture=True) == Compared(1, 1, {}, 0)


def test_names_of_another_architecture() -> None:
    elsewhere = compared({}, same=False, without=("TestB/y",))
    assert elsewhere == Compared(4, 4, {}, 1)
    assert compared({}, same=True, without=("TestB/y",)).unlike == {"TestB/y": "missing"}
    # A test that failed may have broken off before its subtest.
    assert compared({"TestB": "fail"}, same=False, without=("TestB/y",)).unlike == {
        "TestB": "fail",
        "TestB/y": "missing",
    }
    found = compare(STOCK, {}, COMPILED - {"TestHost"}, known=STOCK.keys(), same_architecture=False)
    assert found.elsewhere == 1
    assert "TestHost" not in found.unlike


def test_names_with_the_words_of_an_error() -> None:
    renamed: dict[str, Outcome] = {"TestB/no_such_file": "pass"}
    assert compared(renamed, without=("TestB/y",)) == Compared(4, 4, {}, 1)
    assert compared({**renamed, "TestB": "fail"}, without=("TestB/y",)).unlike["TestB/y"] == "missing"
    failed = compared({"TestB/no_such_file": "fail", "TestB": "fail"}, without=("TestB/y",))
    assert failed.unlike == {"TestB": "fail", "TestB/no_such_file": "fail", "TestB/y": "missing"}


def listed(*tests: str) -> dict[str, Reason]:
    return dict.fromkeys(tests, "exec")


UNLIKE = compared({"TestB": "fail", "TestB/x": "fail"}, without=("TestA",))


def test_every_difference_is_listed() -> None:
    verdict = judge(UNLIKE, listed("TestA", "TestB/x"))
    assert verdict.reasons == listed("TestA", "TestB", "TestB/x")
    assert (verdict.unlisted, verdict.idle) == ((), ())
    assert judge(UNLIKE, listed("TestA", "TestB")).unlisted == ()


def test_a_difference_that_is_not_listed() -> None:
    assert judge(UNLIKE, listed("TestA")).unlisted == ("TestB", "TestB/x")
    assert judge(UNLIKE, listed("TestB/x")).unlisted == ("TestA",)
    two = compared({"TestB": "fail", "TestB/x": "fail", "TestB/y": "fail"})
    assert judge(two, listed("TestB/x")).unlisted == ("TestB", "TestB/y")


def test_a_test_that_was_never_reached_is_not_explained_by_its_subtests() -> None:
    gone = compared({}, without=("TestB", "TestB/x", "TestB/y"))
    assert judge(gone, listed("TestB/x", "TestB/y")).unlisted == ("TestB",)


def test_what_is_listed_and_passes() -> None:
    assert judge(compared({"TestB/x": "skip"}), listed("TestB")).idle == ()
    assert judge(compared({}), listed("TestA", "TestGone")).idle == ("TestA", "TestGone")


def test_what_skips_itself_on_an_architecture() -> None:
    found = compared({"TestA": "skip", "TestB/x": "skip"})
    verdict = judge(found, {}, {"TestA", "TestB"})
    assert verdict.foreign == ("TestA",)
    assert verdict.unlisted == ("TestB/x",)
    assert verdict.idle == ("TestB",)
    assert judge(compared({"TestA": "fail"}), {}, {"TestA"}).unlisted == ("TestA",)
    both = compared({"TestB": "fail", "TestB/x": "fail", "TestB/y": "skip"})
    assert judge(both, listed("TestB/x"), {"TestB/y"}).unlisted == ()
    gone = judge(compared({"TestB": "skip"}, without=("TestB/x", "TestB/y")), {}, {"TestB"})
    assert gone.foreign == ("TestB", "TestB/x", "TestB/y")


@given(st.dictionaries(st.sampled_from(sorted(STOCK)), st.sampled_from(["pass", "fail", "skip", "cut"])))
def test_every_name_is_accounted_for(changes: dict[str, Outcome]) -> None:
    found = compared(changes)
    assert found.passed + len(found.unlike) == found.names
    verdict = judge(found, listed(*found.unlike))
    assert (verdict.unlisted, verdict.idle) == ((), ())
    assert set(judge(found, {}).unlisted) == set(found.unlike)


EVENTS = [
    b'{"Action":"start","Package":"p"}\n',
    b'{"Action":"run","Package":"p","Test":"A"}\n',
    b'{"Action":"output","Package":"p","Test":"A","Output":"said\\n"}\n',
    b'{"Action":"pass","Package":"p","Test":"A"}\n',
    b'{"Action":"run","Package":"p","Test":"B"}\n',
    b"a line of somebody else\n",
    b'{"Action":"fail","Package":"p"}\n',
]


def test_events_of_a_run_that_broke_off() -> None:
    ran = read_events(EVENTS)
    assert (ran.tests, ran.status) == ({"A": "pass", "B": "cut"}, "fail")
    assert ran.output["A"] == ["said\n"]


def test_a_test_that_waits_for_its_turn_has_not_begun() -> None:
    def event(action: str) -> bytes:
        return b'{"Action":"%s","Package":"p","Test":"A"}' % action.encode()

    assert read_events([event("run"), event("pause")]).tests == {}
    assert read_events([event("run"), event("pause"), event("cont")]).tests == {"A": "cut"}
    assert read_events([event("run"), event("pause"), event("cont"), event("pass")]).tests == {"A": "pass"}


def test_a_further_run() -> None:
    ran = read_events(EVENTS)
    more = Ran({"A": "cut", "B": "fail", "C": "pass"}, "pass", 2.0)
    ran.add(more)
    assert (ran.tests, ran.status, ran.seconds) == ({"A": "pass", "B": "fail", "C": "pass"}, "fail", 2.0)


def test_addresses_make_no_names() -> None:
    assert Ran({"A/0xc000012345": "pass", "A": "pass"}).steady() == {"A": "pass"}


@given(st.one_of(st.binary(), st.sampled_from([b"[]", b'{"Action":3}', b'{"Action":"run","Test":7}'])))
def test_any_line_is_taken(line: bytes) -> None:
    read_events([line])
