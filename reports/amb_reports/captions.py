"""Text that figures and tables share: the scope and scale of a comparison, and the command that repeats it."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from amb.catalogue.plugins import Kind, plugins
from amb.stats.formats import seeds_each, span
from amb.stats.gap import ranges
from amb.stats.metrics import Traces
from amb.stats.question import Question
from amb.stats.sentences import sentence
from amb.text import plural

_OF_PROBLEMS: tuple[Kind, ...] = ("families", "generators", "targets")


def scope(runs: pd.DataFrame) -> str:
    """How much data a figure or table rests on, in a line without a full stop."""
    return (
        f"{plural(runs['problem'].nunique(), 'problem')}, {plural(runs['solver'].nunique(), 'solver')}, "
        f"{seeds_each(runs)}, {span(runs['budget'])} queries per run"
    )


def scale(anchored: pd.Series) -> str:
    """The meaning of the two ends of normalized activation, in a sentence.

    Args:
        anchored: whether each problem has reference points, from `ranges`.
    """
    these, without = "these runs", int((~anchored).sum())
    if without == 0:
        return sentence("gap with points")
    if without == len(anchored):
        return sentence("gap without points", these=these)
    return sentence("gap mixed", problems=without, these=these)


def scale_and_scope(runs: pd.DataFrame, traces: Traces) -> str:
    """The meaning of normalized activation in a figure, and the figure's scope; no full stop."""
    return f"{scale(ranges(runs, traces)['anchored'])} {scope(runs)}"


def command(settings: Mapping[str, object]) -> str:
    """The command that repeats a comparison with these settings, with the files of its plug-ins."""
    parts = ["amb", "compare", "--solvers", ",".join(_texts(settings.get("solvers")))]
    # A suite is recorded with its version, but requested without it.
    suite = re.sub(r"-\d+$", "", str(settings.get("suite") or ""))
    parts += ["--problems", suite or ",".join(_texts(settings.get("problems")))]
    parts += ["--budget", str(settings.get("budget")), "--seeds", _seeds(settings.get("seeds"))]
    parts += Question.from_settings(settings).to_options()
    reference = settings.get("with_reference")
    if reference:
        parts += ["--with-reference"] if reference == "True" else ["--reference", str(reference)]
    parts += ["--timing"] * bool(settings.get("timing"))
    parts += plugin_options(_texts(settings.get("solvers")), _texts(settings.get("problems")))
    return shlex.join(parts)


def plugin_options(solvers: Iterable[str], problems: Iterable[str]) -> list[str]:
    """`--plugin FILE` for each file that defines one of the solvers, or a generator or target of the problems."""
    names = {text.partition("[")[0] for text in solvers}
    parts = {part for text in problems for part in text.partition("[")[0].split("/")[:2]}
    wanted: list[tuple[Kind, set[str]]] = [("solvers", names), *((kind, parts) for kind in _OF_PROBLEMS)]
    files = (p.origin for kind, used in wanted for p in plugins(kind).values() if p.from_file and p.name in used)
    return [part for file in dict.fromkeys(files) for part in ("--plugin", file)]


def short_names(runs: pd.DataFrame) -> dict[str, str]:
    """Each problem's id without the generator or target that all problems share."""
    rows = runs.drop_duplicates("problem")
    parts = [*(name for name in ("generator", "target") if rows[name].nunique() > 1), "layer", "unit"]
    names = {}
    for problem, *row in zip(rows["problem"].tolist(), *(rows[name].tolist() for name in parts), strict=True):
        options = problem[problem.index("[") :] if "[" in problem else ""
        names[problem] = "/".join(str(part) for part in row if part != "") + options
    return names


def _texts(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]


def _seeds(value: object) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return str(value)
    if list(value) == list(range(len(value))):
        return str(len(value))
    # A single number would be read as a count.
    return ",".join(str(v) for v in value) if len(value) > 1 else f"{value[0]}..{value[0]}"
