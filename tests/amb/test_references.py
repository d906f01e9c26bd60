import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from importlib.metadata import EntryPoint, EntryPoints
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import amb
from amb import Family, FunctionProblem, Space, Suite
from amb.catalogue import plugins
from amb.catalogue.problems import problem
from amb.catalogue.reference_points import References, file_of, load, of_earlier_versions, save, stored_points
from amb.catalogue.suites import suite
from amb.contracts.reference import Reference, RoundTrip
from amb.errors import DataError, PluginError
from amb.references.adam import Adam
from amb.references.ascent import Effort, ascend
from amb.references.improve import improved
from amb.references.lookup import reference
from amb.references.measure import measure
from amb.references.resume import Cache
from amb.study.published import PublishedStudy, publish

POINT = Reference("f", 0.1, 0.2, 0.5, 7, 0.9, (1, 2), "by hand")


SPACE = Space.uniform(4, 16)


class Lamp(FunctionProblem):
    """Answers an image by the brightness of one pixel; unit 2 never does."""

    group = "lamps"  # type: ignore[assignment]

    @classmethod
    def respond_together(cls, problems, images):  # type: ignore[no-untyped-def]
        units = [int(p.id.split("/")[3]) for p in problems]
        return np.stack([images.reshape(len(images), -1)[:, unit] / 255 * (unit != 2) for unit in units], axis=1)


class Lamps(Family):
    def layers(self) -> Mapping[str, int]:
        return {"only": 3}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> Lamp:
        return Lamp(lambda candidates: candidates[:, unit] / 15 * (unit != 2), SPACE, id=f"lamps/wall/{layer}/{unit}")

    def natural_images(self, data: Path | None) -> np.ndarray:
        images = np.zeros((5, 2, 2, 1), np.uint8)
        images[3] = 204
        return images


def test_reference_points_survive_the_disk_and_damage_is_found(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "mine-1.json"
    written = References("mine-1", {"a/b/c/0": POINT}, ("a/b/c/4",), 5)
    save(written, file)
    assert load(file) == written
    file.write_text(file.read_text().replace("0.9", "0.8"))
    with pytest.raises(DataError, match="damaged"):
        load(file)
    with pytest.raises(DataError, match="no reference points"):
        load(tmp_path / "none.json")


def test_reference_points_that_are_too_many_to_be_read_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amb.catalogue.reference_points.LARGEST", 1000)
    with pytest.raises(DataError, match=r"mine-1\.json would have 0 MiB; the limit is"):
        save(References("mine-1", {f"a/b/c/{i}": POINT for i in range(10)}), tmp_path / "mine-1.json")
    assert not list(tmp_path.iterdir())


def test_measuring_finds_chance_the_natural_image_the_best_and_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Lamps()
    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: family)
    lamps = Suite("lamps", 1, ("lamps/wall/only/0", "lamps/wall/only/1"), 10, 1, "")
    (found,) = measure([lamps], data=None, device="cpu", effort=Effort(prior=1000), progress=lambda words: None)
    point = found.points["lamps/wall/only/1"]
    assert 0.3 < point.chance < 0.7
    assert point.chance < point.chance_q99 < 1
    assert (point.natural, point.natural_index) == (0.8, 3)
    assert point.best == 1
    assert point.candidate[1] == 15
    assert point.round_trip is None
    assert found.dead == ("lamps/wall/only/2",)
    assert found.searched == 3


