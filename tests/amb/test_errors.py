"""Unknown names are answered with what the user may have meant."""

import pytest

from amb.errors import suggestion


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("randm", ["random", "snes"], "did you mean random?"),
        ("tt_b", ["tt-b", "snes"], "did you mean tt-b?"),
        ("NGOPT", ["NGOpt", "SPSA"], "did you mean NGOpt?"),
        ("k_tp", ["k_top", "k_gd", "lr"], "did you mean k_top?"),
        ("tt-x", ["tt-b", "tt-s", "tt-exp"], "did you mean tt-exp, tt-s or tt-b?"),
        ("tt-y", ["tt-b", "tt-s"], "did you mean tt-s or tt-b?"),
        ("x", ["k", "lr", "r"], "there are: k, lr, r"),
        ("rate", ["k", "lr", "r"], "there are: k, lr, r"),
        ("x", [], "there are: none"),
    ],
)
def test_near_names_are_suggested_and_otherwise_all_are_listed(name: str, known: list[str], says: str) -> None:
    """Case and the kind of dash do not count; what is not near is not suggested."""
    assert suggestion(name, known) == says


def test_a_long_list_is_cut() -> None:
    """Hundreds of names would hide the error."""
    assert suggestion("?", [f"name{i:03}" for i in range(300)]).endswith("name039 and 260 more")
