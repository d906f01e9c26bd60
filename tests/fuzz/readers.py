"""Every reader of third parties' files, with files to begin from, and how these are mutated.

A reader may return or raise an `AmbError`. Anything else, more than `MOST_MEGABYTES`, or more than `MOST_SECONDS`
is a finding.
"""

import contextlib
import json
import os
import resource
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amb.catalogue.reference_points import load as load_references
from amb.contracts.reference import Reference, RoundTrip
from amb.contracts.space import Space
from amb.errors import AmbError, SpecError
from amb.run.isolation.messages import BadMessage, pack, unpack
from amb.run.plan import parse_seeds
from amb.spec import Spec, split_specs
from amb.study.changes import changes
from amb.study.health import study_status
from amb.study.journal import read_journal
from amb.study.manifest import Settings
from amb.study.published import PublishedStudy, publish
from amb.study.runs import Known, RunPlan, RunRecord, Seconds, Trace
from amb.study.study import Study
from amb.study.traces import read_run, to_batch

MOST_MEGABYTES = 64
MOST_SECONDS = 5
WILD_BYTES = 4 << 30

PLAN = RunPlan("p/q/r/0", "print", "random[k=5]", "1", 0, 12)
NUMBERS = (0, 1, -1, 127, 128, 255, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**62, -(2**63))
WORDS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b"[" * 5000, b"{", b"}", b'""', b"0", b"9" * 400, b"\x1b[2J", b"../..",
    b"=1+1", b'{"a":' * 3000, b"\xff\xfe", b"[bold]", b"1.5", b"..", b"0..99999999999", b"[]", b"\x00" * 64,
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """`read` takes the mutated bytes of one of the `seeds`."""

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


