"""What is measured for most exciting inputs, on a study of two solvers, two seeds and two layers of a small network."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import command
from matplotlib.animation import FFMpegWriter
from PIL import Image

import amb
from amb.catalogue.families import compose
from amb.contracts.natural import SHARES, NaturalResponses
from amb.contracts.space import Space
from amb.errors import AmbError, DataError, SpecError, StudyError
from amb.meis import columns, distances
from amb.meis.classes import normalized_entropy
from amb.meis.distances import MOST_PAIRS, latent_distances, pairs_of, similarities, yardstick
from amb.meis.evolution import STILL, animate
from amb.meis.found import Found, found_in
from amb.meis.layers import ratio_table
from amb.meis.measure import Measures, _classes, measure_all
from amb.meis.units import histogram, layer_activations, layer_scan, natural_responses, shares_of
from amb.run.execute import execute
from amb.spec import ProblemId
from amb.study.manifest import Settings
from amb.study.published import open_study
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb_reports.page.evolutions import best_images

pytestmark = pytest.mark.usefixtures("one_thread")

PROBLEMS = "mnist-sngan/mnist-snn/sn1/10..11,mnist-sngan/mnist-snn/out/8"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meis") / "study"
    amb.compare("random,one-plus-lambda", PROBLEMS, budget=30, seeds=2, study=folder)
    return folder


@pytest.fixture(scope="module")
def measures(study: Path) -> Measures:
    return amb.analyse(study)


def test_there_is_one_input_for_each_run_and_every_column_is_documented(measures: Measures) -> None:
    assert len(measures.meis) == 3 * 2 * 2
    assert [*measures.meis.columns] == ["run_id", *columns.MEIS, *columns.NATURAL, *columns.CLASSES]
    assert [*measures.distances.columns] == [*columns.DISTANCES]
    assert [*measures.layers.columns] == [*columns.LAYERS]
    assert measures.meis.groupby("problem")["best"].sum().tolist() == [1, 1, 1]
    assert [*measures.layers["layer"]] == ["sn1", "out"], "layers are in the network's order"


def test_runs_asked_for_with_fewer_queries_are_measured_as_they_stood_then(tmp_path: Path) -> None:
    """A folder that served a larger effort and other solvers gives the same measures of the smaller effort."""
    problem = "mnist-sngan/mnist-snn/out/8"
    small = amb.compare("random", problem, budget=10, study=tmp_path / "small")
    amb.compare("random,one-plus-lambda", problem, budget=40, study=tmp_path / "large")
    alone = found_in(open_study(tmp_path / "small"), runs=small.plan.runs)
    among = found_in(open_study(tmp_path / "large"), runs=small.plan.runs)
    pd.testing.assert_frame_equal(alone.table, among.table)
    pd.testing.assert_frame_equal(alone.traces(), among.traces())


def test_runs_of_an_earlier_network_or_solver_are_left_out(tmp_path: Path) -> None:
    """A study keeps them; the old network's input counted as the best, though the new one responds less to anything."""

    def network(gain: float) -> amb.FunctionProblem:
        space = amb.Space.uniform(4, 8)
        return amb.FunctionProblem(
            lambda rows: gain * rows.mean(axis=1), space, id="toy/net/out/0", version=f"{gain:g}"
        )

    study, now = Study(tmp_path), network(1.0)
    for solver, version, neuron in (("cma", "1", network(5.0)), ("random", "0", now), ("random", "1", now)):
        plan = RunPlan("toy/net/out/0", neuron.fingerprint, solver, version, 0, 20)
        study.describe([plan], Settings())
        execute([plan], study, lambda _: neuron)  # noqa: B023
    found = found_in(study, lambda _: now)
    assert found.table["run_id"].tolist() == [plan.run_id]
    assert found.table["best"].tolist() == [True]
    assert found.notes == (
        "1 run of networks or grids that have changed since is left out",
        "1 run of earlier versions of solvers is left out",
    )
    with pytest.raises(StudyError, match=r"of toy/net/out/0 have changed since its runs"):
        found_in(study, lambda _: network(2.0))


