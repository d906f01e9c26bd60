"""Export to IOHprofiler's format, which IOHanalyzer and IOHinspector read."""

import json
import shutil
from pathlib import Path

import numpy as np

from amb.reports.contract import Report, ReportData
from amb_reports.exports.series import Series, file_name, series


class IOHanalyzer(Report):
    """`ioh/<solver>/`: a JSON index and a `.dat` file for each problem; activations are maximized."""

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        home = folder / "ioh"
        shutil.rmtree(home, ignore_errors=True)  # the files of another comparison would be read along
        suite = str(data.settings.get("suite") or "amb")
        return [_write_series(one, home / file_name(one.solver), suite) for one in series(data)]


def _write_series(one: Series, home: Path, suite: str) -> Path:
    name = file_name(one.problem)
    data = home / f"data_f{one.number}_{name}" / f"IOHprofiler_f{one.number}_DIM{one.modes}.dat"
    data.parent.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, object]] = []
    blocks = ["evaluations raw_y\n"]
    for seed, told in zip(one.seeds, one.told, strict=True):
        known = np.where(np.isnan(told), -np.inf, told)
        best = np.maximum.accumulate(known)
        first = int(best.argmax())
        # Improvements, and both ends: the reader takes evaluation 1 for the beginning of the next run.
        rows = np.union1d(np.flatnonzero(np.diff(best, prepend=-np.inf) > 0), [0, len(told) - 1])
        floor = np.where(np.isneginf(best), 0.0, best)
        blocks.append("".join(f"{i + 1} {floor[i]:.10f}\n" for i in rows.tolist()))
        end = {"evals": first + 1, "y": float(floor[-1]), "x": []}
        runs.append({"instance": seed + 1, "evals": len(told), "best": end})
    data.write_text("".join(blocks), encoding="utf-8")
    content = {
        "version": "0.3.18",
        "suite": suite,
        "function_id": one.number,
        "function_name": one.problem,
        "maximization": True,
        "algorithm": {"name": one.solver, "info": "amb"},
        "attributes": ["evaluations", "raw_y"],
        "scenarios": [{"dimension": one.modes, "path": f"{data.parent.name}/{data.name}", "runs": runs}],
    }
    index = home / f"IOHprofiler_f{one.number}_{name}.json"
    index.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return index
