"""What a third party's study, checkpoint or message may contain, and what it cannot do."""

import ast
import contextlib
import json
import os
import pickle
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from amb import FunctionProblem, Space
from amb.cli.app import app
from amb.errors import CheckpointError, StudyError
from amb.reports.draft import draft_of
from amb.run.execute import execute
from amb.study.health import examine, repair
from amb.study.journal import read_journal
from amb.study.links import refuse_links
from amb.study.manifest import Settings
from amb.study.published import PublishedStudy, publish
from amb.study.runs import RunPlan
from amb.study.study import FOLDERS, Study
from amb.study.traces import read_run, trace_schema

ROOT = Path(__file__).parents[2]
SPACE = Space.uniform(6, 16)
PLAN = RunPlan("p/q/r/0", "print", "random[k=5]", "1", 0, 20)
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[bold]x[/bold]|<b>&$\\input{x}`\r\n# y"


def problem(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "st")
    made.describe([PLAN], Settings())
    execute([PLAN], made, problem)
    return made


# Nothing is executed

PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize("package", ["amb", "problems/amb_problems", "solvers/amb_solvers", "reports/amb_reports"])
def test_no_pickle_is_ever_read(package: str) -> None:
    """The one exception copies a solver in memory, to test that it can be copied."""
    readers = {"load", "loads", "Unpickler", "read_pickle", "deserialize", "deserialize_pandas"}
    found = []
    for path in (ROOT / package).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        found += [
            f"{path.name} imports {n}" for n in names & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
        ]
        for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
            name = ast.unparse(call.func)
            if name.startswith(("torch.", "pd.", "pa.")) and name.split(".")[-1] in readers:
                found.append(f"{path.name} calls {name}")
            if name == "np.load" and not any(k.arg == "allow_pickle" and k.value.value is False for k in call.keywords):  # type: ignore[attr-defined]
                found.append(f"{path.name} calls np.load without allow_pickle=False")
    assert found == (["cases.py imports pickle"] if package == "amb" else [])


class Bomb:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.place),)


def test_a_pickled_extension_type_in_a_run_file_is_refused_and_not_executed(study: Study, tmp_path: Path) -> None:
    """CVE-2023-47248: Arrow once unpickled a type that a file named."""
    path = study.run_file(PLAN.run_id)
    table = pq.read_table(path)
    bomb = {"ARROW:extension:name": "arrow.py_extension_type"}
    bomb["ARROW:extension:metadata"] = pickle.dumps(Bomb(tmp_path / "executed"))
    schema = table.schema.set(1, table.schema.field("value").with_metadata(bomb))
    pq.write_table(table.cast(schema), path)
    with contextlib.suppress(StudyError):
        read_run(path)  # the type is unknown, and so plain numbers
    assert not (tmp_path / "executed").exists()


# Sizes are looked at before anything is allocated


def test_an_oversized_file_is_refused_without_reading_it(study: Study) -> None:
    """Sparse files of a terabyte: they take no space, but reading them would."""
    study.journal(PLAN, 6, None).close()
    for path, read in (
        (study.run_file(PLAN.run_id), lambda: study.load(PLAN)),
        (study.journal_file(PLAN.run_id), lambda: study.unfinished(PLAN)),
        (study.folder / "manifest.json", lambda: study.manifest),
    ):
        os.truncate(path, 1 << 40)
        with pytest.raises(StudyError, match="the limit is"):
            read()
    os.truncate(study.log.path, 1 << 40)
    assert not list(study.log.read())


def test_an_oversized_checkpoint_is_refused_without_reading_it(tmp_path: Path) -> None:
    from amb_problems import checkpoint

    for suffix in (".card.json", ".safetensors"):
        (tmp_path / f"net{suffix}").touch()
    (tmp_path / "net.card.json").write_text('{"schema": 1, "sha256": "0", "kind": "sngan", "shape": {}}')
    os.truncate(tmp_path / "net.safetensors", 1 << 40)
    with pytest.raises(CheckpointError, match="the limit is"):
        checkpoint.load(tmp_path / "net")
    os.truncate(tmp_path / "net.card.json", 1 << 40)
    with pytest.raises(CheckpointError, match="the limit is"):
        checkpoint.read_card(tmp_path / "net")


def test_a_small_run_file_that_unfolds_to_gigabytes_is_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoding says "a million zeros" in a few bytes; here 30 MB are taken for too much."""
    monkeypatch.setattr("amb.study.traces.MOST_NUMBERS", 1 << 20)
    path, n = study.run_file(PLAN.run_id), 1 << 20
    metadata = pq.read_schema(path).metadata
    zeros = pa.array(np.zeros(n))
    candidates = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(n, np.uint16)), 1)
    block = pa.table({"candidate": candidates, "value": zeros, "clean": zeros}).cast(trace_schema(1))
    with pq.ParquetWriter(path, trace_schema(1).with_metadata(metadata), compression="zstd") as writer:
        writer.write_table(block)
        writer.write_table(block)
    assert path.stat().st_size < 100_000
    with pytest.raises(StudyError, match=r"2,097,152 rows; the limit is 1,048,576"):
        read_run(path)


def test_declared_rows_beyond_the_limit_are_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amb.study.traces.MOST_NUMBERS", 100)  # 20 candidates of 6 modes are 120
    with pytest.raises(StudyError, match="120 numbers"):
        read_run(study.run_file(PLAN.run_id))


def test_a_compressed_journal_is_refused(study: Study) -> None:
    """Its buffers could declare any size."""
    source = next((ROOT / "tests" / "data" / "study-0.1" / "journal").glob("*.arrows"))
    path = study.folder / "journal" / source.name
    path.write_bytes(source.read_bytes())
    assert read_journal(path) is not None
    reader = pa.ipc.open_stream(path.read_bytes())
    records = [reader.read_next_batch_with_custom_metadata() for _ in range(2)]
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with path.open("wb") as file, pa.ipc.new_stream(file, reader.schema, options=options) as writer:
        for record in records:
            writer.write_batch(record.batch, custom_metadata=record.custom_metadata)
    assert read_journal(path) is None


NOTE = struct.Struct("<IB3d")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        NOTE.pack(2**32 - 1, 0, 0.0, 0.0, 0.0),
        NOTE.pack(2**32 - 1, 0, 0.0, 0.0, 0.0) + bytes(28),
        NOTE.pack(0, 0, 0.0, 0.0, 0.0),
        NOTE.pack(1, 0, 0.0, 0.0, 0.0) + bytes(27),
        NOTE.pack(1, 7, 0.0, 0.0, 0.0) + bytes(28),
        NOTE.pack(1, 0, float("nan"), 0.0, 0.0) + bytes(28),
        NOTE.pack(1, 0, -1.0, 0.0, 0.0) + bytes(28),
    ],
)
def test_a_journals_frame_declares_only_what_it_holds(study: Study, payload: bytes) -> None:
    """Its checksum is right, as a third party's would be; nothing is allocated for what is not there."""
    path = study.journal_file(PLAN.run_id)
    study.journal(PLAN, 6, None).close()
    line = path.read_bytes()
    whole = NOTE.pack(1, 0, 1.0, 2.0, 3.0) + bytes(28)
    first = zlib.crc32(whole, zlib.crc32(line))
    good = line + struct.pack("<II", len(whole), first) + whole
    path.write_bytes(good + struct.pack("<II", len(payload), zlib.crc32(payload, first)) + payload)
    content = read_journal(path)
    assert content is not None
    assert (len(content.known.trace), content.whole) == (1, False)
    path.write_bytes(good + struct.pack("<II", 2**32 - 1, first) + payload)
    content = read_journal(path)
    assert content is not None
    assert (len(content.known.trace), content.whole) == (1, False)


@pytest.mark.parametrize("changed", [{"d": 0}, {"d": 2**40}, {"d": True}, {"journal": 3}, {"plan": {"seed": -1}}])
def test_a_journals_first_line_is_checked(study: Study, changed: dict[str, object]) -> None:
    path = study.journal_file(PLAN.run_id)
    study.journal(PLAN, 6, study.unfinished(PLAN)).close()
    line, frames = path.read_bytes().split(b"\n", 1)
    payload = frames[8 : 8 + struct.unpack_from("<I", frames)[0]]
    for header in (json.loads(line), json.loads(line) | changed):
        text = json.dumps(header).encode() + b"\n"
        path.write_bytes(text + struct.pack("<II", len(payload), zlib.crc32(payload, zlib.crc32(text))) + payload)
        assert (read_journal(path) is None) == (header != json.loads(line))


def test_a_published_run_cannot_declare_a_gigantic_candidate(study: Study, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    file = tmp_path / "published" / "runs.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(2, "modes", pa.array([2**31 - 1], pa.int32())), file)
    with pytest.raises(StudyError, match="2147483647 dimensions"):
        list(PublishedStudy(file.parent).records())


def test_a_manifest_nested_too_deeply_or_of_other_types_is_refused(study: Study) -> None:
    for text in ('{"a":' * 100_000, '{"problems": 5}', '{"settings": {"seeds": ["x"]}}', "[]", '{"schema": "<b>"}'):
        (study.folder / "manifest.json").write_text(text)
        with pytest.raises(StudyError):
            Study(study.folder)


# Every path stays inside the study


@pytest.mark.parametrize("part", FOLDERS)
def test_a_folder_that_points_outside_the_study_is_refused(tmp_path: Path, part: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "st").mkdir()
    (tmp_path / "st" / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match=f"{part} points outside"):
        Study(tmp_path / "st")


def test_a_folder_that_points_into_the_study_is_the_study_s_own(study: Study) -> None:
    """The doctor takes no runs away that everybody else reads."""
    (study.folder / "runs").rename(study.folder / "elsewhere")
    (study.folder / "runs").symlink_to(study.folder / "elsewhere")
    assert study.load(PLAN) is not None
    assert not examine(study)


@pytest.mark.parametrize("part", ["runs", "journal", "report"])
def test_what_stands_in_the_place_of_a_folder_is_named(tmp_path: Path, part: str) -> None:
    Study(tmp_path)
    (tmp_path / part).rmdir()
    (tmp_path / part).write_text("mine")
    with pytest.raises(StudyError, match=rf"cannot create .*{part}: there is something else of this name"):
        Study(tmp_path)


def test_links_are_neither_read_nor_written_through(study: Study, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    study.log.path.unlink(missing_ok=True)
    (study.folder / "report" / "report.md").symlink_to(secret)
    study.log.path.symlink_to(secret)
    study.log.write("info", "hello")
    assert not list(study.log.read())
    (study.folder / f".manifest.json.{os.getpid()}.tmp").symlink_to(secret)
    study.describe([PLAN], Settings())
    other = replace(PLAN, seed=1)
    study.journal_file(other.run_id).with_suffix(".new").symlink_to(secret)
    study.journal(other, 6, None).close()
    (study.folder / "journal" / f"{other.run_id}.lock").symlink_to(secret)
    with pytest.raises(StudyError, match="cannot write"):
        study.claim(other)
    study.run_file(other.run_id).symlink_to(study.run_file(PLAN.run_id))
    with pytest.raises(StudyError, match="symbolic link"):
        study.load(other)
    assert secret.read_text() == "mine"
    with pytest.raises(StudyError, match="symbolic link"):
        refuse_links(study.folder / "report")


@pytest.mark.parametrize("name", ["runs.parquet", "manifest.json"])
@pytest.mark.parametrize("kind", ["table", "text"])
def test_files_that_are_not_of_a_published_study_are_not_replaced(
    study: Study, tmp_path: Path, name: str, kind: str
) -> None:
    """A table of the user's that is called runs.parquet, a web application's manifest.json."""
    folder = tmp_path / "published"
    publish(study, folder)
    publish(study, folder)  # its own
    if name == "manifest.json":
        (folder / name).write_text('{"name": "my web app"}')
    elif kind == "table":
        pq.write_table(pa.table({"my": [1, 2, 3]}), folder / name)
    else:
        (folder / name).write_text("notes")
    mine = (folder / name).read_bytes()
    with pytest.raises(StudyError, match=f"{name} exists and is not of a published study; publish into"):
        publish(study, folder)
    assert (folder / name).read_bytes() == mine
    (folder / name).write_bytes(b"PAR1 damaged" if name == "runs.parquet" else b'{"schema": 2, "damag')
    publish(study, folder)
    assert len(list(PublishedStudy(folder).records())) == 1


def test_tables_of_a_published_study_are_not_written_through_a_link(study: Study, tmp_path: Path) -> None:
    publish(study, tmp_path / "published")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "published" / "analysis").symlink_to(tmp_path / "elsewhere")
    done = CliRunner().invoke(app, ["analyse", str(tmp_path / "published")])
    assert isinstance(done.exception, StudyError)
    assert "analysis points outside" in str(done.exception)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_link_in_the_place_of_an_old_report_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("mine")
    (tmp_path / ".report-old").symlink_to(tmp_path / "elsewhere")
    with draft_of(tmp_path / "report") as draft:
        assert not list(draft.iterdir())


def test_the_doctor_moves_links_and_follows_none(study: Study, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (study.folder / "runs" / ".x.parquet.tmp").symlink_to(secret)
    # Found twice: as a run that cannot be read, and as a link.
    study.run_file(replace(PLAN, seed=1).run_id).symlink_to(secret)
    findings = examine(study)
    assert any("symbolic link" in finding.what for finding in findings)
    repair(study, findings)
    assert secret.read_text() == "mine"
    assert not examine(study)


def test_a_pipe_in_place_of_a_file_does_not_block(study: Study) -> None:
    for path in (study.run_file(PLAN.run_id), study.journal_file(PLAN.run_id), study.folder / "manifest.json"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    with pytest.raises(StudyError, match="not a regular file"):
        study.load(PLAN)
    with pytest.raises(StudyError, match="not a regular file"):
        read_journal(study.journal_file(PLAN.run_id))
    with pytest.raises(StudyError, match="not a regular file"):
        _ = study.manifest


def test_a_run_whose_name_is_not_its_key_is_refused(study: Study) -> None:
    path = study.run_file("0" * 32)
    path.write_bytes(study.run_file(PLAN.run_id).read_bytes())
    with pytest.raises(StudyError, match="contradicts itself"):
        read_run(path)


# Names and messages


def test_a_hostile_name_or_message_steers_no_terminal(study: Study) -> None:
    plan = replace(PLAN, problem=HOSTILE)
    loaded = study.load(PLAN)
    assert loaded is not None
    study.save(replace(loaded[0], plan=plan, status="crash", message=f"Traceback\n{HOSTILE}"), loaded[1])
    study.log.write("warning", "note", message=HOSTILE)
    for words in (["study", "status"], ["study", "doctor"]):
        shown = CliRunner().invoke(app, [*words, str(study.folder)])
        assert shown.exit_code == 0, shown.output
        assert "[bold]" in shown.output
        assert not set("\x1b\x07\r\u202e") & set(shown.output)
        told = CliRunner().invoke(app, [*words, str(study.folder), "--json"]).output
        assert "\x1b" not in told
        assert HOSTILE.splitlines()[-1] in str(json.loads(told))


def test_progress_takes_a_name_for_no_markup() -> None:
    import io

    from rich.console import Console

    from amb.run.display import display

    sink = io.StringIO()
    progress = display(Console(file=sink, force_terminal=False, width=200))
    progress.note(HOSTILE)
    assert "[bold]x[/bold]" in sink.getvalue()
    assert not set("\x1b\x07\r\u202e") & set(sink.getvalue())
