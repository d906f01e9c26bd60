"""Limits and their warnings as a user meets them: on the command line and in the log."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from msgspec.structs import replace
from typer.testing import CliRunner

from amb.catalogue.plugins import load_file
from amb.cli.app import app
from amb.comparison.compare import reopen
from amb.errors import SpecError, StudyError
from amb.run.progress import NoProgress
from amb.run.watch import Watch
from amb.study.health import study_status
from amb.study.manifest import Settings
from amb.study.runs import RunPlan, RunRecord
from amb.study.study import Study

ROGUES = Path(__file__).parents[1] / "plugins" / "rogues.py"


def run(study: Path, toy: Path, *words: str) -> Result:
    load_file(ROGUES)
    command = ["run", "-p", "toy/bowl/near/0", "--budget", "12", "--seeds", "1", "--study", str(study), "--json"]
    return CliRunner().invoke(app, [*command, *words])


def statuses(done: Result) -> dict[str, str]:
    assert done.exit_code == 0, done.output
    return {row["solver"]: row["status"] for row in json.loads(done.stdout)}


def test_isolated_solvers_die_alone(toy: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "st", toy, "-s", "random,vanishes", "--isolate")
    assert statuses(done) == {"random": "ok", "vanishes": "crash"}
    failed = study_status(Study(tmp_path / "st")).failed
    assert "exited with status 7" in failed[0].reason


def test_a_memory_limit_ends_one_run(toy: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "st", toy, "-s", "random", "--isolate", "--memory", "5M")
    assert statuses(done) == {"random": "crash"}
    assert "its limit is 5 MiB" in study_status(Study(tmp_path / "st")).failed[0].reason


def test_a_timeout_ends_one_run_and_retry_resumes_it(toy: Path, tmp_path: Path) -> None:
    assert statuses(run(tmp_path / "st", toy, "-s", "random,hangs", "--timeout", "0.3")) == {
        "random": "ok",
        "hangs": "timeout",
    }
    before = Study(tmp_path / "st").log.path.read_text().count('"run ended"')
    again = run(tmp_path / "st", toy, "-s", "random,hangs", "--timeout", "0.3")
    assert statuses(again)["hangs"] == "timeout"
    assert Study(tmp_path / "st").log.path.read_text().count('"run ended"') == before  # not tried again
    tried = run(tmp_path / "st", toy, "-s", "random,hangs", "--timeout", "0.6", "--retry")
    assert statuses(tried)["hangs"] == "timeout"
    assert "limit of 0.6 s is reached" in study_status(Study(tmp_path / "st")).failed[0].reason


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--memory", "2G"], "needs --isolate"),
        (["--isolate", "--memory", "much"], "bad size"),
        (["--timeout", "0"], "more than 0 seconds"),
    ],
)
def test_limits_that_make_no_sense_are_refused(toy: Path, tmp_path: Path, words: list[str], message: str) -> None:
    done = run(tmp_path / "st", toy, "-s", "random", *words)
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)
    assert not (tmp_path / "st").exists()


def test_a_solver_slower_than_the_network_is_named_once(tmp_path: Path) -> None:
    class Heard(NoProgress):
        notes: tuple[str, ...] = ()

        def note(self, message: str) -> None:
            self.notes += (message,)

    heard, study = Heard(), Study(tmp_path / "st")
    watch = Watch(heard, study.log)
    for seed, (solver, own, network) in enumerate(
        [
            ("quick", 1.0, 100.0),
            ("large", 40.0, 100.0),
            *[("slow", 8.0, 4.0)] * 3,
            ("alone", 13.0, 0.0),  # a function of a point takes no time that the clock shows
        ]
    ):
        plan = RunPlan("p/q/r/0", "print", solver, "1", seed, 10)
        watch.ended(RunRecord(plan, "ok", 10, 10, (0,), 0.5, own, network / 2, network / 2))
    assert heard.notes == (
        "slow is slow: it took 16 s itself, the network 8.0 s (2.0 times as long)",
        "alone is slow: it took 13 s itself, the network less than 0.1 s",
    )
    assert study_status(study).warnings == heard.notes


def test_reading_a_study_imports_no_module_that_it_names(toy: Path, tmp_path: Path) -> None:
    run(tmp_path / "st", toy, "-s", "random")
    study = Study(tmp_path / "st")
    study.rewrite_manifest(lambda old: replace(old, settings=replace(old.settings, solvers=("antigravity:geohash",))))
    import sys

    with pytest.raises(StudyError, match="does not say which version of 'antigravity:geohash' ran"):
        reopen(tmp_path / "st")
    study.rewrite_manifest(lambda old: replace(old, solvers={"antigravity:geohash": "1"}))
    with pytest.raises(StudyError, match=r"no run that .* was last asked for is finished"):
        reopen(tmp_path / "st")
    assert "antigravity" not in sys.modules
    assert len(reopen(tmp_path / "st", solvers="random").runs) == 1
    study.rewrite_manifest(lambda old: replace(old, settings=Settings()))
    with pytest.raises(StudyError, match="does not say which solvers"):
        reopen(tmp_path / "st")


def test_the_doctor_compares_the_networks(toy: Path, tmp_path: Path) -> None:
    run(tmp_path / "st", toy, "-s", "random")
    words = ["study", "doctor", str(tmp_path / "st"), "--networks"]
    assert "All files are intact" in CliRunner().invoke(app, words).stdout
    study = Study(tmp_path / "st")
    changed = {"toy/bowl/near/0": "0" * 64, "toy/bowl/lost/0": "0" * 64}
    study.rewrite_manifest(lambda old: replace(old, problems=changed))
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    told = " ".join(row["finding"] for row in found)
    assert "toy/bowl/near/0 ran on networks with fingerprint 000000000000" in told
    assert "toy/bowl/lost/0 cannot be loaded" in told
