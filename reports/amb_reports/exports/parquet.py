"""The tables as Parquet: types kept, traces included."""

from pathlib import Path

import pandas as pd

from amb.reports.contract import Report, ReportData


class Parquet(Report):
    """`runs.parquet` and `traces.parquet`: one row per run, and in the second also all its values in query order."""

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        paths = [folder / "runs.parquet", folder / "traces.parquet"]
        data.runs.to_parquet(paths[0], index=False)
        rows = [(*cell, values) for cell, values in data.traces.items()]
        traces = pd.DataFrame(rows, columns=["problem", "solver", "seed", "values"])
        traces.to_parquet(paths[1], index=False, compression="zstd")
        return paths
