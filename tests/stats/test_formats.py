"""Numbers as text; that the page's are the same is tested in tests/reports/test_page_browser.py."""

import pytest

from amb.stats.formats import exact_percent, percent


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (1 / 300, "<1%"), (0.0051, "1%"), (0.5, "50%"), (299 / 300, ">99%"), (1, "100%")]
)
def test_a_share_is_none_or_all_only_if_it_is(share: float, text: str) -> None:
    """1 of 300 runs was shown as 0%."""
    assert percent(share) == text


def test_a_share_that_was_chosen_has_all_its_digits() -> None:
    """A region of practical equivalence of 0.004 was said to be 0% of the range."""
    assert [*map(exact_percent, (0.01, 0.004, 0.125))] == ["1%", "0.4%", "12.5%"]
