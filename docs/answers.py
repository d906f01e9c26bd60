"""The tables of answers.md, computed from the published studies; `python docs/answers.py` writes them into the page.

A test computes them again and compares.
"""

import warnings
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from amb.comparison.compare import reopen
from amb.comparison.result import Comparison
from amb.stats.effects import hodges_lehmann
from amb.stats.pairs import holm
from amb.stats.signed_rank import signed_rank, signed_rank_interval
from amb.stats.trials import trials_needed

HERE = Path(__file__).parent
PAGE = HERE / "answers.md"
TRAINS = ("tt-parents", "tt-elite", "tt-s", "tt-b", "protes")
BASELINES = ("snes", "cma-diagonal", "xdream-ga", "sphere-cma", "one-plus-lambda", "portfolio", "random-prior")
BASE = "cma-diagonal"
LOOP = "inception-loop"
LEADER = "snes"
"""The black box that leads the study of networks; others are compared with it there."""
BUDGETS = (200, 500, 1000)
CHAMPION = "growing-snes"
RIVALS = ("cma-diagonal", "xdream-ga", "sphere-cma")
"""Black boxes that both are measured against on held-out networks."""
PLANNERS = ("portfolio", "optima-tt-quantized")
"""Solvers that plan for their budget: what they had after fewer queries says nothing about a smaller one."""
CLASSES = {
    LOOP: "image-seeing",
    "trust-region-gp": "Gaussian process",
    "snes": "evolution",
    "snes[k=10,scale=1.2]": "evolution",
    "cma-diagonal": "evolution",
    "xdream-ga": "evolution",
    "xdream-ga[mutation_rate=0.1,mutation_size=1.0]": "evolution",
    "tt-parents": "tensor train",
    "tt-elite": "tensor train",
    "tt-s": "tensor train",
    "tt-b": "tensor train",
    "protes": "tensor train",
    "ttopt-quantized": "maximal volume",
    "optima-tt-quantized": "maximal volume",
    "portfolio": "Nevergrad",
    "random-prior": "chance",
}


@cache
def study(name: str) -> Comparison:
    """A published study, compared with the default question."""
    return _compared(name)


@cache
def ten_seeds(best: str, problems: str) -> Comparison:
    """A solver and its rivals in units of the suite, ten seeds of 2,000 queries."""
    return _compared("reference-2000", solvers=[best, *RIVALS], problems=problems, seeds=10)


def _compared(name: str, **part: Any) -> Comparison:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reopen(HERE.parent / "reports" / name, **part)