def test_failed_queries_count_in_no_reference_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One NaN of 2,000 made chance NaN, in a file that every later report refused."""
    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: Lamps())

    class Failing(Lamp):
        @classmethod
        def respond_together(cls, problems, images):  # type: ignore[no-untyped-def]
            found = super().respond_together(problems, images)
            fails = (images.reshape(len(images), -1)[:, :1] > 200) | np.array([p.id.endswith("/0") for p in problems])
            return np.where(fails, np.nan, found)

    monkeypatch.setitem(globals(), "Lamp", Failing)
    lamps = Suite("lamps", 1, ("lamps/wall/only/0", "lamps/wall/only/1"), 10, 1, "")
    said: list[str] = []
    (found,) = measure([lamps], data=None, device="cpu", effort=Effort(prior=1000), progress=said.append)
    assert "lamps/wall/only/0: left out, since all random latents are failed queries (NaN)" in said
    assert set(found.points) == {"lamps/wall/only/1"}
    point = found.points["lamps/wall/only/1"]
    assert 0.3 < point.chance < 0.7
    assert point.best == 1
    assert (point.natural, point.natural_index) == (0, 0)  # the brightest image fails
    save(found, tmp_path / "lamps-1.json")
    assert load(tmp_path / "lamps-1.json") == found


def test_no_reference_points_are_written_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lamps-1\.json could not be read again .*activations must be numbers"):
        save(References("lamps-1", {"a/b/c/0": replace(POINT, best=float("nan"))}), tmp_path / "lamps-1.json")
    assert not list(tmp_path.iterdir())


def test_natural_images_are_measured_as_the_generator_shows_them_where_it_has_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that loses a fifth of the light: the best image keeps its number, not its value."""
    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: Lamps())

    class Encoding(Lamp):
        def encode(self, images: np.ndarray) -> np.ndarray:
            return (images.reshape(len(images), -1) // 17 * 4 // 5).astype(np.int64)

    monkeypatch.setitem(globals(), "Lamp", Encoding)
    lamps = Suite("lamps", 1, ("lamps/wall/only/1",), 10, 1, "")
    (found,) = measure([lamps], data=None, device="cpu", effort=Effort(prior=1000), progress=lambda words: None)
    trip = found.points["lamps/wall/only/1"].round_trip
    assert trip == RoundTrip(9 / 15, 3, (9, 9, 9, 9))
    provenance = found.points["lamps/wall/only/1"].provenance
    assert "5 natural images through the encoder" in provenance
    assert "ascent" not in provenance  # a lamp has no gradients
    save(found, tmp_path / "lamps-1.json")
    assert load(tmp_path / "lamps-1.json") == found


def test_a_measurement_with_other_images_measures_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best natural image of the first data set was handed out for the second."""
    family = Lamps()
    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: family)
    lamps = Suite("lamps", 1, ("lamps/wall/only/1",), 10, 1, "")
    settings = {"data": None, "device": "cpu", "effort": Effort(prior=1000), "progress": lambda words: None}
    measure([lamps], **settings, state=tmp_path)  # type: ignore[arg-type]
    images = family.natural_images(None)
    monkeypatch.setattr(family, "natural_images", lambda data: images[:2])
    (again,) = measure([lamps], **settings, state=tmp_path)  # type: ignore[arg-type]
    assert measure([lamps], **settings) == [again]  # type: ignore[arg-type]


def test_a_killed_measurement_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is read again, and the result is that of an undisturbed call; suites share their passes."""
    family, shown, killed_after = Lamps(), 0, 3

    class Fragile(Lamp):
        @classmethod
        def respond_together(cls, problems, images):  # type: ignore[no-untyped-def]
            nonlocal shown
            shown += 1
            if shown == killed_after:
                raise KeyboardInterrupt
            return super().respond_together(problems, images)

    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: family)
    suites = [Suite(name, 1, (f"lamps/wall/only/{name}",), 10, 1, "") for name in ("0", "1")]
    settings = {"data": None, "device": "cpu", "effort": Effort(prior=2000), "progress": lambda words: None}
    undisturbed = measure(suites, **settings)  # type: ignore[arg-type]
    monkeypatch.setitem(globals(), "Lamp", Fragile)
    with pytest.raises(KeyboardInterrupt):
        measure(suites, **settings, state=tmp_path)  # type: ignore[arg-type]
    assert measure(suites, **settings, state=tmp_path) == undisturbed  # type: ignore[arg-type]
    assert shown == 4  # two blocks of latents, one of images, and the one that was lost
    assert [found.suite for found in undisturbed] == ["0-1", "1-1"]


