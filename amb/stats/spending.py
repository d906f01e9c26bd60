"""How much of the error rate a look at a growing study may spend."""

from math import sqrt

from scipy.stats import norm


def spent(alpha: float, share: float) -> float:
    """The part of alpha that may have been spent when a share of the study is done (O'Brien & Fleming 1979).

    The spending function of Lan & DeMets (1983, equation 3): very little at first, nearly all of it at the end.

    Args:
        alpha: error rate of the whole study.
        share: in (0, 1].
    """
    return float(2 * norm.sf(norm.isf(alpha / 2) / sqrt(share)))


def alpha_at(alpha: float, look: int, looks: int) -> float:
    """The error rate at which differences are claimed at one of several looks, evenly spaced.

    A look may spend what the spending function gains since the last one. The rates add up to alpha, so that whatever
    the looks have in common, the probability of any false claim at any look is at most alpha (Bonferroni); exact
    boundaries would need the joint distribution of rank tests after Holm's correction.

    Args:
        alpha: error rate over all looks.
        look: number of the look, from 1.
        looks: how many are planned.
    """
    before = spent(alpha, (look - 1) / looks) if look > 1 else 0.0
    return spent(alpha, look / looks) - before
