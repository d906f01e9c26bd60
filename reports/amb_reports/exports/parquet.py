"""The tables as Parquet: types kept, traces included."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from amb.reports.contract import Report, ReportData
from amb.study.durable import write_whole
from amb.study.own_files import Form, table


class Parquet(Report):
    """`runs.parquet` and `traces.parquet`: one row per run, and in the second also all its values in query order."""

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The two tables."""
        runs = table("problem", "solver", "seed", "final")
        return {"runs.parquet": runs, "traces.parquet": table("problem", "solver", "seed", "values")}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        paths = [folder / "runs.parquet", folder / "traces.parquet"]
        write_whole(paths[0], partial(data.runs.to_parquet, index=False), error=None)
        rows = [(*cell, values) for cell, values in data.traces.items()]
        traces = pd.DataFrame(rows, columns=["problem", "solver", "seed", "values"])
        write_whole(paths[1], partial(traces.to_parquet, index=False, compression="zstd"), error=None)
        return paths