@pytest.mark.parametrize(
    "change",
    [{"fingerprint": "other"}, {"chance": 10**400}, {"best": 1e300}, {"natural": float("nan")}],
    ids=lambda change: next(iter(change)),
)
def test_a_measurement_that_was_exchanged_is_refused(tmp_path: Path, change: dict) -> None:
    """Written anew with the right digest: that of another problem, or with numbers that no activation is."""
    cache = Cache(tmp_path)
    point = Reference("print", 0.1, 0.2, 0.2, 3, 0.3, (0,) * 6, "")
    assert cache.point("0", "print", None, lambda: point) == point
    (file,) = tmp_path.iterdir()
    content = json.dumps(asdict(point) | change).encode()
    file.write_bytes(content + b"\nsha256 " + sha256(file.name.encode() + content).hexdigest().encode())
    with pytest.raises(DataError, match=r"is damaged .*; delete it"):
        cache.point("0", "print", None, lambda: point)


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_stored_responses_that_no_activation_is_are_refused(tmp_path: Path, value: float) -> None:
    cache, images = Cache(tmp_path), np.zeros((2, 1, 1, 3), np.uint8)
    with pytest.raises(DataError, match="infinite or too large"):
        cache.responses([Lamps().problem("only", 0)], images, lambda: np.full((2, 1), value))


def test_what_has_changed_on_disk_is_no_measurement(tmp_path: Path) -> None:
    """Cut anywhere, with any byte changed, or under another's name; what version 0.1 stored has no digest."""
    cache, images = Cache(tmp_path), np.zeros((2, 1, 1, 3), np.uint8)
    lamp = Lamps().problem("only", 0)
    point = Reference("print", 0.1, 0.2, None, None, 0.3, (0,) * 6, "")
    measure_both = (
        lambda name: cache.responses([lamp], images + int(name), lambda: np.ones((2, 1))).tolist(),
        lambda name: cache.point(name, "print", None, lambda: point),
    )
    rng = np.random.default_rng(0)
    for measured in measure_both:
        before, found = {*tmp_path.iterdir()}, measured("0")
        (file,) = {*tmp_path.iterdir()} - before
        content = file.read_bytes()
        seal = len(content) - 72
        cuts = [
            content[:size] for size in (*np.linspace(0, seal - 1, 10, dtype=int), *range(seal + 2, len(content), 8))
        ]
        places = rng.choice(len(content), 50, replace=False)
        flips = [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in places]
        for damaged in [*cuts, *flips]:
            file.write_bytes(damaged)
            with pytest.raises(DataError, match=r"is damaged .*; delete it"):
                measured("0")
        file.write_bytes(content[:seal])
        assert measured("0") == found
        file.write_bytes(content)
        before = {*tmp_path.iterdir()}
        assert measured("1") == found
        (other,) = {*tmp_path.iterdir()} - before
        other.write_bytes(content)
        with pytest.raises(DataError, match="not those that were written under its name"):
            measured("1")


def test_a_study_raises_the_best_known_values(tmp_path: Path, toy: Path) -> None:
    """Noisy runs count with their values without noise; runs on other weights count for nothing."""
    from amb.comparison.compare import compare

    name = "toy/bowl/near/0"
    made = compare("random", f"{name}[noise=gaussian,std=3]", budget=40, seeds=1, study=tmp_path)
    point = Reference(problem(name).fingerprint, 0, 0, None, None, 0.0, (0,) * 6, "")
    raised = improved(References("toy-1", {name: point}), made.study).references.points[name]
    ((_, clean),) = made.traces.items()
    assert raised.best == clean.max()
    assert problem(name).evaluate([raised.candidate])[0] == raised.best
    assert "random" in raised.provenance
    for other in (replace(point, fingerprint="other"), replace(point, best=1.0)):
        assert improved(References("toy-1", {name: other}), made.study).references.points[name] == other


