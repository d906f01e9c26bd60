"""Networks written elsewhere are tried before a study: a search must not find the maximum of noise."""

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest

import amb
from amb.errors import PluginError


class Retina(amb.Target):
    """Responds with the mean brightness, and with what a test adds to it."""

    name, shape, fingerprint = "retina", (32, 32, 3), "1"
    layers = MappingProxyType({"a": 4})  # type: ignore[assignment]

    def __init__(self, fault: Callable[[np.ndarray], np.ndarray] = lambda values: values) -> None:
        self.fault = fault

    def activations(self, images, units):  # type: ignore[no-untyped-def]
        """The mean brightness, with the fault."""
        return self.fault(images.reshape(len(images), -1).mean(1) / 255)


class Bars(amb.Generator):
    """Images of one grey level each, with what a test does to them."""

    name, latent_dim, shape, fingerprint = "bars", 3, (32, 32, 3), "1"

    def __init__(self, fault: Callable[[np.ndarray], np.ndarray] = lambda images: images) -> None:
        self.fault = fault

    def _render(self, latents):  # type: ignore[no-untyped-def]
        grey = np.clip(128 + 30 * latents[:, None, None, :], 0, 255).astype(np.uint8)
        return self.fault(np.broadcast_to(grey, (len(latents), 32, 32, 3)).copy())


_random = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (lambda v: v + _random.random(len(v)), "when it is shown again"),
        (lambda v: v - v.mean(), "in a batch with others"),
        (lambda v: v - 0.01 * v.max(), "in a batch with others"),
        (lambda v: v - 0.01 * v.min(), "in a batch with others"),
        (lambda v: v + np.arange(len(v)), "in a batch with others"),
    ],
    ids=["random", "mean of the batch", "a hundredth of its largest", "a hundredth of its least", "place in the batch"],
)
def test_a_target_whose_values_depend_on_more_than_the_image_is_refused(fault, where: str) -> None:  # type: ignore[no-untyped-def]
    """Every time: a second study in the same process is refused, too."""
    problem = amb.target(Retina(fault)).problem("toy", 0, layer="a")
    for _ in range(2):
        with pytest.raises(PluginError, match=where):
            problem.warm_up()


@pytest.mark.parametrize(
    "fault",
    [lambda i: _random.integers(0, 256, i.shape, dtype=np.uint8), lambda i: np.roll(i, 1, 0)],
    ids=["random", "mixes the batch"],
)
def test_a_generator_whose_images_depend_on_more_than_the_latent_is_refused(fault) -> None:  # type: ignore[no-untyped-def]
    """Otherwise the stimulus that is recommended is not the one that drove the neuron."""
    with pytest.raises(PluginError, match="gives a latent another image"):
        amb.target(Retina()).problem(Bars(fault), 0, layer="a").warm_up()


def test_what_keeps_the_contract_is_taken() -> None:
    """Rounding that depends on the batch, and failed presentations, are no reason to refuse a network."""
    amb.target(Retina()).problem(Bars(), 0, layer="a").warm_up()
    amb.target(Retina(lambda v: v * (1 + 1e-6 * len(v)))).problem("toy", 0, layer="a").warm_up()
    amb.target(Retina(lambda v: v * np.nan)).problem("toy", 0, layer="a").warm_up()


def test_masked_responses_are_refused() -> None:
    """The data behind a mask are not values."""
    with pytest.raises(PluginError, match="masked array"):
        amb.target(Retina(lambda v: np.ma.masked_array(v, mask=True))).problem("toy", 0, layer="a").warm_up()


@pytest.mark.parametrize("layers", [{"a": "4"}, {5: 4}, [("a", 4)], None, {"a": 1.5}, {"a": 0}])
def test_layers_are_names_with_numbers_of_units(layers: object) -> None:
    """A target whose layers are something else is refused in a sentence that says what they should be."""
    kind = type("Other", (Retina,), {"layers": layers})
    with pytest.raises(PluginError, match="layers is a mapping"):
        amb.target(kind()).problem("toy", 0, layer="a")


class Bowl(amb.Problem):
    """An analytic neuron, with what a test does to the values of a batch, or of all batches of a group."""

    id, fingerprint, space = "mine/bowl/only/0", "bowl 1", amb.Space.uniform(3, 8)
    group = "bowls"

    def __init__(self, fault=lambda values: values, shared=lambda batches: batches) -> None:  # type: ignore[no-untyped-def]
        self.fault, self.shared = fault, shared

    @classmethod
    def evaluate_together(cls, problems, batches):  # type: ignore[no-untyped-def]
        """Highest in the middle."""
        pairs = zip(problems, batches, strict=True)
        values = [p.fault(1 - ((rows - 3.5) ** 2).mean(1) / 12.25) for p, rows in pairs]
        values = problems[0].shared(values)
        return amb.Evaluation(values, [v.copy() for v in values])

    def images(self, candidates):  # type: ignore[no-untyped-def]
        return np.zeros((len(candidates), 8, 8, 1), np.uint8)


