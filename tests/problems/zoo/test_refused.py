"""What cannot be measured is refused in one line that says why, and never measured wrong."""

import pytest

import amb

from .refused_networks import MEMORY, REFUSED, Refused


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_a_network_that_cannot_be_measured_is_refused(refused: Refused) -> None:
    MEMORY.clear()
    with pytest.raises(amb.AmbError, match=refused.says) as raised:
        amb.target(refused.make(), layer=refused.layer, shape=refused.shape, **refused.options).layers  # type: ignore[arg-type]  # noqa: B018
    assert "\n" not in str(raised.value)