def test_a_published_study_raises_what_it_holds_the_candidates_of(tmp_path: Path, toy: Path) -> None:
    """With noise, it keeps the candidate of the highest value without noise rarely, and the recommended one always."""
    from amb.comparison.compare import compare

    name = "toy/bowl/near/0"
    made = compare("random", f"{name}[noise=gaussian,std=3]", budget=40, seeds=4, study=tmp_path / "st")
    publish(made.study, tmp_path / "published")
    study = PublishedStudy(tmp_path / "published")
    point = Reference(problem(name).fingerprint, 0, 0, None, None, 0.0, (0,) * 6, "")
    found = improved(References("toy-1", {name: point}), study)
    raised = found.references.points[name]
    kept = [trace.clean[trace.kept].max(initial=-1) for _, trace in study.records()]
    assert raised.best == max([*kept, *(record.final for record, _ in study.records())])
    assert problem(name).evaluate([raised.candidate])[0] == raised.best
    assert raised.best < max(trace.max() for trace in made.traces.values())
    assert found.unknown == (name,)
    assert not improved(found.references, made.study).unknown


def test_ascent_beats_its_starts_and_is_exact() -> None:
    made = problem("cifar10-sngan-int8/snn-cnn/sn1/29")
    draws = made.space.sample_prior(16, np.random.default_rng(0))
    values = made.evaluate(draws)
    effort = Effort(starts=2, steps=5, mutations=1)
    best, candidate = ascend(made, draws, values, effort)
    assert best > values.max()
    assert made.evaluate(candidate[None])[0] == best


def test_adam_takes_the_textbooks_steps_and_climbers_restart_alone() -> None:
    """As torch's Adam with the same decays; one that restarts moves as a fresh one does."""
    torch = pytest.importorskip("torch")
    slopes = np.random.default_rng(0).standard_normal((6, 3, 5))
    adam, fresh = Adam(3, 5, rate=0.2), Adam(1, 5, rate=0.2)
    point = torch.zeros(3, 5, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([point], lr=0.2, betas=(0.9, 0.99), eps=1e-8, maximize=True)
    ours = np.zeros((3, 5))
    for slope in slopes[:3]:
        ours += adam.step(slope)
        point.grad = torch.from_numpy(slope)
        theirs.step()
    assert ours == pytest.approx(point.detach().numpy(), rel=1e-12)
    adam.restart(np.array([False, True, False]))
    for slope in slopes[3:]:
        assert np.array_equal(adam.step(slope)[1:2], fresh.step(slope[1:2]))


def test_a_study_of_an_earlier_version_of_a_suite_keeps_its_reference_points() -> None:
    """`quick-1` had the SN-GAN in floating point, `quick-2` has it in integers; each has points of its own."""
    earlier, now = "cifar10-sngan/snn-cnn/sn1/29", "cifar10-sngan-int8/snn-cnn/sn1/29"
    assert earlier not in suite("quick").problems
    assert [found.suite for found in of_earlier_versions("quick")] == ["quick-1"]
    points = [reference(name, fingerprint=problem(name).fingerprint) for name in (earlier, now)]
    assert None not in points
    assert points[0] != points[1]


def test_a_damaged_file_of_one_suite_ends_only_what_is_about_its_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference points of a third party's suite, cut short, ended every comparison on the machine."""
    package = tmp_path / "hurt_suite"
    (package / "references").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import amb\nHURT = amb.Suite('hurt', 2, ('not an id[', 'a/b/c/0[noise=gaussian]'), 10, 1, 'damaged')\n"
    )
    for version in (1, 2):
        (package / "references" / f"hurt-{version}.json").write_text('{"schema": 1, "sha')
    monkeypatch.syspath_prepend(tmp_path)
    [own] = [entry for entry in plugins.entry_points().select(group="amb.suites") if entry.name == "quick"]
    entries = EntryPoints([own, EntryPoint("hurt", "hurt_suite:HURT", "amb.suites")])
    monkeypatch.setattr(plugins, "entry_points", lambda: entries)
    plugins._installed.cache_clear()
    suite.cache_clear()
    name, point = next(iter(load(file_of("quick")).points.items()))
    try:
        assert stored_points(name)[0] == point
        with pytest.raises(DataError, match=r"hurt-2\.json holds no reference points"):
            stored_points("a/b/c/0")
        (package / "references" / "hurt-2.json").unlink()
        with pytest.raises(DataError, match=r"hurt-1\.json holds no reference points"):
            stored_points("a/b/c/0")
    finally:
        monkeypatch.undo()
        plugins._installed.cache_clear()
        suite.cache_clear()


