"""Export to IOHprofiler's format, which IOHanalyzer and IOHinspector read."""

import json
import re
from pathlib import Path
from typing import ClassVar

from amb.reports.contract import Report, ReportData
from amb.reports.draft import draft_of
from amb.stats.queries import best_so_far
from amb.study.own_files import text
from amb.study.runs import improvements
from amb_reports.exports.series import Series, ends_and, file_name, lowest, readable, series

_INDEX = text("an index of amb's", '"info": "amb"')


class IOHanalyzer(Report):
    """`ioh/<solver>/`: a JSON index and a `.dat` file for each problem; activations are maximized."""

    replaces: ClassVar = {"ioh": lambda file: _is_own(file)}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        exported = folder / "ioh"
        suite = str(data.settings.get("suite") or "amb")
        with draft_of(exported, empty=True) as draft:  # files of an earlier comparison would be read as well
            written = [_write_series(one, draft / file_name(one.solver), suite) for one in series(data)]
        return [exported / path.relative_to(draft) for path in written]


def _is_own(file: Path) -> bool:
    """Other programs write files of these names, too, but their indices name other algorithms."""
    named = re.fullmatch(r"IOHprofiler_f[0-9]+.*\.(json|dat)", file.name)
    return named is not None and (named[1] == "dat" or _INDEX.fits(file))


def _write_series(one: Series, folder: Path, suite: str) -> Path:
    name = readable(one.problem)  # its number tells it from others
    data = folder / f"data_f{one.number}_{name}" / f"IOHprofiler_f{one.number}_DIM{one.dimensions}.dat"
    data.parent.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, object]] = []
    blocks = ["evaluations raw_y\n"]
    for seed, values in zip(one.seeds, one.values, strict=True):
        best, improved = best_so_far(values, floor=lowest(values)), improvements(values)
        # Improvements, and both ends: the reader takes evaluation 1 for the beginning of the next run.
        rows = ends_and(improved, len(values))
        places = zip(rows.tolist(), best[rows].tolist(), strict=True)
        blocks.append("".join([f"{i + 1} {value!r}\n" for i, value in places]))
        last_improvement = int(improved[-1]) + 1 if len(improved) else 1
        end = {"evals": last_improvement, "y": float(best[-1]), "x": []}
        runs.append({"instance": seed + 1, "evals": len(values), "best": end})
    data.write_text("".join(blocks), encoding="utf-8")
    content = {
        "version": "0.3.18",
        "suite": suite,
        "function_id": one.number,
        "function_name": one.problem,
        "maximization": True,
        "algorithm": {"name": one.solver, "info": "amb"},
        "attributes": ["evaluations", "raw_y"],
        "scenarios": [{"dimension": one.dimensions, "path": f"{data.parent.name}/{data.name}", "runs": runs}],
    }
    index = folder / f"IOHprofiler_f{one.number}_{name}.json"
    index.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return index