def test_the_guide_lists_every_column() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "atlas.md").read_text(encoding="utf-8")
    tables = (columns.MEIS, columns.NATURAL, columns.CLASSES, columns.DISTANCES, columns.YARDSTICKS, columns.LAYERS)
    for table in (*tables, columns.RATIOS):
        for name, meaning in table.items():
            assert f"| `{name}` | {meaning} |" in guide


def test_the_activation_is_that_of_the_image(measures: Measures) -> None:
    """The recommended input, drawn again and shown again, gives the activation in the table."""
    images = measures.found.images()
    for (layer, unit), rows in measures.meis.groupby(["layer", "unit"]):
        seen = layer_activations("mnist-sngan/mnist-snn", layer, images[rows.index])
        assert seen[:, int(unit)] == pytest.approx(rows["activation"].to_numpy())


def test_the_percentile_is_the_share_of_images_with_a_lower_activation() -> None:
    """Of the reduced responses, within the distance of two quantiles; above every image, and there only, it is 100."""
    rng = np.random.default_rng(0)
    responses = rng.gamma(2.0, size=(5000, 3))
    labels = rng.integers(0, 2, 5000)
    known = NaturalResponses.measured("f", [("a", 0), ("a", 1), ("b", 0)], responses, labels, ("x", "y"))
    for row in range(3):
        for activation in (0.5, 2.0, 5.0):
            exact = 100 * (responses[:, row] < activation).mean()
            assert known.percentile(row, activation) == pytest.approx(exact, abs=0.3)
        assert known.percentile(row, responses[:, row].max()) == pytest.approx(100 * (1 - 1 / 5000))
        assert known.percentile(row, responses[:, row].max() + 0.1) == 100
        assert known.percentile(row, -1.0) == 0
        assert known.best[row] == responses[:, row].argmax()
        assert known.mean(row) == pytest.approx(responses[:, row].mean(), rel=0.02)


def test_an_input_is_not_above_images_that_saturate_the_unit_as_it_does() -> None:
    """A tenth of the images drove a unit to 1.0, and so did the input: it was called better than all of them."""
    responses = np.minimum(np.linspace(0, 1 / 0.9, 1000), 1.0)[:, None]
    known = NaturalResponses.measured("f", [("a", 0)], responses, None, ())
    assert known.percentile(0, 1.0) == pytest.approx(100 * (responses < 1).mean(), abs=2)
    assert known.percentile(0, 0.5) == pytest.approx(100 * (responses < 0.5).mean(), abs=0.3)


def test_the_stored_responses_survive_a_file(tmp_path: Path) -> None:
    responses = np.random.default_rng(0).random((100, 2))
    known = NaturalResponses.measured("f", [("a", 0), ("a", 1)], responses, np.arange(100) % 2, ("x", "y"))
    np.savez(tmp_path / "r.npz", **known.arrays())
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        again = NaturalResponses.from_arrays(dict(arrays))
    assert again.units == known.units
    assert (again.quantiles == known.quantiles).all()
    with pytest.raises(ValueError, match="shapes"):
        NaturalResponses.from_arrays({**known.arrays(), "best": known.best[:1]})


def test_selectivity_and_preferred_class() -> None:
    """1 for a unit that a single class drives, 0 for one that all drive alike, none for a dead one."""
    labels = np.arange(90) % 3
    responses = np.stack([(labels == 1) * 1.0, np.ones(90) + (np.arange(90) < 45), np.zeros(90)], axis=1)
    known = NaturalResponses.measured("f", [("a", i) for i in range(3)], responses, labels, ("x", "y", "z"))
    assert known.preferred(0) == 1
    assert known.selectivity(0) == 1
    assert known.selectivity(1) == 0
    assert known.preferred(2) is None
    assert np.isnan(known.selectivity(2))
    assert [known.dead(row) for row in range(3)] == [False, False, True]


