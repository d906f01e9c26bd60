"""Files that contradict themselves, declare more than they hold, or belong to somebody else: refused in one line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from peak_memory import megabytes_and_answer
from typer.testing import CliRunner

from amb import FunctionProblem, Space
from amb.catalogue.plugins import load_file
from amb.cli.app import app
from amb.errors import AmbError, DataError, StudyError
from amb.run.execute import execute
from amb.study.health import examine
from amb.study.manifest import Environment, Manifest, Settings, union
from amb.study.published import SCHEMA, PublishedStudy, publish
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.study.traces import read_run, to_batch, write_run
from amb.study.untrusted import load_array, parse_json

SPACE = Space.uniform(6, 16)
PLANS = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 20) for seed in (0, 1)]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = Study(tmp_path / "st")
    made.describe(PLANS, Settings(solvers=("random[k=5]",), problems=("p/q/r/0",), budget=20, seeds=(0, 1)))
    execute(PLANS, made, lambda spec: FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec))
    return made


@pytest.fixture
def published(study: Study, tmp_path: Path) -> Path:
    publish(study, tmp_path / "published")
    assert len(list(PublishedStudy(tmp_path / "published").records())) == 2
    return tmp_path / "published"


def rewritten(folder: Path, **columns: Callable[[list], list]) -> PublishedStudy:
    """The published study with some columns changed, in a file that is sound itself."""
    table = pq.read_table(folder / "runs.parquet")
    for name, change in columns.items():
        field = SCHEMA.field(name)
        cells = change(table[name].to_pylist())
        table = table.set_column(SCHEMA.get_field_index(name), field, pa.array(cells, field.type))
    pq.write_table(table, folder / "runs.parquet")
    return PublishedStudy(folder)


def test_hidden_files_that_a_mac_leaves_are_no_runs(study: Study, tmp_path: Path) -> None:
    """On exFAT, on shares and in archives: four commands were refused, and it makes them again."""
    journal = study.journal(PLANS[0], 1, None)
    journal.close()
    for path in (study.run_file(PLANS[0].run_id), journal.path):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7\0\2\0\0Mac OS X        ")
    assert len(list(study.records())) == 2
    publish(study, tmp_path / "published")
    assert not [finding for finding in examine(study) if "._" in str(finding)]


# What a few bytes unfold to


UNFOLDING = Path(__file__).parents[1] / "data" / "unfolding"
IMPORTS = """
from amb.errors import StudyError
from amb.study.published import PublishedStudy
import pyarrow.compute
"""
READ = """
try:
    list(PublishedStudy(sys.argv[1]).records())
except StudyError as refusal:
    print(refusal)
