"""Words about a comparison's settings that captions and reports share."""

import re
import shlex
from collections.abc import Mapping, Sequence

import pandas as pd

from amb.stats.gap import ranges
from amb.stats.metrics import Traces
from amb.stats.question import Question
from amb.text import plural


def scope(runs: pd.DataFrame) -> str:
    """How much a figure rests on, in a line."""
    budgets = sorted(runs["budget"].unique())
    budget = f"{budgets[0]:,}" if len(budgets) == 1 else f"{budgets[0]:,} to {budgets[-1]:,}"
    return (
        f"{plural(runs['problem'].nunique(), 'problem')}, {plural(runs['solver'].nunique(), 'solver')}, "
        f"{plural(runs['seed'].nunique(), 'seed')}, {budget} queries a run"
    )


def way_and_scope(runs: pd.DataFrame, traces: Traces) -> str:
    """What a figure's way from 0 to 1 is, in a sentence, and how much it rests on."""
    return f"{_way(ranges(runs, traces)['anchored'])} {scope(runs)}"


def _way(anchored: pd.Series) -> str:
    points = "The way leads from chance (0) to the best known value (1) of the suite's reference points"
    runs = "from the floor (0) to the best value of these runs (1)"
    if anchored.all():
        return f"{points}."
    if not anchored.any():
        return f"The way leads {runs}."
    return f"{points}; on {plural(int((~anchored).sum()), 'problem')} without them {runs}."


def command(settings: Mapping[str, object]) -> str:
    """The command that makes the comparison again."""
    if settings.get("command"):
        return str(settings["command"])
    parts = ["amb", "compare", "--solvers", ",".join(_texts(settings.get("solvers")))]
    # A suite is recorded with its version, and asked for without it.
    suite = re.sub(r"-\d+$", "", str(settings.get("suite") or ""))
    parts += ["--problems", suite or ",".join(_texts(settings.get("problems")))]
    parts += ["--budget", str(settings.get("budget")), "--seeds", _seeds(settings.get("seeds"))]
    parts += Question.from_settings(settings).to_options()
    beside = settings.get("with_reference")
    if beside:
        parts += ["--with-reference"] if beside == "True" else ["--reference", str(beside)]
    return shlex.join(parts + ["--timing"] * bool(settings.get("timing")))


def short(problem: str, runs: pd.DataFrame) -> str:
    """A problem's name without the parts that all problems share."""
    rows = runs.drop_duplicates("problem")
    row = rows[rows["problem"] == problem].iloc[0]
    varying = [name for name in ("generator", "target") if rows[name].nunique() > 1]
    options = problem[problem.index("[") :] if "[" in problem else ""
    return "/".join(str(row[name]) for name in [*varying, "layer", "unit"] if row[name] != "") + options


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]


def _seeds(value: object) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return str(value)
    if list(value) == list(range(len(value))):
        return str(len(value))
    # A single number alone would be read as a count.
    return ",".join(str(v) for v in value) if len(value) > 1 else f"{value[0]}..{value[0]}"