def test_the_shipped_responses_belong_to_the_shipped_weights(measures: Measures) -> None:
    """Every unit of the network has them, and class units prefer their own class."""
    responses = natural_responses("mnist-sngan/mnist-snn/out/8")
    assert {unit for unit in responses.units if unit[0] == "out"} == {("out", i) for i in range(10)}
    assert len(responses.units) == sum(amb.target("mnist-snn").layers.values())
    assert [responses.preferred(responses.row["out", i]) for i in range(10)] == list(range(10))
    shares, edges = histogram("mnist-sngan/mnist-snn/out/8", bins=20)
    assert shares.sum() == pytest.approx(1)
    assert len(edges) == 21
    assert measures.meis["percentile"].between(0, 100).all()
    assert measures.meis.loc[measures.meis["layer"] == "out", "natural_class"].unique() == ["8"]


def test_a_histogram_of_several_units_is_refused_in_words() -> None:
    with pytest.raises(SpecError, match=r"the mean of several units .* name one of 3\+7"):
        histogram("mnist-sngan/mnist-snn/out/3+7")


def test_shares_of_a_histogram_come_back_from_the_quantiles() -> None:
    values = np.random.default_rng(1).normal(size=10_000)
    shares, edges = shares_of(np.quantile(values, SHARES), 10)
    expected = np.histogram(values, edges)[0] / len(values)
    assert shares == pytest.approx(expected, abs=0.02)


def test_entropy_is_0_for_a_certain_class_and_1_for_the_uniform_distribution() -> None:
    probabilities = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    assert normalized_entropy(probabilities) == pytest.approx([0, 1, 0.5])


def test_class_probabilities_are_averaged_over_noisy_presentations() -> None:
    """Under noise a presentation differs from the next; their mean is what is returned, and the seed fixes it."""
    clean, noisy = (amb.problem(f"mnist-sngan/mnist-snn/out/8{noise}") for noise in ("", "[input=bernoulli]"))
    images = clean.images(clean.space.sample_prior(3, np.random.default_rng(0)))
    assert clean.classify(images).sum(axis=1) == pytest.approx([1, 1, 1])
    one, mean = noisy.classify(images), noisy.classify(images, presentations=4)
    assert (one != mean).any()
    assert (noisy.classify(images, presentations=4) == mean).all()
    assert mean.sum(axis=1) == pytest.approx([1, 1, 1])


def test_each_input_is_classified_as_its_own_problem_shows_it(tmp_path: Path) -> None:
    """Whatever else the study holds: still, or under its own noise; with `noise`, all under that."""
    still = "mnist-sngan/mnist-snn/out/8"
    noisy = [f"{still}[input=bernoulli]", f"{still}[deviation=90,input=gaussian]"]
    amb.compare("random", [still, *noisy], budget=5, seeds=2, study=tmp_path / "s")
    found = amb.analyse(tmp_path / "s", presentations=3)
    for name, rows in found.meis.groupby("problem"):
        problem = amb.problem(str(name))
        images = found.found.images(rows)
        expected = problem.classify(images, presentations=3)
        assert (np.stack(rows["probabilities"].tolist()) == expected).all(), name
        assert problem.id == still or (expected != amb.problem(still).classify(images)).any(), name
    alike = amb.analyse(tmp_path / "s", noise="gaussian", presentations=2)
    assert not alike.notes
    assert alike.meis["probability"].notna().all()


def test_every_pair_of_inputs_has_a_distance_and_random_pairs_are_its_yardstick(measures: Measures) -> None:
    assert len(measures.distances) == 3 * 6
    assert measures.distances.groupby("between").size().to_dict() == {"seeds": 6, "solvers": 12}
    stick = measures.yardsticks.iloc[0]
    shares = measures.distances["latent"] / stick["latent"]
    assert measures.distances["latent_share"].to_numpy() == pytest.approx(shares.to_numpy())
    # Two draws of a standard normal in 128 dimensions are 16 apart.
    assert stick["latent"] == pytest.approx(16, rel=0.02)


