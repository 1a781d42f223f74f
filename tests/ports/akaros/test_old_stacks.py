"""What is remembered of stacks that moved, against a model that remembers each address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead_akaros.parlib.oldstacks import OldStacks

PLACES = st.tuples(st.integers(0, 60), st.integers(-2, 30)).map(lambda each: (each[0], each[0] + each[1]))


@given(st.lists(st.tuples(st.booleans(), PLACES), max_size=40))
def test_an_address_is_known_until_it_is_in_use_again(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    old = OldStacks()
    model: dict[int, int] = {}
    for goid, (moves, (lo, hi)) in enumerate(steps):
        if moves:
            old.moved(lo, hi, 1000, 2000, goid)
            model.update(dict.fromkeys(range(lo, hi), goid))
        else:
            old.taken(lo, hi)
            for address in range(lo, hi):
                model.pop(address, None)
        found = {address: old.find(address) for address in range(-1, 100)}
        assert {address: move.goid for address, move in found.items() if move is not None} == model
        assert all(move.lo <= address < move.hi for address, move in found.items() if move is not None)
        assert bool(old) == bool(model)


def test_a_guest_that_never_stops_moving_costs_bounded_memory() -> None:
    old = OldStacks()
    for number in range(70_000):
        old.moved(2 * number, 2 * number + 1, 0, 0, 1)
    assert sum(old.find(2 * number) is not None for number in range(70_000)) == 1 << 16
    assert old.find(2 * 69_999) is not None