def trains(name: str) -> str:
    """Paired differences of tensor trains from baselines, with intervals and corrected p."""
    pairs = study(name).pairs
    columns = [train for train in TRAINS if train in {*pairs["first"], *pairs["second"]}]
    lines = ["| minus | " + " | ".join(f"`{train}`" for train in columns) + " |", "|---|" + "---:|" * len(columns)]
    for baseline in BASELINES:
        if baseline not in {*pairs["first"], *pairs["second"]}:
            continue
        cells = []
        for train in columns:
            row = pairs[pairs["first"].isin([train, baseline]) & pairs["second"].isin([train, baseline])].iloc[0]
            ends = [row["difference"], row["low"], row["high"]]
            value, low, high = ends if row["first"] == train else (-ends[0], -ends[2], -ends[1])
            cells.append(f"{_signed(value, low, high)}, {_p(row['p_holm'])}")
        lines.append(f"| `{baseline}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def budgets(name: str, within: tuple[int, ...]) -> str:
    """Paired differences from `snes` in the best value so far, within smaller budgets too."""
    compared = study(name)
    solvers = [name for name in compared.ranking["solver"] if name not in PLANNERS]
    lines = ["| solver | " + " | ".join(f"{budget:,} queries | p" for budget in within) + " |"]
    lines += ["|---|" + "---:|---:|" * len(within)]
    columns = [_minus(LEADER, compared, budget, solvers) for budget in within]
    for solver in solvers:
        cells = [cell for column in columns for cell in column.get(solver, ("–", "–"))]
        lines.append(f"| `{solver}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def champion() -> str:
    """Paired differences of rivals from the champion, on units of held-out networks that no solver had run on."""
    return _against(CHAMPION, [(study("reference-fresh"), 10, (200, 500, 1000, 2000))])


def champion_suite() -> str:
    """The same on all units of the suite."""
    return _against(CHAMPION, [(ten_seeds(CHAMPION, "networks"), 10, (200, 500, 1000, 2000))])


def beyond() -> str:
    """The same from the leader, on the held-out units of the suite: ten seeds within 2,000 queries, one seed beyond."""
    held_out = ten_seeds(LEADER, "networks-held-out")
    return _against(LEADER, [(held_out, 10, (200, 500, 1000, 2000)), (study("reference-12000"), 1, (5000, 12000))])


def _against(base: str, parts: Sequence[tuple[Comparison, int, Sequence[int]]]) -> str:
    lines = ["| queries | seeds | " + " | ".join(f"`{name}` | p" for name in RIVALS) + " |"]
    lines += ["|---:|---:|" + "---:|---:|" * len(RIVALS)]
    for compared, number, within in parts:
        for budget in within:
            row = _minus(base, compared, budget, RIVALS)
            lines.append(
                f"| {budget:,} | {number} | " + " | ".join(cell for name in RIVALS for cell in row[name]) + " |"
            )
    return "\n".join(lines)


def _minus(base: str, compared: Comparison, budget: int, solvers: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The difference of each solver from `base` after so many queries, and p, corrected over the solvers."""
    best = {key: float(np.max(trace[:budget])) for key, trace in compared.traces.items()}
    values = pd.Series(best).unstack(1).groupby(level=0).median()
    differences = {name: (values[name] - values[base]).to_numpy() for name in solvers if name != base}
    p = dict(zip(differences, holm(np.array([signed_rank(one)[0] for one in differences.values()])), strict=True))
    return {
        name: (_signed(float(hodges_lehmann(one)), *signed_rank_interval(one)), _p(p[name]))
        for name, one in differences.items()
    }


def where() -> str:
    """The best tensor train against Portfolio and diagonal CMA, by generator and by depth."""
    medians = study("reference-networks").analysis.medians
    scores = medians.pivot(index="problem", columns="solver", values="score")
    facts = medians.drop_duplicates("problem").set_index("problem").loc[scores.index]
    depth = facts["layer"].map(lambda name: name if name in ("sn1", "out") else "between")
    lines = ["| units | number | minus `portfolio` | p | minus `cma-diagonal` | p |", "|---|---:|---:|---:|---:|---:|"]
    groups = [(f"`{name}`", facts["generator"] == name) for name in facts["generator"].unique()]
    names = {"sn1": "first spiking layer", "between": "layers between", "out": "output layer"}
    groups += [(name, depth == key) for key, name in names.items()]
    for name, chosen in groups:
        cells = []
        for other in ("portfolio", "cma-diagonal"):
            differences = (scores["tt-parents"] - scores[other])[chosen].to_numpy(dtype=np.float64)
            low, high = signed_rank_interval(differences)
            cells += [_signed(float(hodges_lehmann(differences)), low, high), _p(signed_rank(differences)[0])]
        lines.append(f"| {name} | {int(chosen.sum())} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def seeds() -> str:
    """How much narrower intervals of paired differences would be with twice as many seeds.

    A unit's difference is the mean over seeds; its variance over units has a part between units, which more seeds leave
    as it is, and a part within them, which they halve.
    """
    networks = study("reference-networks")
    solvers = [name for name in networks.ranking["solver"] if name not in PLANNERS]
    chosen = [(LEADER, name) for name in ("cma-diagonal", "trust-region-gp", "xdream-ga")]
    chosen += [(BASE, "tt-parents"), (BASE, "tt-elite")]
    narrower: dict[tuple[str, ...], list[float]] = {pair: [] for pair in chosen}
    middle = []
    for budget in BUDGETS:
        best = {key: float(np.max(trace[:budget])) for key, trace in networks.traces.items()}
        runs = pd.Series(best).unstack(1)
        saved = {}
        for first, second in combinations(solvers, 2):
            by_unit = (runs[first] - runs[second]).groupby(level=0)
            over_units, within = by_unit.mean().var(), (by_unit.var() / by_unit.count()).mean()
            saved[first, second] = 1 - np.sqrt(max(0.0, over_units - within / 2) / over_units)
        middle.append(float(np.median(list(saved.values()))))
        for pair in chosen:
            narrower[pair].append(saved.get(pair, saved.get(pair[::-1], np.nan)))
    lines = ["| pair | " + " | ".join(f"{budget:,} queries" for budget in BUDGETS) + " |", "|---|" + "---:|" * 3]
    lines.append("| median of all pairs | " + " | ".join(f"{value:.0%}" for value in middle) + " |")
    for pair, values in narrower.items():
        names = " and ".join(f"`{name}`" for name in pair)
        lines.append(f"| {names} | " + " | ".join(f"{value:.0%}" for value in values) + " |")
    return "\n".join(lines)


def trials() -> str:
    """Queries of black boxes to two thresholds as a share of those of diagonal CMA."""
    networks = study("reference-networks")
    runs = networks.runs[networks.runs["solver"].isin([*CLASSES])]
    table = trials_needed(runs, networks.traces, BASE)
    lines = [
        "| solver | class | to 75% | p | networks with fewer | to 90% | p | networks with fewer |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for solver in CLASSES:
        if solver != LOOP:
            lines.append(f"| `{solver}` | {CLASSES[solver]} | " + " | ".join(_ratios(table, solver)) + " |")
    return "\n".join(lines)


def trials_loop() -> str:
    """The same for the image-seeing solver, as a share of those of two black boxes, within the queries that it has."""
    networks, loop = study("reference-networks"), study("reference-loop")
    budget = int(loop.runs["budget"].max())
    runs = pd.concat([networks.runs, loop.runs], ignore_index=True).assign(budget=budget)
    traces = {key: trace[:budget] for key, trace in {**networks.traces, **loop.traces}.items()}
    lines = ["| as a share of | to 75% | p | networks with fewer | to 90% | p | networks with fewer |"]
    lines += ["|---|---:|---:|---:|---:|---:|---:|"]
    for base in ("trust-region-gp", "cma-diagonal"):
        table = trials_needed(runs[runs["solver"].isin([LOOP, base])], traces, base)
        lines.append(f"| `{base}` | " + " | ".join(_ratios(table, LOOP)) + " |")
    return "\n".join(lines)


def _ratios(table: pd.DataFrame, solver: str) -> list[str]:
    """Cells for both thresholds: ratio with interval, p, and networks on which the solver needs fewer queries."""
    rows = table[table["solver"] == solver].sort_values("fraction").to_dict("records")
    return [
        cell
        for row in rows
        for cell in (
            f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
            _p(row["p_holm"]),
            f"{row['fewer_on']} of {row['networks']}",
        )
    ] or ["1", "–", "–"] * 2


def seconds() -> str:
    """Milliseconds a query of solvers, and of generator and target: medians and central 80% of runs."""
    runs = pd.concat([study("reference-networks").runs, study("reference-loop").runs], ignore_index=True)
    runs = runs.assign(evaluation_seconds=runs["generator_seconds"] + runs["target_seconds"])
    lines = ["| solver | its own, ms a query | generator and target, ms a query |", "|---|---:|---:|"]
    for solver in CLASSES:
        part = runs[runs["solver"] == solver]
        cells = []
        for column in ("solver_seconds", "evaluation_seconds"):
            low, middle, high = (1000 * part[column] / part["queries"]).quantile([0.1, 0.5, 0.9])
            cells.append(f"{middle:.2g} [{low:.2g}, {high:.2g}]")
        lines.append(f"| `{solver}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Every table of the page by its name."""
    return {
        "trains-networks": trains("reference-networks"),
        "trains-longer": trains("reference-2000"),
        "trains-reference": trains("reference"),
        "budgets": budgets("reference-networks", BUDGETS),
        "budgets-longer": budgets("reference-2000", (1000, 2000)),
        "champion": champion(),
        "champion-suite": champion_suite(),
        "beyond": beyond(),
        "where": where(),
        "trials": trials(),
        "trials-loop": trials_loop(),
        "seconds": seconds(),
        "seeds": seeds(),
    }


def filled(text: str) -> str:
    """The page with its tables computed."""
    for name, table in tables().items():
        before, begin, rest = text.partition(f"<!-- table: {name} -->")
        _, end, after = rest.partition("<!-- end -->")
        assert end, name
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


def _signed(value: float, low: float, high: float) -> str:
    shown = [f"{number:+.3f}" for number in (value, low, high)]
    middle, *ends = ("0.000" if float(text) == 0 else text for text in shown)
    return f"{middle} [{', '.join(ends)}]"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
