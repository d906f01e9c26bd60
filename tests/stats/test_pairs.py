import gc
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from amb.errors import SpecError
from amb.stats.groups import cliques, letters
from amb.stats.pairs import compare_pairs, holm


def ladder(problems: int, solvers: str) -> pd.DataFrame:
    """Every solver beats the next on every problem."""
    heights = np.arange(len(solvers), 0, -1.0)
    return pd.DataFrame([heights * (1 + p / 100) for p in range(problems)], columns=list(solvers))


def test_too_few_problems_are_underpowered_however_clear() -> None:
    """4 problems, 3 pairs: even three clean sweeps cannot give a Holm p below 3/8; that is said, no star."""
    table = compare_pairs(ladder(4, "abc"))
    assert table["p_holm"].min() == pytest.approx(3 / 8)
    assert set(table["note"]) == {"underpowered"}
    assert not table["differs"].any()


def test_enough_problems_are_not() -> None:
    """8 problems, 3 pairs: clean sweeps are significant, with wins counted for the better-ranked."""
    table = compare_pairs(ladder(8, "cab"))
    assert table["differs"].all()
    assert list(table["first"] + table["second"]) == ["ca", "cb", "ab"]
    assert set(table["wins"]) == {8}


def test_ties_are_named() -> None:
    """Equal on all problems: "all tied", p 1."""
    table = compare_pairs(pd.DataFrame({"a": [1.0] * 8, "b": [1.0] * 8}))
    assert table[["p_holm", "note", "ties"]].values.tolist() == [[1.0, "all tied", 8]]


def test_a_control_makes_fewer_comparisons() -> None:
    """Against a control the family has K - 1 members, so Holm costs less."""
    table = compare_pairs(ladder(6, "abc"), control="b")
    assert list(table["second"]) == ["b", "b"]
    assert table["p_holm"].max() == pytest.approx(2 * 2.0**-5)
    assert list(table["balance"]) == [1.0, -1.0]
    with pytest.raises(SpecError, match="unknown control"):
        compare_pairs(ladder(6, "abc"), control="x")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_statsmodels(p: list[float]) -> None:
    """With any p-values, ties too."""
    with patch.object(gc, "collect"):  # which it calls every time: a search through all that other tests imported
        expected = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(np.array(p)), expected, rtol=0, atol=1e-15)


def pairs_that_differ(*couples: str) -> pd.DataFrame:
    everything = [a + b for i, a in enumerate("abcd") for b in "abcd"[i + 1 :]]
    return pd.DataFrame([(c[0], c[1], c in couples) for c in everything], columns=["first", "second", "differs"])


def test_two_solvers_share_a_letter_if_and_only_if_they_do_not_differ() -> None:
    """For every possible pattern of differences among four solvers."""
    everything = [a + b for i, a in enumerate("abcd") for b in "abcd"[i + 1 :]]
    for mask in range(64):
        differ = [c for i, c in enumerate(everything) if mask >> i & 1]
        shown = letters(list("abcd"), pairs_that_differ(*differ))
        for couple in everything:
            assert (couple in differ) == (not set(shown[couple[0]]) & set(shown[couple[1]]))
        assert "a" in shown["a"]


def test_cliques_overlap() -> None:
    """Only the extremes differ: two bars, a-b-c and b-c-d."""
    assert cliques(list("abcd"), pairs_that_differ("ad")) == [list("abc"), list("bcd")]
