"""What an experiment's responses say: evolution, drift, signal and noise, when to stop, best stimuli."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from amb.contracts.space import FloatArray
from amb.lab.experiment import Search
from amb.lab.history import History

LEVEL = 0.95
"""Coverage of all intervals."""
FEWEST_BLOCKS = 6
"""Blocks with candidates before anything is said about stopping."""
NEGLIGIBLE = 0.05
"""It is time to stop when the improvement from one third of the blocks to the next is below this share of the best."""
RESAMPLES = 1000
_PRESENTED = ("trial", "block", "kind", "stimulus")


def trial_table(history: History) -> pd.DataFrame:
    """One row per trial: trial, block, kind, stimulus, and the response of each neuron; NaN where there is none."""
    neurons = history.experiment.neurons
    responses = [[history.response(t.number, [neuron]) for neuron in neurons] for t in history.trials]
    return pd.concat([_presented(history), pd.DataFrame(responses, columns=[*neurons], dtype=np.float64)], axis=1)


def _presented(history: History) -> pd.DataFrame:
    """One row per trial: trial, block, kind, stimulus."""
    rows = [(t.number, t.block, t.kind, t.stimulus) for t in history.trials]
    return pd.DataFrame(rows, columns=[*_PRESENTED])


def correction_table(history: History) -> pd.DataFrame:
    """One row per response that was corrected: correction (its number), time, block, trial, neuron, before, after (NaN
    where there was none), reason, source.
    """
    rows = [
        (number, one.time, one.block, trial, neuron, before, after, one.reason, one.source)
        for number, one in enumerate(history.corrections, 1)
        for trial, neuron, before, after in zip(one.trials, one.neurons, one.before, one.values, strict=True)
    ]
    columns = ["correction", "time", "block", "trial", "neuron", "before", "after", "reason", "source"]
    return pd.DataFrame(rows, columns=columns)


def evolution(history: History, search: Search) -> pd.DataFrame:
    """Responses of a search's neurons by block and kind: block, kind, trial (the mean one), mean, low, high, count.

    Candidates and references count once per block, with the mean of their valid trials, and the interval is over
    stimuli; blanks and the best so far, one stimulus each, count by trial. See `pooled` for the interval. Of
    candidates, only the search's own count, and of the best, only its own leader.
    """
    table = _presented(history)
    table["response"] = [history.response(number, search.neurons) for number in table["trial"]]
    leaders = history.leaders(search.name)
    counts = [
        history.candidates[name].search == search.name
        if kind == "candidate"
        else kind != "best" or name == leaders.get(block)
        for block, kind, name in zip(table["block"], table["kind"], table["stimulus"], strict=True)
    ]
    valid = table[np.array(counts, dtype=bool) & table["response"].notna()]
    parts = []
    for kind, of_kind in valid.groupby("kind", sort=True):
        blocks = list(of_kind.groupby("block", sort=True))
        by = "trial" if kind in ("blank", "best") else "stimulus"
        values = [group.groupby(by)["response"].mean().to_numpy() for _, group in blocks]
        found = zip(blocks, values, pooled(values), strict=True)
        parts += [(block, kind, g["trial"].mean(), *about, len(v)) for (block, g), v, about in found]
    return pd.DataFrame(sorted(parts), columns=["block", "kind", "trial", "mean", "low", "high", "count"])


def in_shares(trials: pd.DataFrame, neuron: str) -> bool:
    """Whether changes of a neuron's reference responses are shares of their mean; else they are in units of responses.

    Shares need a zero below which no response lies. Differences from a baseline and z-scores have none: their mean may
    be negative, so that a rise would be a negative share, or close to 0.

    Args:
        trials: see `trial_table`.
        neuron: a column of it.
    """
    return not (trials[neuron] < 0).any() and bool((trials.loc[trials["kind"] == "reference", neuron] > 0).any())


def drift(trials: pd.DataFrame, neuron: str) -> pd.DataFrame:
    """Reference responses by block minus each image's own mean: block, trial, change, low, high, trials.

    With `in_shares`, a change of 0.1 is 10% of the mean reference response. Empty without reference images.

    Args:
        trials: see `trial_table`.
        neuron: a column of it.
    """
    shown = _references(trials, neuron)
    blocks = list(shown.groupby("block", sort=True))
    intervals = pooled([group["change"].to_numpy() for _, group in blocks])
    rows = [(b, g["trial"].mean(), *about, len(g)) for (b, g), about in zip(blocks, intervals, strict=True)]
    return pd.DataFrame(rows, columns=["block", "trial", "change", "low", "high", "trials"])


def drift_trend(trials: pd.DataFrame, neuron: str) -> tuple[float, float, float]:
    """Slope of the reference responses per 100 trials, with its interval: a share of their mean, see `in_shares`.

    A regression on the trial's number within images, so that images of different strength do not matter. NaN if there
    are too few trials.

    Args:
        trials: see `trial_table`.
        neuron: a column of it.
    """
    shown = _references(trials, neuron)
    images = shown["stimulus"].nunique()
    freedom = len(shown) - images - 1
    if freedom < 1:
        return (np.nan,) * 3
    x = (shown["trial"] - shown.groupby("stimulus")["trial"].transform("mean")).to_numpy() / 100
    y = shown["change"].to_numpy()
    if not (x**2).sum():
        return (np.nan,) * 3
    slope = float((x * y).sum() / (x**2).sum())
    error = float(np.sqrt(((y - slope * x) ** 2).sum() / freedom / (x**2).sum()))
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    return slope, slope - half, slope + half


def signal_and_noise(trials: pd.DataFrame, neuron: str) -> dict[str, float]:
    """Variance between and within stimuli: signal, noise, snr (of one trial), snr_low, snr_high, ceiling, stimuli.

    An analysis of variance over candidates with several valid trials in one block, so that slow drift does not count as
    noise; over all stimuli and the whole experiment, if blocks have no repeats. The ceiling is the largest correlation
    that any model can have with the mean of the repeats: sqrt(snr / (snr + 1 / repeats)) (Sahani & Linden 2003, "How
    linear are auditory cortical responses?"; Schoppe et al. 2016, Front. Comput. Neurosci. 10:10). The interval is a
    bootstrap over stimuli. NaN with fewer than three such stimuli.

    Args:
        trials: see `trial_table`.
        neuron: a column of it.
    """
    table = trials[[*_PRESENTED, neuron]]
    table = table[table[neuron].notna() & (table["kind"] != "blank")]
    fresh = table[table["kind"] == "candidate"]  # the best so far would count again in every block
    groups = [g[neuron].to_numpy() for _, g in fresh.groupby(["stimulus", "block"]) if len(g) > 1]
    if len(groups) < 3:
        groups = [g[neuron].to_numpy() for _, g in table.groupby("stimulus") if len(g) > 1]
    names = ("signal", "noise", "snr", "snr_low", "snr_high", "ceiling", "stimuli")
    if len(groups) < 3:
        return {**dict.fromkeys(names, np.nan), "stimuli": float(len(groups))}
    sizes = np.array([len(g) for g in groups], dtype=np.float64)
    means = np.array([g.mean() for g in groups])
    squares = np.array([((g - g.mean()) ** 2).sum() for g in groups])
    signal, noise = map(float, _variances(sizes, means, squares))
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(groups), (RESAMPLES, len(groups)))
    ratios = _ratio(*_variances(sizes[draws], means[draws], squares[draws]))
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = (np.inf if np.isnan(bound) else bound for bound in (low, high))  # between two infinite ratios
    snr = float(_ratio(signal, noise))
    repeats = len(sizes) / (1 / sizes).sum()
    ceiling = 1.0 if np.isinf(snr) else float(np.sqrt(snr / (snr + 1 / repeats)))
    values = (signal, noise, snr, float(low), float(high), ceiling, float(len(groups)))
    return dict(zip(names, values, strict=True))


def stopping(history: History, search: Search) -> tuple[str, str]:
    """Whether to go on, as one of "early", "improving", "stop" and "unclear", and the reason in a sentence.

    Compared are the candidates of the last third of the blocks with those of the third before, by Welch's interval.
    """
    rows = [
        (c.block, values.mean())
        for c in history.candidates.values()
        if c.search == search.name
        and len(values := history.responses(c.stimulus, search.neurons, kinds=("candidate",)))
    ]
    blocks = sorted({block for block, _ in rows})
    if len(blocks) < FEWEST_BLOCKS:
        return "early", f"{len(blocks)} of at least {FEWEST_BLOCKS} blocks have new stimuli with responses"
    third = len(blocks) // 3
    late, middle = set(blocks[-third:]), set(blocks[-2 * third : -third])
    after = np.array([value for block, value in rows if block in late])
    before = np.array([value for block, value in rows if block in middle])
    difference, low, high = welch(after, before)
    best = history.leader(search)
    assert best is not None
    scale = abs(float(history.responses(best, search.neurons).mean()))
    since = history.candidates[best].block
    told = (
        f"the last {third} blocks' new stimuli differ from those of the {third} before by {difference:+.3g} "
        f"({low:+.3g} to {high:+.3g}), and the best stimulus is from block {since} of {len(history.blocks)}"
    )
    if low > 0:
        return "improving", told
    return ("stop", told) if high < NEGLIGIBLE * scale else ("unclear", told)


def advantage(history: History, search: Search) -> dict[str, object]:
    """The best stimulus against the best reference image: stimulus, reference, difference, low, high.

    Only presentations as the best so far of this search, which came after it chose the stimulus, count for it: the
    responses by which it was chosen are too high on average. Values are None or NaN if there are none.
    """
    best = history.leader(search)
    names = list(history.references)
    means = {n: v.mean() for n in names if len(v := history.responses(n, search.neurons))}
    reference = max(means, key=means.__getitem__) if means else None
    found = (np.nan,) * 3
    if best is not None and reference is not None:
        found = welch(history.retests(best, search), history.responses(reference, search.neurons))
    return {"stimulus": best, "reference": reference, **dict(zip(("difference", "low", "high"), found, strict=True))}


def best_stimuli(history: History, neurons: Sequence[str]) -> pd.DataFrame:
    """The most exciting input of each neuron among all candidates of all searches: neuron, stimulus, mean, low, high,
    trials; and reference, reference_mean: the best reference image.
    """
    rows = []
    for neuron in neurons:
        best = history.best([neuron])
        values = history.responses(best, [neuron]) if best else np.zeros(0)
        means = {n: float(v.mean()) for n in history.references if len(v := history.responses(n, [neuron]))}
        reference = max(means, key=means.__getitem__) if means else None
        top = means[reference] if reference else np.nan
        rows.append((neuron, best, *interval(values), len(values), reference, top))
    columns = ["neuron", "stimulus", "mean", "low", "high", "trials", "reference", "reference_mean"]
    return pd.DataFrame(rows, columns=columns)


def interval(values: FloatArray) -> tuple[float, float, float]:
    """Mean and Student's interval; NaN where there are too few values."""
    if not len(values):
        return (np.nan,) * 3
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    half = float(stats.sem(values) * stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
    return mean, mean - half, mean + half


def pooled(groups: Sequence[FloatArray]) -> list[tuple[float, float, float]]:
    """Mean of each group and Student's interval with the standard deviation within all groups, as in an analysis of
    variance: groups of two or three have no usable one of their own. NaN if all have a single value.
    """
    freedom = sum(len(g) - 1 for g in groups)
    if not freedom:
        return [(float(g.mean()), np.nan, np.nan) for g in groups]
    deviation = np.sqrt(sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / freedom)
    half = float(deviation * stats.t.ppf((1 + LEVEL) / 2, freedom))
    return [(m := float(g.mean()), m - half / len(g) ** 0.5, m + half / len(g) ** 0.5) for g in groups]


def welch(first: FloatArray, second: FloatArray) -> tuple[float, float, float]:
    """Difference of two means and Welch's interval; NaN where there are too few values."""
    if len(first) < 1 or len(second) < 1:
        return (np.nan,) * 3
    difference = float(first.mean() - second.mean())
    if len(first) < 2 or len(second) < 2:
        return difference, np.nan, np.nan
    a, b = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    if a + b == 0:
        return difference, difference, difference
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    half = float(np.sqrt(a + b) * stats.t.ppf((1 + LEVEL) / 2, freedom))
    return difference, difference - half, difference + half


def _references(trials: pd.DataFrame, neuron: str) -> pd.DataFrame:
    """Valid reference trials and their `change` from the image's mean, a share of the mean of all if `in_shares`."""
    table = trials[[*_PRESENTED, neuron]]  # a copy of all neurons' columns for each neuron would be many
    shown = table[(table["kind"] == "reference") & table[neuron].notna()].copy()
    overall = shown.groupby("stimulus")[neuron].mean().mean() if in_shares(trials, neuron) else 1.0
    shown["change"] = (shown[neuron] - shown.groupby("stimulus")[neuron].transform("mean")) / overall
    return shown


def _variances(sizes: FloatArray, means: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Signal and noise variance from each stimulus' number of trials, mean, and sum of squares within.

    Stimuli are along the last axis.
    """
    noise = squares.sum(axis=-1) / (sizes - 1).sum(axis=-1)
    signal = means.var(axis=-1, ddof=1) - noise * (1 / sizes).mean(axis=-1)
    return np.maximum(signal, 0.0), noise


def _ratio(signal: FloatArray | float, noise: FloatArray | float) -> FloatArray:
    """Signal over noise; infinite without noise, and 0 without either."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(signal, noise)
    return np.where(np.equal(noise, 0), np.where(np.equal(signal, 0), 0.0, np.inf), ratio)