"""


@pytest.mark.parametrize(
    ("bomb", "says"), [("numbers", "unfolds to 2,048 MiB; the limit is 512"), ("keys", "key is missing or too long")]
)
def test_what_a_small_published_study_unfolds_to_is_known_before(published: Path, bomb: str, says: str) -> None:
    """Dictionary pages say "a hundred million zeros", or one text in every row, in 5 kB: up to 15 GB were taken."""
    (published / "runs.parquet").write_bytes((UNFOLDING / f"{bomb}.parquet").read_bytes())
    assert (published / "runs.parquet").stat().st_size < 10_000
    megabytes, refusal = megabytes_and_answer(IMPORTS, READ, str(published))
    assert says in refusal
    assert megabytes < 200


def test_texts_that_unfold_stay_folded(published: Path) -> None:
    """Every row has its own key, and one text of 10 kB is the record of all."""
    rows = 20_000
    table = pq.read_table(published / "runs.parquet")
    columns = {
        name: pa.array(
            [f"{i:032x}" if name == "key" else "x" * 10_000 if name == "record" else None for i in range(rows)],
            table.schema.field(name).type,
        )
        for name in SCHEMA.names
    }
    pq.write_table(pa.table(columns, schema=SCHEMA), published / "runs.parquet", compression="zstd")
    megabytes, refusal = megabytes_and_answer(IMPORTS, READ, str(published))
    assert "damaged at run 00000" in refusal
    assert megabytes < 100


def test_what_a_small_run_file_unfolds_to_is_known_before(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """By columns of numbers that are each within their own limit."""
    monkeypatch.setattr("amb.study.traces.LARGEST_DECODED", 16 << 20)
    path, n = study.run_file(PLANS[0].run_id), 1 << 20
    zeros = pa.array(np.zeros(n))
    candidates = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(n, np.uint16)), 1)
    table = pa.table({"candidate": candidates, "value": zeros, "clean": zeros})
    pq.write_table(table.replace_schema_metadata(pq.read_schema(path).metadata), path, compression="zstd")
    assert path.stat().st_size < 30_000
    with pytest.raises(StudyError, match="unfolds to 20 MiB; the limit is 16"):
        read_run(path)


def test_a_study_too_large_to_be_read_again_is_not_published(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amb.study.published.LARGEST_DECODED", 1000)
    with pytest.raises(StudyError, match="too much for a published study"):
        publish(study, tmp_path / "large")
    assert not (tmp_path / "large" / "runs.parquet").exists()


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 62, 1 << 62), (3,), (-1,)])
def test_an_array_declares_what_it_holds(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = tmp_path / "a.npy"
    with file.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
        stream.write(bytes(16))
    with pytest.raises(ValueError, match="declares"):
        load_array(file, 1 << 20)


# What contradicts itself


def record_with(**changes: object) -> Callable[[list], list]:
    return lambda cells: [json.dumps(json.loads(cells[0]) | changes), *cells[1:]]


CONTRADICTIONS: dict[str, tuple[dict[str, Callable[[list], list]], str]] = {
    "a run twice": ({"key": lambda c: [c[0], c[0]]}, "twice"),
    "no key": ({"key": lambda c: [None, c[1]]}, "key is missing"),
    "a long key": ({"key": lambda c: ["k" * 300, c[1]]}, "too long"),
    "another key": ({"key": lambda c: ["k" * 32, c[1]]}, "contradicts itself"),
    "no record": ({"record": lambda c: [None, c[1]]}, "damaged at run"),
    "negative batches": ({"batches": lambda c: [[25, -5], c[1]]}, "not positive"),
    "too many batches": ({"batches": lambda c: [[5] * 5, c[1]]}, "do not add up"),
    "no batches": ({"batches": lambda c: [None, c[1]]}, "missing"),
    "an infinite value": ({"values": lambda c: [[*c[0][:-1], np.inf], c[1]]}, "infinite"),
    "an infinite clean value": ({"clean": lambda c: [[-np.inf] * 20, c[1]]}, "infinite"),
    "a missing value": ({"values": lambda c: [[*c[0][:-1], None], c[1]]}, "incomplete"),
    "too few values": ({"values": lambda c: [c[0][:-1], c[1]]}, "do not add up"),
    "negative rows": ({"rows": lambda c: [[-1, *(c[0] or [0])[1:]], [-1, *(c[1] or [0])[1:]]]}, "in order"),
    "rows beyond the end": ({"rows": lambda c: [[99], [99]]}, "in order"),
    "levels without rows": ({"candidates": lambda c: [[1] * 7, [1] * 7]}, "damaged at run"),
    "dimensions below one": ({"modes": lambda c: [0, c[1]]}, "dimensions"),
    "no dimensions": ({"modes": lambda c: [None, c[1]]}, "dimensions"),
    "an infinite final": ({"record": record_with(final=float("inf"))}, "final is not a number"),
    "more levels than dimensions": ({"record": record_with(recommended=[1] * 7)}, "recommends 7 levels"),
    "more queries": ({"record": record_with(queries=21)}, "21 queries"),
    "a text for a number": ({"record": record_with(queries="20")}, "queries is not a whole number"),
    "a lone surrogate": ({"record": record_with(message="\ud800")}, "lone surrogate"),
    "an entry twice": ({"record": lambda c: [c[0][:-1] + ', "final": 0.9}', c[1]]}, "the key 'final' more than once"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_published_study_that_contradicts_itself_is_refused(published: Path, name: str) -> None:
    columns, says = CONTRADICTIONS[name]
    opened = rewritten(published, **columns)
    with pytest.raises(StudyError) as refusal:
        list(opened.records())
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("better", [0.99, -0.5])
def test_a_final_value_that_the_trace_contradicts_is_refused(study: Study, published: Path, better: float) -> None:
    """In a run file, and in a published study for the runs whose candidates it keeps."""
    for plan in PLANS:
        path = study.run_file(plan.run_id)
        table = pq.read_table(path)
        record = json.loads(table.schema.metadata[b"amb.record"]) | {"final": better}
        metadata = table.schema.metadata | {b"amb.record": json.dumps(record).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
        with pytest.raises(StudyError, match=f"final value is {better}, but the candidate was measured as"):
            read_run(path)
    change = lambda cells: [json.dumps(json.loads(cell) | {"final": better}) for cell in cells]  # noqa: E731
    with pytest.raises(StudyError, match=f"final value is {better}, but the candidate was measured as"):
        list(rewritten(published, record=change).records())


def test_a_run_file_with_infinite_values_or_negative_batches_is_refused(study: Study) -> None:
    path = study.run_file(PLANS[0].run_id)
    record, trace = read_run(path)
    for values, batches in (([np.inf] * 20, [5] * 4), (trace.values, [25, -5])):
        batch = to_batch(trace.candidates, np.array(values), np.array(values))
        metadata = {"amb.record": record.to_json(), "amb.batches": json.dumps(batches)}
        pq.write_table(pa.Table.from_batches([batch]).replace_schema_metadata(metadata), path)
        with pytest.raises(StudyError, match=r"infinite|not positive"):
            read_run(path)
    write_run(path, record, trace)
    read_run(path)


@pytest.mark.parametrize(
    "batches", [[2**63 - 1, 2**63 - 1, 22], [10.0, 10.0], [True, 19], ["20"], "20", [[20]], [2**70]]
)
def test_batches_that_only_seem_to_add_up_are_refused(study: Study, batches: object) -> None:
    """Sums of 64 bits wrap around; numbers and texts turn into whole numbers."""
    path = study.run_file(PLANS[0].run_id)
    metadata = {**pq.read_schema(path).metadata, b"amb.batches": json.dumps(batches).encode()}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    with pytest.raises(StudyError, match=r"batches|too large|too big"):
        read_run(path)


def test_a_manifest_that_names_an_entry_twice_is_refused(study: Study) -> None:
    path = study.folder / "manifest.json"
    path.write_text('{"settings": {"budget": 5},' + path.read_text().lstrip().removeprefix("{"))
    with pytest.raises(StudyError, match="the key 'settings' more than once"):
        Study(study.folder)


def test_a_published_study_whose_runs_are_elsewhere_is_no_empty_study(published: Path) -> None:
    """As large files of a repository are that were not fetched: links that lead nowhere."""
    runs = published / "runs.parquet"
    runs.unlink()
    runs.symlink_to("objects/not-here")
    for words in (["study", "status"], ["report"], ["plan", "--difference", "0.1", "--study"]):
        done = CliRunner().invoke(app, [*words, str(published)])
        assert isinstance(done.exception, StudyError), words
        assert "runs.parquet" in str(done.exception)
    assert sorted(path.name for path in published.iterdir()) == ["manifest.json", "runs.parquet"]


def test_json_that_names_an_entry_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="the key 'a' more than once"):
        parse_json('{"b": [{"a": 1, "a": 2}]}')


@pytest.mark.usefixtures("ends")
def test_json_with_many_entries_is_refused_at_once() -> None:
    many = ",".join(f'"{i}":0' for i in range(100_000))
    with pytest.raises(ValueError, match="the key '99999' more than once"):
        parse_json(f'{{{many},"99999":0}}')


@pytest.mark.usefixtures("ends")
def test_manifests_of_many_environments_are_united_at_once() -> None:
    environments = tuple(Environment(python=str(i)) for i in range(50_000))
    assert union([Manifest(environments=environments)] * 2).environments == environments


# What is not ours


@pytest.mark.parametrize(
    "content",
    [
        '{"name": "a browser extension", "manifest_version": 3}',
        '{"schema": "2"}',
        '{"schema": 2, "settings": {"solvers": ["\\ud800x"]}}',
        '{"schema": 2, "settings": {"budget": -1}}',
        '{"schema": 2, "problems": {"a": 1}}',
        '{"schema": 99}',
        "[1]",
        "",
        "\x00" * 100,
    ],
)
def test_nothing_is_created_in_a_folder_that_is_not_a_study(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    (tmp_path / "page.html").write_text("<p>mine</p>")
    for words in (["report"], ["study", "status"], ["study", "doctor", "--repair"], ["leaderboard"], ["publish"]):
        out = [str(tmp_path / "out")] if words == ["publish"] else []
        done = CliRunner().invoke(app, [*words, str(tmp_path), *out])
        assert isinstance(done.exception, StudyError), words
        assert "\n" not in str(done.exception)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "page.html"], words


@pytest.mark.parametrize(
    "words",
    [
        ["study", "restore", "PUBLISHED", "OUT", "--solvers", "no-such-solver"],
        ["study", "restore", "PUBLISHED", "OUT", "--problems", "no/such/problem/0"],
        ["references", "quick", "--out", "OUT", "--state", "OUT2", "--device", "no-such-device"],
        ["references", "quick", "--out", "OUT", "--study", "no-such-study"],
    ],
)
def test_what_is_misspelt_is_refused_before_a_folder_is_made(published: Path, words: list[str], tmp_path: Path) -> None:
    places = {"PUBLISHED": str(published), "OUT": str(tmp_path / "out"), "OUT2": str(tmp_path / "out2")}
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(app, [places.get(word, word) for word in words])
    assert isinstance(done.exception, AmbError)
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_folder_stays_empty(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(done.exception, StudyError)
    assert not list(tmp_path.iterdir())


def test_a_reference_folder_without_settings_is_refused(toy: Path, study: Study, tmp_path: Path) -> None:
    study.rewrite_manifest(lambda old: type(old)(problems=old.problems, solvers=old.solvers))
    publish(study, tmp_path / "bare")
    words = ["compare", "-s", "random", "--reference", str(tmp_path / "bare"), "--study", str(tmp_path / "mine")]
    done = CliRunner().invoke(app, [*words, "--plugin", str(toy)])
    assert isinstance(done.exception, StudyError)
    assert "does not say which solvers" in str(done.exception)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{'descr': [", b"{", b'{"chance": 1}'])
def test_a_damaged_measurement_of_reference_points_says_what_to_delete(tmp_path: Path, content: bytes) -> None:
    from amb.references.resume import Cache

    cache, images = Cache(tmp_path), np.zeros((2, 2, 2, 3), np.uint8)
    problem = FunctionProblem(lambda rows: rows.mean(axis=1), SPACE, id="p/q/r/0")
    cache.responses([problem], images, lambda: np.zeros((2, 1)))
    for file in tmp_path.iterdir():
        file.write_bytes(content)
    with pytest.raises(DataError, match="delete it"):
        cache.responses([problem], images, lambda: np.zeros((2, 1)))
    stored = cache._file(["p", "print", repr(None)], "json")
    assert stored is not None
    stored.write_bytes(content)
    with pytest.raises(DataError, match="delete it"):
        cache.point("p", "print", None, lambda: pytest.fail("it is stored"))


# Names


LONG = """
import numpy as np
from amb import Family, FunctionProblem, Solver, Space