def test_of_many_inputs_some_pairs_are_drawn_and_a_note_says_so(
    measures: Measures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pairs of 600 inputs took 19 GB; those that are measured have the values that they had among all."""
    first, second = pairs_of(100_000)
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == MOST_PAIRS
    assert (first < second).all()
    assert second.max() < 100_000
    monkeypatch.setattr(distances, "PART", 1)
    monkeypatch.setattr(distances, "MOST_PAIRS", 4)
    monkeypatch.setattr("amb.meis.measure.MOST_PAIRS", 4)
    table = measures.found.table
    fewer = measure_all(replace(measures.found, table=table[table["layer"] == "sn1"]))
    assert fewer.distances.groupby("problem").size().tolist() == [4, 4]
    merged = fewer.distances.merge(measures.distances)
    pd.testing.assert_frame_equal(merged, fewer.distances)
    assert "of 6 pairs of its 4 inputs, distances of 4 are measured" in " ".join(fewer.notes)
    assert "and as many of 1 more problem" in " ".join(fewer.notes)


def test_distances_of_codes_without_order_count_those_that_differ() -> None:
    space = Space(np.full(4, 8, np.int64), kind="categorical")
    assert latent_distances(space, np.array([[0, 1, 2, 3]]), np.array([[0, 7, 2, 0]])) == [2]


def test_equal_images_have_similarity_1_also_flat_ones() -> None:
    rng = np.random.default_rng(0)
    images = np.concatenate([rng.integers(0, 256, (2, 4, 4, 3)), np.full((1, 4, 4, 3), 7)]).astype(np.uint8)
    assert similarities(images, images) == pytest.approx([1, 1, 1])
    assert similarities(images[:1], 255 - images[:1]) == pytest.approx([-1])


def searches(rows: list[tuple[str, str, int, float]], options: str = "") -> pd.DataFrame:
    """Inputs of one layer by generator, solver, unit and activation, under conditions."""
    table = pd.DataFrame(rows, columns=["generator", "solver", "unit", "activation"])
    problems = [f"{row.generator}/t/l/{row.unit}{options}" for row in table.itertuples()]
    return table.assign(problem=problems, target="t", layer="l", seed=0, budget=9)


def test_ratios_compare_units_that_both_generators_have() -> None:
    rows = [("a", "s", unit, 1.0 + unit) for unit in range(6)] + [("b", "s", unit, 0.5 + unit / 2) for unit in range(6)]
    rows.append(("b", "s", 6, 9.0))
    ratio = ratio_table(searches(rows)).iloc[0]
    assert (ratio["units"], ratio["ratio"]) == (6, 0.5)
    assert ratio["low"] == pytest.approx(0.5)


def test_ratios_compare_generators_by_the_solvers_that_search_both() -> None:
    """A third solver that refuses one generator's codes does not raise the other's activations.

    Nor does one with more seeds or more queries on one side, or under noise or with an input that the other had not.
    """
    equal = [(generator, solver, unit, 1.0) for generator in "ab" for solver in "st" for unit in range(6)]
    only_first = searches([("a", "u", unit, 3.0) for unit in range(6)])
    more_seeds = searches([("a", "s", unit, 3.0) for unit in range(6)]).assign(seed=1)
    more_queries = searches([("a", "s", unit, 3.0) for unit in range(6)]).assign(budget=99)
    otherwise = [
        searches([("a", "s", unit, 3.0) for unit in range(6)], options) for options in ("[noise=poisson]", "[input=x]")
    ]
    fair, *unfair = (
        ratio_table(pd.concat([searches(equal), more])).iloc[0].to_dict()
        for more in (searches([]), only_first, more_seeds, more_queries, *otherwise)
    )
    assert (fair["ratio"], fair["solvers"]) == (1, "s, t")
    assert unfair == [fair] * 5
    ones, noisy = (searches([(name, "s", unit, 1.0) for unit in range(6)]) for name in "ab")
    noisy["problem"] += "[lost=0.1,noise=poisson,spikes=5]"
    assert ratio_table(pd.concat([ones, noisy])).empty
    grids = noisy.assign(problem=noisy["problem"].str.replace("[", "[codes=principal,"), generator="c", activation=2.0)
    assert ratio_table(pd.concat([noisy, grids])).iloc[0]["ratio"] == 2


def test_generators_without_a_common_solver_are_not_compared() -> None:
    rows = [(generator, solver, unit, 1.0) for generator, solver in ("as", "bt") for unit in range(6)]
    assert ratio_table(searches(rows)).empty


def test_what_the_issue_promises_takes_at_most_three_lines(study: Path, measures: Measures, tmp_path: Path) -> None:
    images = measures.found.images()
    assert images.shape == (12, 28, 28, 1)
    assert measures.found.latents().shape == (12, 128)
    traces = measures.found.traces()
    assert [*traces.columns] == ["problem", "solver", "seed", "query", "value", "clean", "best"]
    assert len(traces) == 12 * 30
    best = traces.groupby(["problem", "solver", "seed"], sort=False)["best"].last()
    assert (best.to_numpy() <= measures.meis["activation"].to_numpy() + 1e-12).all()
    assert Image.open(tmp_path / "e.gif" if measures.found.evolution(0, tmp_path / "e.gif").any() else "").n_frames > 1
    candidates = amb.problem("mnist-sngan/mnist-snn/out/8").space.sample_prior(2, np.random.default_rng(0))
    scan = layer_scan("mnist-sngan/mnist-snn", candidates)
    assert scan.shape == (158, 4)


@pytest.mark.skipif(not FFMpegWriter.isAvailable(), reason="no ffmpeg on the path, which MP4 files need")
def test_an_mp4_shows_every_image(tmp_path: Path) -> None:
    """The file is read again by ffmpeg itself: as many frames as images, and the last one stays for a while."""
    images = np.stack([np.full((28, 28, 1), level, np.uint8) for level in (0, 80, 160, 240)])
    film = animate(images, tmp_path / "evolution.mp4")
    ffmpeg = [FFMpegWriter.bin_path(), "-loglevel", "error", "-i", str(film)]
    raw = subprocess.run([*ffmpeg, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(len(images) + STILL, -1)
    assert np.abs(frames.mean(axis=1)[:4] - [0, 80, 160, 240]).max() < 12
    assert np.ptp(frames.mean(axis=1)[3:]) < 4


IMAGES = np.zeros((3, 4, 4, 2), np.uint8)


@pytest.mark.parametrize(
    ("images", "seconds", "message"),
    [
        (IMAGES[:0], 0.25, r"one or more, not uint8 \[0, 4, 4, 2\]"),
        (IMAGES[0], 0.25, r"images uint8 \[frames, h, w, c\], .*not uint8 \[4, 4, 2\]"),
        (IMAGES / 1, 0.25, "not float64"),
        (IMAGES, -1, "seconds must be a number from 0.01 to 66.7 for 3 images, got -1"),
        (IMAGES, float("nan"), "seconds must be a number"),
        (IMAGES, 1e9, "seconds must be a number"),
        (IMAGES, "1", "seconds must be a number"),
    ],
)
def test_what_is_no_animation_is_refused(tmp_path: Path, images: np.ndarray, seconds: float, message: str) -> None:
    """One image was written as an animation of its rows."""
    with pytest.raises(SpecError, match=message):
        animate(images, tmp_path / "x.gif", seconds=seconds)
    assert not list(tmp_path.iterdir())


def test_an_animation_may_show_each_frame_as_long_as_is_said(tmp_path: Path) -> None:
    """Equal frames become one, whose time a GIF has 16 bits for; two channels are red and green."""
    with Image.open(animate(np.repeat(IMAGES[:1], 6, axis=0), tmp_path / "x.gif", seconds=50)) as film:
        assert film.info["duration"] == 1000 * 600


def test_without_ffmpeg_an_mp4_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(DataError, match="ffmpeg is not installed"):
        animate(np.zeros((2, 4, 4, 1), np.uint8), tmp_path / "x.mp4")
    assert not list(tmp_path.iterdir())


def test_a_bad_request_is_one_line(study: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="bernoulli or gaussian"):
        amb.analyse(study, noise="salt")
    with pytest.raises(SpecError, match="presentations must be a whole number of at least 1, got 0"):
        amb.analyse(study, presentations=0)
    with pytest.raises(StudyError, match="is not a study"):
        amb.analyse(tmp_path)
    with pytest.raises(DataError, match=r"\.gif or an \.mp4"):
        animate(np.zeros((2, 4, 4, 1), np.uint8), tmp_path / "x.avi")
    with pytest.raises(AmbError, match="no class probabilities"):
        amb.objective(lambda point: 0.0, [(0, 1)] * 2).classify(np.zeros((1, 2, 2, 1), np.uint8))


def test_without_responses_to_the_data_set_the_note_says_what_to_do(tmp_path: Path) -> None:
    """Networks for which nothing is shipped: the other measures stand, and one line names the option."""
    amb.compare("random", "cifar10-sngan/small-patch-a/out/1", budget=5, seeds=1, study=tmp_path / "s")
    found = amb.analyse(tmp_path / "s")
    assert found.meis["percentile"].isna().all()
    assert "name the folder of the data set with --data" in found.notes[0]
    assert found.meis["entropy"].notna().all()


def test_the_command_writes_tables_and_valid_json(study: Path, tmp_path: Path) -> None:
    done = command("analyse", study, "--out", tmp_path / "o", "--json", check=True)
    content = json.loads(done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert [row["layer"] for row in content["layers"]] == ["sn1", "out"]
    assert len(pd.read_csv(tmp_path / "o" / "meis.csv")) == 12
    assert len(pd.read_parquet(tmp_path / "o" / "meis.parquet")["candidate"][0]) == 128


def test_random_pairs_are_measured_reproducibly() -> None:
    problem = amb.problem("mnist-sngan/mnist-snn/out/8")
    assert yardstick(problem, pairs=20) == yardstick(problem, pairs=20)


def test_candidates_of_two_grids_are_never_drawn_or_compared_together(tmp_path: Path) -> None:
    """A level means another latent on another grid, so the inputs count as those of two generators."""
    problems = ["mnist-sngan/mnist-snn/out/1", "mnist-sngan/mnist-snn/out/1[grid=quantile]"]
    amb.compare("random,one-plus-lambda", problems, budget=10, seeds=1, study=tmp_path / "s")
    measures = amb.analyse(tmp_path / "s")
    assert sorted(measures.layers["generator"]) == ["mnist-sngan", "mnist-sngan[grid=quantile]"]
    assert len(measures.distances) == 2
    for name, rows in measures.meis.groupby("problem"):
        seen = amb.layer_activations("mnist-sngan/mnist-snn", "out", measures.found.images(rows))[:, 1]
        assert seen == pytest.approx(rows["activation"].to_numpy()), name


def test_a_unit_that_was_searched_under_several_noises_is_one_unit(tmp_path: Path) -> None:
    """It counted as several in the means over units."""
    problems = [f"mnist-sngan/mnist-snn/out/{unit}" for unit in ("8", "8[noise=poisson]", "8[noise=gaussian]", "3")]
    amb.compare("random,one-plus-lambda", problems, budget=6, seeds=1, study=tmp_path / "s")
    measures = amb.analyse(tmp_path / "s")
    layer = measures.layers.iloc[0]
    highest = measures.meis.groupby("unit")["activation"].max()
    assert (layer["units"], layer["activation"]) == (2, pytest.approx(highest.mean()))
    assert measures.meis["best"].sum() == 2
    assert layer["latent"] == pytest.approx(measures.distances["latent"].mean())


def test_a_query_whose_trial_was_lost_is_no_best(tmp_path: Path) -> None:
    """Its activation was the best so far, though no solver saw it, in the traces and under an image of the page."""
    result = amb.compare("random", "mnist-sngan/mnist-snn/out/8[lost=0.6]", budget=20, seeds=5, study=tmp_path / "s")
    found = found_in(open_study(tmp_path / "s"))
    traces = found.traces()
    assert traces.groupby("seed")["best"].last().tolist() == result.runs["best"].tolist()
    assert traces.groupby("seed")["clean"].max().tolist() != result.runs["best"].tolist()
    runs = result.runs.assign(solver=[f"random{seed}" for seed in result.runs["seed"]])  # each is its solver's best
    shown = best_images(runs, {}, lambda cell: result.load((cell[0], "random", cell[2])), lambda *_: None)
    for one in shown.evolutions:
        trace = traces[(traces["seed"] == one.seed) & traces["value"].notna()]
        assert one.queries[-1] == trace[trace["clean"] == one.activations[-1]]["query"].min()


def own(name: str, unit: int) -> amb.FunctionProblem:
    """Units of `bowl` differ in their space and their pictures, those of `peak` in their values only."""
    bowl = name == "bowl"
    space = amb.Space.uniform(3, 16, low=-1.0, high=1.0 + 9 * unit) if bowl else amb.Space.uniform(2, 8)

    def render(rows: np.ndarray) -> np.ndarray:
        images = np.zeros((len(rows), 8, 8, 3), np.uint8)
        images[..., unit if bowl else 2] = 10 * rows[:, :1, None]
        return images

    return amb.FunctionProblem(
        lambda rows: (rows == unit).mean(axis=1), space, id=f"mine/{name}/only/{unit}", render=render
    )


def test_problems_of_the_users_own_are_drawn_and_measured_as_they_are(tmp_path: Path) -> None:
    """The first problem whose id began as theirs once drew all, and its space measured their distances."""
    problems = {one.id: one for one in (own(name, unit) for name in ("bowl", "peak") for unit in (0, 1))}
    amb.compare("random", [*problems.values()], budget=10, seeds=2, study=tmp_path / "s", progress=False)
    found = found_in(open_study(tmp_path / "s"), problems.__getitem__)
    named = found.table.drop_duplicates("problem").set_index("problem")["generator"].to_dict()
    assert named == {name: "mine/peak" if "peak" in name else name for name in problems}
    measures = measure_all(found)
    for name, rows in found.table.groupby("problem"):
        assert np.array_equal(found.images(rows), problems[str(name)].images(np.stack(rows["candidate"].tolist())))
        a, b = (problems[str(name)].space.decode([candidate])[0] for candidate in rows["candidate"])
        (measured,) = measures.distances.set_index("problem").loc[[name], "latent"]
        assert measured == pytest.approx(np.linalg.norm(a - b))


def test_functions_without_a_network_have_distances_and_nothing_else(tmp_path: Path) -> None:
    """What cannot be measured is missing, and no data set is asked for."""
    bowl = amb.objective(lambda point: -float((point**2).sum()), [(-1, 1)] * 3)
    result = amb.compare("random,one-plus-lambda", bowl, budget=10, seeds=1, study=tmp_path / "s")
    measures = measure_all(found_in(open_study(tmp_path / "s"), result.plan.problem))
    assert len(measures.distances) == 1
    assert measures.meis["percentile"].isna().all()
    assert not any("data set" in note for note in measures.notes)
    unread = measure_all(found_in(open_study(tmp_path / "s"), result.plan.problem), data=tmp_path / "none").notes
    assert any(note.endswith(f"so {tmp_path / 'none'} is not read") for note in unread)


def test_what_has_no_effect_is_said(study: Path, tmp_path: Path) -> None:
    """A folder that is not read, and presentations without noise."""
    notes = amb.analyse(study, data=tmp_path / "none", presentations=7).notes
    assert f"the responses of mnist-snn to its data set are shipped, so {tmp_path / 'none'} is not read" in notes
    assert "7 presentations need noise: without, one tells the class probabilities" in notes
    assert not any("presentations" in note for note in amb.analyse(study, noise="bernoulli", presentations=7).notes)


def test_states_of_a_training_are_classified_under_noise() -> None:
    """No name finds them, so that an atlas of a history ended after all of its searches."""
    family = compose("mnist-sngan", amb.target("mnist-snn").states()[0])
    problem = family.problem("out", 1)
    found = Found(pd.DataFrame({"problem": [problem.id]}), {problem.id: problem}.__getitem__, lambda run_id: None)  # type: ignore[arg-type, return-value]
    images, notes = np.full((1, 28, 28, 1), 100, np.uint8), []  # type: ignore[var-annotated]
    known = {ProblemId.parse(problem.id).pair: family}
    seen = _classes(found, found.table, images, "bernoulli", 2, known, notes)
    assert seen["class"].notna().all()
    assert not notes
    assert seen["entropy"][0] != _classes(found, found.table, images, None, 2, known, notes)["entropy"][0]
    assert _classes(found, found.table, images, "bernoulli", 2, {}, notes)["class"].isna().all()
    assert "given as an object, and no name finds it" in notes[0]