def mutate(seeds: tuple[bytes, ...], rng: np.random.Generator) -> bytes:
    """One of the seeds with one to four wounds."""
    content = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(content) + 1))
        span = int(rng.integers(1, 64))
        kind = rng.integers(8)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[at : at + 1] = bytes([int(rng.integers(256))])
        elif kind == 2:
            size = int(rng.choice([1, 2, 4, 8]))
            number = int(NUMBERS[rng.integers(len(NUMBERS))]) % (1 << 8 * size)
            content[at : at + size] = number.to_bytes(size, "little")
        elif kind == 3:
            del content[at : at + span]
        elif kind == 4:
            content[at:at] = content[at : at + span]
        elif kind == 5:
            del content[at:]
        elif kind == 6:
            other = seeds[rng.integers(len(seeds))]
            start = int(rng.integers(len(other) + 1))
            content[at : at + span] = other[start : start + span]
        else:
            content[at : at + int(rng.integers(8))] = WORDS[rng.integers(len(WORDS))]
    return bytes(content)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raise if the block takes too long or too much memory."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {MOST_SECONDS} seconds")

    # Seconds of the processor: others may want the machine.
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    start = _reset_peak()
    # What runs wild in C, where no signal is heard, ends there before it harms the machine.
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if start is not None:
        resource.setrlimit(resource.RLIMIT_AS, ((_memory("VmSize") << 10) + WILD_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if start is not None and (grown := (_memory("VmHWM") - start) / 1024) > MOST_MEGABYTES:
        raise MemoryError(f"{grown:.0f} MB more than before")


def _reset_peak() -> int | None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _memory("VmRSS")
    except OSError:
        return None


def _memory(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


def readers(folder: Path) -> dict[str, Reader]:
    """All readers, working in a folder of their own."""
    trace = _trace()
    final = float(trace.clean[0])
    record = RunRecord(
        PLAN, "ok", 12, 12, tuple(trace.candidates[0].tolist()), final, 1.0, 2.0, 3.0, message="all well"
    )
    study = Study(folder / "study")
    settings = Settings(solvers=(PLAN.solver,), problems=(PLAN.problem,), budget=12, seeds=(0,))
    study.describe([PLAN], settings)
    study.save(record, trace)
    study.journal(PLAN, 5, Known(trace, Seconds(1.0, 2.0, 3.0))).close()
    study.log.write("info", "begin", planned=2, waiting=1, queries=12)
    study.log.write("info", "progress", under_way=1, queries=3, left=9, rate=1.5)
    study.log.write("warning", "note", message="the lamp flickers")
    run_file, journal_file = study.run_file(PLAN.run_id), study.journal_file(PLAN.run_id)
    publish(study, folder / "published")
    published = folder / "published" / "runs.parquet"
    found = [
        Reader("run", (run_file.read_bytes(), *_other_runs(record, trace)), _in(run_file, lambda: read_run(run_file))),
        *_journals(journal_file, trace),
        Reader("record", (record.to_json().encode(),), lambda content: _read_record(content, record, trace, run_file)),
        Reader(
            "manifest",
            ((folder / "study" / "manifest.json").read_bytes(),),
            _in(folder / "study" / "manifest.json", lambda: changes(Study(folder / "study").manifest, [PLAN], [PLAN])),
        ),
        Reader("log", (study.log.path.read_bytes(),), _in(study.log.path, lambda: study_status(study))),
        Reader(
            "published",
            (published.read_bytes(),),
            _in(published, lambda: list(PublishedStudy(folder / "published").records())),
        ),
        Reader("spec", (b"a/b/*/0..63[x=1,y=true,z=1e-3],tt-b[k=50,lr=0.1]", b"3..7", b"0,2,5"), _read_specs),
        Reader("space", (b'{"levels": [4, 8, 2], "low": -4.0, "high": 4.0, "grid": "quantile"}',), _read_space),
        Reader("message", (pack({"do": "ask", "limit": 3}, bytes(24)),), _read_message),
        *_references(folder),
        *_arrays(folder),
        *_published_record(record, trace, published),
        Reader(
            "published_manifest",
            ((folder / "published" / "manifest.json").read_bytes(),),
            _in(folder / "published" / "manifest.json", lambda: _read_published_manifest(folder / "published")),
        ),
        *_training(folder),
        *_checkpoint(folder),
        *_responses(folder),
    ]
    return {reader.name: reader for reader in found}


def _trace() -> Trace:
    rng = np.random.default_rng(0)
    values = rng.random(12)
    values[3] = np.nan
    return Trace(rng.integers(0, 64, (12, 5)), values, rng.random(12), np.array([5, 5, 2]))


def _other_runs(record: RunRecord, trace: Trace) -> Iterator[bytes]:
    """The same run as other writers would have stored it: without checksums, so that wounds go deep."""
    metadata = {"amb.record": record.to_json(), "amb.batches": json.dumps(trace.batches.tolist())}
    batch = to_batch(trace.candidates, trace.values, trace.clean)
    table = pa.Table.from_batches([batch]).replace_schema_metadata(metadata)
    for options in (
        {"compression": "none"},
        {"compression": "snappy", "use_dictionary": False},
        {"compression": "gzip"},
    ):
        sink = BytesIO()
        pq.write_table(table, sink, **options)
        yield sink.getvalue()


def _journals(path: Path, trace: Trace) -> Iterator[Reader]:
    """The file itself; its parts under checksums that fit, so that wounds go deep; and a journal of version 0.1."""
    content = path.read_bytes()
    line, frames = content[: content.index(b"\n") + 1], content[content.index(b"\n") + 1 :]
    payload = frames[8 : 8 + int.from_bytes(frames[:4], "little")]

    def sealed(line: bytes, payload: bytes) -> object:
        summed = zlib.crc32(payload, zlib.crc32(line))
        path.write_bytes(line + struct.pack("<II", len(payload), summed) + payload)
        return read_journal(path)

    yield Reader("journal", (content,), _in(path, lambda: read_journal(path)))
    yield Reader("journal_line", (line,), lambda mutated: sealed(mutated.split(b"\n")[0] + b"\n", payload))
    yield Reader("journal_frame", (payload,), lambda mutated: sealed(line, mutated))
    old = path.with_suffix(".arrows")
    streams = _stream(trace, None), _stream(trace, "zstd")
    yield Reader("journal_0_1", streams, _in(old, lambda: read_journal(old)))


def _stream(trace: Trace, compression: str | None) -> bytes:
    batch = to_batch(trace.candidates, trace.values, trace.clean)
    sink = BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(batch, custom_metadata={b"amb.note": b"[1,2,3,false]", b"amb.crc32": b"0"})
    return sink.getvalue()


def _in(path: Path, read: Callable[[], object]) -> Callable[[bytes], object]:
    def reader(content: bytes) -> object:
        path.write_bytes(content)
        return read()

    return reader


def _read_record(content: bytes, record: RunRecord, trace: Trace, path: Path) -> None:
    batch = to_batch(trace.candidates, trace.values, trace.clean)
    metadata = {b"amb.record": content, b"amb.batches": b"[5,5,2]"}
    pq.write_table(pa.Table.from_batches([batch]).replace_schema_metadata(metadata), path)
    found, _ = read_run(path)
    # What is believed can be written again and means the same.
    assert RunRecord.from_json(found.to_json()).plan == found.plan == replace(record.plan, budget=found.plan.budget)


def _read_specs(content: bytes) -> None:
    text = content.decode(errors="replace")
    with contextlib.suppress(SpecError):
        parse_seeds(text)
    for part in split_specs(text):
        canonical = str(Spec.parse(part))
        assert str(Spec.parse(canonical)) == canonical


def _read_space(content: bytes) -> None:
    try:
        options = json.loads(content)
        levels = options.pop("levels")
        small = isinstance(levels, list) and len(levels) < 100 and all(type(n) is int and n < 5000 for n in levels)
        numbers = all(type(options.pop(name, 0.0)) in (int, float) for name in ("low", "high"))
        if not small or not numbers or options.keys() - {"grid"}:
            return
    except (ValueError, KeyError, AttributeError, RecursionError, TypeError):
        return
    space = Space(**json.loads(content))
    candidates = space.sample(8, np.random.default_rng(0))
    assert np.array_equal(space.check(candidates), candidates)
    latents = space.decode(candidates)
    if np.isfinite(latents).all():
        assert np.array_equal(space.decode(space.nearest(latents)), latents)


def _read_message(content: bytes) -> None:
    source = BytesIO(content)

    def exactly(count: int) -> bytes:
        part = source.read(count)
        if len(part) < count:
            raise BadMessage("too short")
        return part

    with contextlib.suppress(BadMessage):
        unpack(exactly, 64)


def _point() -> Reference:
    return Reference(
        fingerprint="print", chance=0.1, chance_q99=0.2, natural=None, natural_index=None, best=0.5, candidate=(1, 2),
        provenance="measured", round_trip=RoundTrip(0.3, 7, (3, 4)),
    )  # fmt: skip


def _references(folder: Path) -> Iterator[Reader]:
    from amb.catalogue.reference_points import References, save

    file = folder / "references.json"
    save(References("quick-1", {"p/q/r/0": _point()}, ("p/q/r/1",), 2), file)
    yield Reader("references", (file.read_bytes(),), _in(file, lambda: load_references(file)))


def _arrays(folder: Path) -> Iterator[Reader]:
    """What `amb references --state` stores: responses and points."""
    from amb.references.resume import Cache
    from amb.study.untrusted import load_array

    file, most = folder / "array.npy", 1 << 20
    seeds = []
    for array in (np.arange(12.0).reshape(3, 4), np.arange(6, dtype=np.uint8), np.float64(1.5)):
        np.save(file, array)
        seeds.append(file.read_bytes())

    def read_array() -> None:
        with contextlib.suppress(ValueError):
            assert load_array(file, most).nbytes <= most

    yield Reader("array", tuple(seeds), _in(file, read_array))
    cache = Cache(folder / "cache")

    def unmeasured() -> Reference:
        raise AmbError("not measured")

    stored = cache._file(["p", "print", repr(None)], "json")
    assert stored is not None
    text = json.dumps(asdict(_point())).encode()
    yield Reader("cached_point", (text,), _in(stored, lambda: cache.point("p", "print", None, unmeasured)))


def _responses(folder: Path) -> Iterator[Reader]:
    """What a rig writes: one reader for each format, and variables of MATLAB below their compression."""
    from scipy.io import savemat

    from amb.lab.experiment import Experiment, Search
    from amb.lab.response_files import read_responses

    neurons = Experiment("toy", ("a", "b"), 100, (Search("cma", ("a",)),))
    cells = np.empty((2, 2), dtype=object)
    cells[:] = [[np.array([60.0, 70.0]), 80.0], [np.zeros(0), np.nan]]
    wide = {"trial": [1.0, 2.0], "a": [0.5, np.nan], "b": [1.5, 2.5]}
    spikes = {"trial": [1.0, 2.0], "spikes": cells, "info": {"rig": "two"}}
    long = pa.table({"trial": [1, 1], "neuron": ["a", "b"], "response": [0.5, None], "rejected": [False, True]})
    lists = pa.table({"trial": [1, 2], "neuron": ["a", "a"], "spikes": [[60.0, 70.0], []]})

    def mat(variables: dict, *, packed: bool) -> bytes:
        sink = BytesIO()
        savemat(sink, variables, do_compression=packed)
        return b"MATLAB 5.0 MAT-file".ljust(116) + sink.getvalue()[116:]  # without the date

    def parquet(table: pa.Table, compression: str) -> bytes:
        sink = BytesIO()
        pq.write_table(table, sink, compression=compression)
        return sink.getvalue()

    seeds = {
        "csv": (b"trial,a,b,rejected\n1,3.5,2,0\n2,NaN,4.25,1\n", b"trial;neuron;spikes\n1;a;1,5 60\n1;b;\n"),
        "parquet": tuple(parquet(table, kind) for table in (long, lists) for kind in ("none", "zstd")),
        "mat": tuple(mat(variables, packed=packed) for variables in (wide, spikes) for packed in (False, True)),
    }
    for kind, contents in seeds.items():
        file = folder / f"responses.{kind}"
        yield Reader(f"responses_{kind}", contents, _in(file, lambda file=file: read_responses(file, neurons)))


def _published_record(record: RunRecord, trace: Trace, published: Path) -> Iterator[Reader]:
    """A published study whose file is sound and whose record and lists are not."""
    table = pq.read_table(published)
    folder = published.parent.with_name("published-record")
    folder.mkdir()
    (folder / "manifest.json").write_bytes((published.parent / "manifest.json").read_bytes())

    def read(content: bytes) -> None:
        text = content.decode(errors="replace")
        place = table.schema.get_field_index("record")
        pq.write_table(table.set_column(place, table.schema.field(place), pa.array([text])), folder / "runs.parquet")
        for found, trace in PublishedStudy(folder).records():
            found.check(trace)

    yield Reader("published_record", (record.to_json().encode(),), read)

    lists = {name: table[name][0].values for name in ("rows", "batches", "candidates")}

    def read_lists(content: bytes) -> None:
        numbers, changed = np.frombuffer(content[: len(content) // 8 * 8], "<i8"), table
        for name, values in lists.items():
            own, numbers = numbers[: len(values)], numbers[len(values) :]
            low, high = np.iinfo(values.type.to_pandas_dtype()).min, np.iinfo(values.type.to_pandas_dtype()).max
            place = table.schema.get_field_index(name)
            mutated = pa.array([np.clip(own, low, high)], pa.list_(values.type))
            changed = changed.set_column(place, table.schema.field(place), mutated)
        pq.write_table(changed, folder / "runs.parquet")
        list(PublishedStudy(folder).records())

    seed = b"".join(np.asarray(values).astype("<i8").tobytes() for values in lists.values())
    yield Reader("published_lists", (seed,), read_lists)


def _read_published_manifest(folder: Path) -> None:
    study = PublishedStudy(folder)
    study.manifest.settings.complete(folder)
    changes(study.manifest, [PLAN], [PLAN])


def _training(folder: Path) -> Iterator[Reader]:
    import torch

    from amb_problems.training.state import load_state, save_state

    file = folder / "state.safetensors"
    save_state(file, {"weight": torch.arange(6.0), "step": torch.tensor(3)}, {"seed": 0, "seconds": 1.5})
    yield Reader("training_state", (file.read_bytes(),), _in(file, lambda: load_state(file)))


def _checkpoint(folder: Path) -> Iterator[Reader]:
    """Tensors and card; the card's digest is made to fit, as a third party's would."""
    import hashlib

    import torch

    from amb_problems import checkpoint
    from amb_problems.cards import SNGANCard, SNGANShape

    path = folder / "net"
    tensors_saved = {"weight": torch.arange(12.0).reshape(3, 4), "scale": torch.ones(3)}
    checkpoint.save(path, tensors_saved, SNGANCard(shape=SNGANShape()))
    tensors, card = Path(f"{path}.safetensors"), Path(f"{path}.card.json")
    facts, whole = json.loads(card.read_bytes()), tensors.read_bytes()

    def load_tensors(content: bytes) -> None:
        tensors.write_bytes(content)
        card.write_text(json.dumps(facts | {"sha256": hashlib.sha256(content).hexdigest()}))
        checkpoint.load(path)

    def load_card(content: bytes) -> None:
        tensors.write_bytes(whole)
        card.write_bytes(content)
        checkpoint.load(path)

    yield Reader("tensors", (whole,), load_tensors)
    yield Reader("card", (card.read_bytes(),), load_card)


def attempt(reader: Reader, content: bytes) -> None:
    """Read once; only an `AmbError` is suppressed."""
    with watched(), contextlib.suppress(AmbError):
        reader.read(content)


def seeded(reader: Reader, seed: int) -> bytes:
    """The mutated input of a seed."""
    return mutate(reader.seeds, np.random.default_rng(seed))


if os.name != "posix":  # pragma: no cover - signals and /proc
    raise SystemExit("the fuzzers need a Unix system")
