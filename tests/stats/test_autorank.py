"""autorank's reading of Demšar (2006), where it is installed; docs/notes/statistics.md says why it is optional."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from amb.stats.bayes import posterior_weights, signed_rank_posterior
from amb.stats.omnibus import mean_ranks, omnibus

pytest.importorskip("autorank", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore")

STUDIES = [(8, 3, 9), (12, 5, 9), (30, 7, 1), (14, 4, 2)]
"""Problems, solvers, decimals; with few decimals there are ties."""


def study(problems: int, solvers: int, decimals: int) -> pd.DataFrame:
    rng = np.random.default_rng(problems)
    values = rng.normal(np.linspace(0, 1, solvers), 1, (problems, solvers)).round(decimals)
    return pd.DataFrame(values, columns=[f"solver-{i}" for i in range(solvers)])


@pytest.mark.parametrize("size", STUDIES)
def test_friedman_and_mean_ranks_are_those_of_autorank(size: tuple[int, int, int]) -> None:
    """autorank reports the chi² approximation, amb that of Iman and Davenport; the statistic is the same."""
    from autorank import autorank

    blocks = study(*size)
    theirs = autorank(blocks, alpha=0.05, force_mode="nonparametric")
    assert theirs.omnibus == "friedman"
    ours = omnibus(blocks).iloc[0]
    assert stats.chi2.sf(ours["chi2"], ours["df1"]) == pytest.approx(theirs.pvalue, rel=1e-9)
    ranks = mean_ranks(blocks)
    np.testing.assert_allclose(ranks, theirs.rankdf["meanrank"][ranks.index], rtol=1e-12)


def test_posteriors_are_those_of_baycomp() -> None:
    """The signed-rank test of its authors, which autorank calls, to the accuracy of its draws."""
    from baycomp import SignedRankTest

    blocks = study(14, 3, 9)
    first, second = blocks["solver-1"].to_numpy(), blocks["solver-0"].to_numpy()
    theirs = SignedRankTest.probs(first, second, rope=0.2, prior=1.0, nsamples=50_000, random_state=1)
    weights = posterior_weights(len(first), draws=50_000, rng=np.random.default_rng(0))
    ours = signed_rank_posterior(first - second, rope=0.2, weights=weights)
    assert max(ours) < 0.99  # else there is nothing to compare
    np.testing.assert_allclose(ours, theirs, atol=0.01)