class Long(Solver):
    name = "s" * 300
    def _ask(self, limit):
        return self.space.sample(min(limit, 3), self.rng)

class Dots(Solver):
    name = ".."
    def _ask(self, limit):
        return self.space.sample(min(limit, 3), self.rng)

class Longs(Family):
    name = "g" * 300 + "/" + "t" * 300
    def layers(self):
        return {"l" * 300: 2}
    def problem(self, layer, unit, *, device="cpu", **options):
        respond = lambda rows: np.sin(rows).mean(axis=1)
        return FunctionProblem(respond, Space.uniform(6, 16), id=f"{self.name}/{layer}/{unit}")
"""


def test_names_of_three_hundred_characters_fit_every_report(tmp_path: Path) -> None:
    (tmp_path / "long_names.py").write_text(LONG)
    load_file(tmp_path / "long_names.py")
    problems = f"{'g' * 300}/{'t' * 300}/{'l' * 300}/0..1"
    words = ["compare", "-s", f"{'s' * 300},..,random", "-p", problems, "-b", "8", "--seeds", "2"]
    done = CliRunner().invoke(app, [*words, "--study", str(tmp_path / "st")], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.exception
    assert {path.name for path in (tmp_path / "st").iterdir()} >= {"runs", "report"}
    assert all(len(os.fsencode(path.name)) <= 255 for path in (tmp_path / "st").rglob("*"))
    for solvers in ((tmp_path / "st" / "report" / "ioh"), (tmp_path / "st" / "report" / "coco")):
        assert len([path for path in solvers.iterdir() if path.is_dir()]) == 3