@pytest.mark.parametrize("called", ["alpha", "zeta", "quick"])
def test_installing_a_suite_changes_no_reference_points_of_other_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str
) -> None:
    """The first suite by name counted: its lower best known values changed scores, verdicts and noise of `quick`."""
    name, point = next(iter(load(file_of("quick")).points.items()))
    package = tmp_path / f"suite_{called}"
    package.mkdir()
    (package / "__init__.py").write_text(f"import amb\nOURS = amb.Suite({called!r}, 9, ({name!r},), 10, 1, 'ours')\n")
    ours = replace(point, best=(point.chance + point.best) / 2)
    save(References(f"{called}-9", {name: ours, "of/others/c/0": ours}), package / "references" / f"{called}-9.json")
    monkeypatch.syspath_prepend(tmp_path)
    added = EntryPoint(called, f"suite_{called}:OURS", "amb.suites")
    registered = (plugins.entry_points().select(group=f"amb.{kind}") for kind in plugins.KINDS)
    entries = EntryPoints([added, *chain.from_iterable(registered)])
    monkeypatch.setattr(plugins, "entry_points", lambda: entries)
    plugins._installed.cache_clear()
    suite.cache_clear()
    try:
        first, *_, last = stored_points(name)
        assert (first, last) == (point, ours)
        assert stored_points("of/others/c/0") == [ours]
    finally:
        monkeypatch.undo()
        plugins._installed.cache_clear()
        suite.cache_clear()


def test_a_suite_that_cannot_be_used_spoils_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every comparison on the machine ended after its runs; a suite of a built-in one's name took its points."""
    [own] = [entry for entry in plugins.entry_points().select(group="amb.suites") if entry.name == "quick"]
    entries = [
        own,
        EntryPoint("absent", "no_such_module:X", "amb.suites"),
        EntryPoint("misnamed", own.value, "amb.suites"),
        EntryPoint("quick", "no_such_module:X", "amb.suites"),
    ]
    name, point = next(iter(load(file_of("quick")).points.items()))
    monkeypatch.setattr(plugins, "entry_points", lambda: EntryPoints(entries))
    plugins._installed.cache_clear()
    suite.cache_clear()
    try:
        assert stored_points(name)[0] == point
        with pytest.raises(PluginError, match=r"'misnamed' of .* calls itself 'quick'"):
            suite("misnamed")
        with pytest.raises(PluginError, match="two suites are called 'quick'"):
            suite("quick")
    finally:
        monkeypatch.undo()
        plugins._installed.cache_clear()
        suite.cache_clear()


@pytest.mark.usefixtures("toy")
def test_damaged_reference_points_are_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All runs were made first, and then no table."""

    def damaged(_: str) -> list[Reference]:
        raise DataError("toy-1.json is damaged")

    monkeypatch.setattr("amb.references.lookup.stored_points", damaged)
    with pytest.raises(DataError, match="is damaged"):
        amb.compare("random", "toy/bowl/near/0", budget=5, seeds=1, study=tmp_path / "study")
    assert not (tmp_path / "study").exists()
