"""Worked examples from the literature."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from amb.stats.omnibus import mean_ranks, omnibus
from amb.stats.pairs import compare_pairs

# Demšar 2006, table 6: AUC of C4.5 without and with tuning of m, of cf, and of both, on 14 data sets.
DEMSAR = pd.DataFrame(
    {
        "C4.5": [.763, .599, .954, .628, .882, .936, .661, .583, .775, 1.0, .940, .619, .972, .957],
        "C4.5+m": [.768, .591, .971, .661, .888, .931, .668, .583, .838, 1.0, .962, .666, .981, .978],
        "C4.5+cf": [.771, .590, .968, .654, .886, .916, .609, .563, .866, 1.0, .965, .614, .9751, .946],
        "C4.5+m+cf": [.798, .569, .967, .657, .898, .931, .685, .625, .875, 1.0, .962, .669, .975, .970],
    }
)  # fmt: skip


def test_friedman_and_iman_davenport_of_demsar() -> None:
    """Section 3.2.2: mean ranks 3.143, 2.000, 2.893, 1.964; chi² 9.28 and F 3.69 without correction for ties.

    Correcting chi² for ties, as scipy does, raises both (Hollander & Wolfe 1999, equation 7.8).
    """
    ranks = mean_ranks(DEMSAR)
    np.testing.assert_allclose(ranks, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    n, k = DEMSAR.shape
    chi2 = 12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert chi2 == pytest.approx(9.28, abs=0.01)
    assert (n - 1) * chi2 / (n * (k - 1) - chi2) == pytest.approx(3.69, abs=0.01)
    row = omnibus(DEMSAR).iloc[0]
    assert row["chi2"] == pytest.approx(stats.friedmanchisquare(*DEMSAR.to_numpy().T).statistic)
    sizes = np.concatenate([np.unique(line, return_counts=True)[1] for line in DEMSAR.to_numpy()])
    correction = 1 - (sizes**3 - sizes).sum() / (n * k * (k**2 - 1))
    assert row["chi2"] == pytest.approx(chi2 / correction)
    assert (row["df1"], row["df2"]) == (3, 39)
    assert 0.01 < row["p"] < 0.05  # Demšar: critical value F(3, 39) = 2.85 at 0.05, so rejected


def test_signed_rank_of_demsar() -> None:
    """Section 3.1.3: C4.5 against C4.5+m, T = min(R+, R-) = 12 over 14 data sets, rejected at 0.05."""
    pair = compare_pairs(DEMSAR[["C4.5", "C4.5+m"]]).iloc[0]
    assert pair["first"] == "C4.5+m"
    assert pair["p"] < 0.05
    differences = (DEMSAR["C4.5+m"] - DEMSAR["C4.5"]).round(12)
    ranks = stats.rankdata(differences.abs())
    losses = ranks[differences < 0].sum() + ranks[differences == 0].sum() / 2
    assert losses == pytest.approx(12)  # Demšar splits the ranks of zeros; Pratt drops them


def test_holm_agrees_with_scikit_posthocs() -> None:
    """The same signed-rank tests, adjusted by Holm: scikit-posthocs with adjustment gives the same matrix."""
    posthocs = pytest.importorskip("scikit_posthocs")
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal([0, 0.3, 0.9, 1.5], size=(12, 4)), columns=list("abcd"))
    long = data.melt(var_name="solver", value_name="score")
    matrix = posthocs.posthoc_wilcoxon(long, val_col="score", group_col="solver", p_adjust="holm", zero_method="pratt")
    ours = compare_pairs(data)
    for first, second, p in ours[["first", "second", "p_holm"]].itertuples(index=False):
        assert p == pytest.approx(matrix.loc[first, second], abs=1e-9)


def test_all_tied_and_entire_agreement() -> None:
    """Where the formula gives NaN or divides by zero, p is still right."""
    tied = omnibus(pd.DataFrame(np.ones((6, 3)), columns=list("abc"))).iloc[0]
    assert tied["p"] == 1.0
    assert "tie" in tied["note"]
    agreed = omnibus(pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc"))).iloc[0]
    assert agreed["p"] == pytest.approx(6.0**-3)
