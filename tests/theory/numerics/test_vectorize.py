"""Closed forms take arrays: every quantity, in every one of its numbers, gives what it gives one at a time."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pytest

from see_in_pairs.errors import InputError
from theory.numerics.vectorize import elementwise
from theory.statements import all_statements

CASES = [
    (owner.id, quantity, parameter.name)
    for owner in all_statements().values()
    for quantity in owner.quantities
    for parameter in quantity.parameters
    if isinstance(quantity.bind(quantity.points[0]).get(parameter.name), Real)
]


def two_values(quantity, name):
    """A point, and another value of the parameter that is possible with the rest of it."""
    point = quantity.bind(quantity.points[0])
    others = [params[name] for params in map(quantity.bind, quantity.points) if isinstance(params.get(name), Real)]
    for other in [value for value in others if value != point[name]]:
        try:
            quantity.value(**{**point, name: other})
        except InputError:
            continue
        return point, other
    return point, point[name]


@pytest.mark.parametrize(("owner", "quantity", "name"), CASES, ids=[f"{owner}-{quantity.name}-{name}" for owner, quantity, name in CASES])
def test_an_array_gives_what_its_elements_give(owner, quantity, name):
    point, other = two_values(quantity, name)
    found = np.asarray(quantity.closed_form(**{**point, name: np.array([[point[name]], [other]])}))
    assert found.shape == (2, 1)
    expected = [quantity.value(**{**point, name: value}) for value in (point[name], other)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-13, atol=1e-15)


def test_numbers_are_broadcast_and_words_handed_on():
    @elementwise
    def tell(a: float, word: str, b: int = 2) -> float:
        """Add."""
        assert isinstance(a, (float, int))
        return a + len(word) + b

    assert tell(1.0, "xx") == 5.0
    assert tell(1, "xx", b=3) == 6
    assert tell(np.arange(3.0)[:, None], "x", b=[10, 20]).tolist() == [[11, 21], [12, 22], [13, 23]]
    assert tell.__doc__ == "Add."
    with pytest.raises(ValueError, match="broadcast"):
        tell([1, 2], "x", b=[1, 2, 3])
