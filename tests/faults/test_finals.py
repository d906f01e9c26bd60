"""Final values that no stored query measured are measured again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import amb
from amb.catalogue.plugins import load_file
from amb.cli.app import app
from amb.study.published import publish
from amb.study.study import Study

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


def test_the_doctor_evaluates_final_values_again(tmp_path: Path) -> None:
    """Of a candidate that no stored query asked for, the record alone says what it is worth: also of a published study,
    and of solvers that are not installed."""
    load_file(TOY)
    amb.compare("random", "toy/bowl/near/0", budget=12, seeds=1, study=tmp_path / "st")
    study = Study(tmp_path / "st")
    ((record, trace),) = study.records()
    problem = amb.problem("toy/bowl/near/0")
    asked = {tuple(row) for row in trace.candidates.tolist()}
    other = next(c for c in map(tuple, problem.space.sample(50, np.random.default_rng(5)).tolist()) if c not in asked)
    value = float(problem.evaluate([other])[0])

    def told(recommended: tuple[int, ...], final: float) -> tuple[str, str]:
        """The findings of the study, and of the same study published, with such a record."""
        plan = replace(record.plan, solver="gone")
        study.save(replace(record, recommended=recommended, final=final, plan=plan), trace)
        study.run_file(record.plan.run_id).unlink(missing_ok=True)
        shutil.rmtree(tmp_path / "pub", ignore_errors=True)
        publish(study, tmp_path / "pub")
        words = [["study", "doctor", str(tmp_path / name), "--networks"] for name in ("st", "pub")]
        first, second = (CliRunner().invoke(app, [*each, "--json"]).stdout for each in words)
        return first, second

    assert [json.loads(text) for text in told(other, value)] == [[], []]
    for text in told(other, value + 0.1):
        assert f"toy/bowl/near/0 gone #0 states the final value {value + 0.1:.12g}" in text
        assert f"for which its networks give {value:.12g}" in text
    for text in told((60_000, *other[1:]), value):
        assert "of a candidate that lies outside of its grid" in text
    refused = CliRunner().invoke(app, ["study", "doctor", str(tmp_path / "pub"), "--repair"])
    assert "cannot be repaired" in str(refused.exception)
    runs = tmp_path / "pub" / "runs.parquet"
    runs.write_bytes(runs.read_bytes()[:-9])
    damaged = CliRunner().invoke(app, ["study", "doctor", str(tmp_path / "pub")])
    assert damaged.exception is None
    assert "is damaged or not a published study" in " ".join(damaged.stdout.split())