class Bowls(amb.Family):
    """One layer of them."""

    def __init__(self, **faults: Callable) -> None:  # type: ignore[type-arg]
        self.faults = faults

    def layers(self):  # type: ignore[no-untyped-def]
        return {"only": 2}

    def problem(self, layer, unit, *, device="cpu", **options):  # type: ignore[no-untyped-def]
        made = Bowl(**self.faults)
        made.id = f"mine/bowl/only/{unit}"
        return made


@pytest.mark.parametrize(
    ("faults", "where"),
    [
        ({"fault": lambda v: v + _random.random(len(v))}, "when it is shown again"),
        ({"fault": lambda v: v - v.mean()}, "in a batch with others"),
        ({"fault": lambda v: v + np.arange(len(v))}, "in a batch with others"),
        ({"shared": lambda all: [v - np.concatenate(all).mean() for v in all]}, "in a batch with others"),
        ({"shared": lambda all: [v - len(all) for v in all]}, "next to another batch"),
    ],
    ids=["random", "mean of the batch", "place in the batch", "mean of all batches", "number of batches"],
)
@pytest.mark.parametrize("kind", [Bowl, Bowls])
def test_problems_and_families_of_ones_own_are_tried_before_their_first_run(kind, faults, where, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Their runs end before a query, with one line that says what to do; those of other problems are not concerned."""
    good = amb.objective(lambda x: float(x.sum()), [(0, 1)] * 2, name="good", version="1")
    result = amb.compare("random", [good, kind(**faults)], budget=10, seeds=1, study=tmp_path / "study")
    for run in result.plan.runs:
        record, _ = result.load((run.problem, run.solver, run.seed))
        if run.problem == "good":
            assert record.status == "ok"
            continue
        assert (record.status, record.queries) == ("skip", 0)
        assert where in record.reason
        assert "own candidate alone" in record.reason


def test_problems_that_keep_the_contract_run(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Failed queries and rounding are no reason to refuse a problem; what it raises is told by its run."""
    kept = [Bowl(), Bowl(lambda v: v * (1 + 1e-9 * len(v))), Bowl(lambda v: v * np.nan)]
    for number, bowl in enumerate(kept):
        runs = amb.compare("random", bowl, budget=10, seeds=1, study=tmp_path / str(number)).runs
        assert runs["status"].tolist() == ["ok"] or (number == 2 and runs["failed"].all())
    raised = amb.compare("random", Bowl(lambda v: 1 / 0), budget=10, seeds=1, study=tmp_path / "raising")
    record, _ = raised.load((Bowl.id, "random", 0))
    assert "ZeroDivisionError" in record.reason


@pytest.mark.parametrize(
    ("function", "vectorized"),
    [
        (lambda x: x.sum() + _random.random(), False),
        (lambda x, calls=[]: calls.append(x) or x.sum() - 0.01 * len(calls), False),
        (lambda points: points.sum(1) - points.mean(), True),
        (lambda points: points.sum(1) + np.arange(len(points)), True),
        (lambda points: points.sum(1).cumsum(), True),
    ],
    ids=["random", "counts its calls", "mean of the batch", "place in the batch", "state that rows carry over"],
)
def test_functions_are_tried_before_their_first_run(function, vectorized: bool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """They were taken, and the best value of a run was the luckiest draw, or that of its latest query."""
    problem = amb.objective(function, [(0, 1)] * 2, vectorized=vectorized, name="own", version="1")
    result = amb.compare("random", problem, budget=10, seeds=1, study=tmp_path)
    record, _ = result.load(("own", "random", 0))
    assert (record.status, record.queries) == ("skip", 0)
    assert "own gives a candidate another value when it is shown again" in record.reason


def test_a_function_is_tried_with_four_calls_and_only_where_something_runs(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A query may be dear."""
    calls = []

    def own(x: np.ndarray) -> float:
        calls.append(x)
        return float(x.sum())

    for _ in range(2):
        amb.compare("random", amb.objective(own, [(0, 1)] * 2, version="1"), budget=10, seeds=2, study=tmp_path)
    assert len(calls) == 4 + 2 * 10
