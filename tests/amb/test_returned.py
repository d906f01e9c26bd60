"""What third-party objects hand back: too few images or values are refused and never broadcast."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import amb
from amb import FunctionProblem, Space
from amb.cli.show import _plain_json
from amb.contracts import asking, returned
from amb.contracts.alone import verify_problem
from amb.errors import AmbError, CandidateError, PluginError, SpecError
from amb_problems.presentation import present


class Bars(amb.Generator):
    """Renders what `wrong` makes of the right images."""

    name, latent_dim, shape, fingerprint = "bars", 3, (32, 32, 3), "1"

    def __init__(self, wrong: Callable[[np.ndarray], object] = lambda images: images) -> None:
        self.wrong = wrong

    def _render(self, latents: np.ndarray) -> np.ndarray:
        grey = np.clip(128 + 30 * latents.mean(1), 0, 255).astype(np.uint8)
        return self.wrong(np.repeat(grey, 32 * 32 * 3).reshape(-1, 32, 32, 3))  # type: ignore[return-value]


class Eye(amb.Target):
    """Responds with what `wrong` makes of the images' brightness."""

    name, shape, fingerprint = "eye", (32, 32, 3), "1"
    layers = {"all": 2}  # type: ignore[assignment]  # noqa: RUF012

    def __init__(self, wrong: Callable[[np.ndarray], object] = lambda values: values) -> None:
        self.wrong = wrong

    def activations(self, images: np.ndarray, units: object) -> np.ndarray:
        return self.wrong(images.mean((1, 2, 3)))  # type: ignore[return-value]


def composed(generator: object, target: amb.Target, **options: object) -> amb.Problem:
    return amb.target(target).problem(generator, options.pop("unit", 0), layer="all")  # type: ignore[arg-type]


WRONG_IMAGES = {
    "one for all": lambda images: images[:1],
    "one too few": lambda images: images[:-1],
    "one too many": lambda images: np.concatenate([images, images[:1]]),
    "of another size": lambda images: images[:, ::2],
    "without channels": lambda images: images[..., 0],
    "as floats": lambda images: images / 255.0,
    "nothing": lambda images: None,
    "a list": lambda images: [[1, 2], [3]],
}


@pytest.mark.parametrize("wrong", WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_a_generators_wrong_images_are_refused(wrong: Callable[[np.ndarray], object]) -> None:
    """Whatever their number: one image for sixteen latents would give sixteen candidates one value."""
    generator = Bars(wrong)
    for count in (1, 16, 20):
        with pytest.raises(PluginError, match=r"generator bars returned .*; expected images uint8 \[16, 32, 32, 3\]"):
            generator.images(np.zeros((count, 3)))
    problem = composed(generator, Eye())
    with pytest.raises(PluginError, match="generator bars"):
        problem.evaluate(np.zeros((2, 3), np.int64))


class Whole(Bars):
    """Overrides `images` itself, outside the contract's own checks."""

    def images(self, latents: object) -> np.ndarray:
        return super().images(latents)[:1]  # type: ignore[arg-type]


def test_a_generator_that_overrides_images_is_checked_where_it_is_used() -> None:
    problem = composed(Whole(), Eye())
    for ask in (problem.evaluate, problem.images):
        with pytest.raises(PluginError, match=r"returned uint8 \[1, 32, 32, 3\]; expected images uint8 \[4, 32, 32"):
            ask(np.zeros((4, 3), np.int64))


WRONG_VALUES = {
    "one for all": lambda values: values[:1],
    "a number": lambda values: 0.5,
    "one too few": lambda values: values[:-1],
    "one too many": lambda values: np.append(values, 0),
    "two columns": lambda values: np.stack([values, values], 1),
    "a column": lambda values: values[:, None],
    "text": lambda values: ["high"] * len(values),
    "complex": lambda values: values * 1j,
    "nothing": lambda values: None,
}


@pytest.mark.parametrize("wrong", WRONG_VALUES.values(), ids=WRONG_VALUES)
@pytest.mark.parametrize("unit", [0, [0, 1]], ids=["unit", "group"])
def test_a_targets_wrong_responses_are_refused(wrong: Callable[[np.ndarray], object], unit: object) -> None:
    problem = composed(Bars(), Eye(wrong), unit=unit)
    with pytest.raises(PluginError, match=r"target eye returned .*; expected numbers \[4\]"):
        problem.evaluate(np.zeros((4, 3), np.int64))
    with pytest.raises(PluginError, match="target eye"):
        type(problem).respond_together([problem], np.zeros((4, 32, 32, 3), np.uint8))


@pytest.mark.parametrize("wrong", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_a_functions_wrong_values_are_refused(wrong: Callable[[np.ndarray], object]) -> None:
    problem = amb.FunctionProblem(lambda rows: wrong(rows.mean(1)), amb.Space.uniform(3, 6), id="mine")
    with pytest.raises(PluginError, match=r"mine returned .*; expected numbers \[4\]"):
        problem.evaluate(np.zeros((4, 3), np.int64))


@pytest.mark.parametrize("wrong", WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_a_functions_wrong_images_are_refused(wrong: Callable[[np.ndarray], object]) -> None:
    def render(rows: np.ndarray) -> object:
        return wrong(np.zeros((len(rows), 5, 5, 3), np.uint8))

    problem = amb.FunctionProblem(lambda rows: rows.mean(1), amb.Space.uniform(3, 6), id="mine", render=render)
    if wrong is WRONG_IMAGES["of another size"]:  # a function declares none
        assert problem.images(np.zeros((4, 3), np.int64)).shape == (4, 3, 5, 3)
        return
    with pytest.raises(PluginError, match=r"render of mine returned .*; expected images uint8 \[4, h, w, c\]"):
        problem.images(np.zeros((4, 3), np.int64))


def test_a_problems_own_evaluation_is_checked() -> None:
    """By hand as in a run: values, noise-free values, and one array for each problem."""

    class Broken(amb.FunctionProblem):
        made: amb.Evaluation

        @classmethod
        def evaluate_together(cls, problems: object, batches: object) -> amb.Evaluation:
            return cls.made

    problem = Broken(None, amb.Space.uniform(3, 6), id="mine")
    four = np.zeros(4)
    wrong = [([four[:1]], [four]), ([four], [four[:3]]), ([], [four]), ([four], [four, four])]
    for values, clean in [*wrong, (None, [four]), ([four], np.array(3)), ("x", [four])]:
        Broken.made = amb.Evaluation(values, clean)
        with pytest.raises(PluginError, match="mine: "):
            problem.evaluate(np.zeros((4, 3), np.int64))
    Broken.made = amb.Evaluation([[1, 2, 3, np.nan]], [four])  # type: ignore[list-item]
    assert problem.evaluate(np.zeros((4, 3), np.int64)).dtype == np.float64


class Coded(Bars):
    """Its encoder returns what `codes` says."""

    codes: object = None

    def encode(self, images: np.ndarray) -> np.ndarray:
        return self.codes  # type: ignore[return-value]


def test_an_encoders_wrong_latents_are_refused() -> None:
    problem, images = composed(generator := Coded(), Eye()), np.zeros((4, 32, 32, 3), np.uint8)
    generator.codes = np.zeros((4, 3))
    assert problem.encode(images).shape == (4, 3)
    for wrong in (np.zeros((1, 3)), np.zeros((4, 2)), np.zeros(12), None):
        generator.codes = wrong
        with pytest.raises(PluginError, match=r"the encoder of bars returned .*; expected numbers \[4, 3\]"):
            problem.encode(images)


def test_numbers_that_are_not_codes_are_refused() -> None:
    """-1 would otherwise mean the last code."""
    for grid in (
        amb.Grid(amb.Space.uniform(2, 6), np.arange(6)[::-1].copy()),
        amb.Grid(amb.Space.uniform(2, 6, kind="categorical", prior="uniform")),
    ):
        assert grid.candidates(grid.latents([[0, 5]])).tolist() == [[0, 5]]
        for wrong in ([[0, -1]], [[0, 6]], [[0, 0.5]], [[0, np.nan]]):
            with pytest.raises(CandidateError, match=r"codes are integers in 0\.\.5"):
                grid.candidates(wrong)


@pytest.mark.parametrize("missing", ["name", "latent_dim", "shape", "fingerprint"])
def test_a_generators_missing_attribute_is_named(missing: str) -> None:
    namespace = {"name": "b", "latent_dim": 3, "shape": (32, 32, 3), "fingerprint": "1"}
    namespace.pop(missing)
    cls = type("Incomplete", (amb.Generator,), {**namespace, "_render": Bars._render})
    for given in (cls, cls()):  # a class is as good as an object
        with pytest.raises(PluginError, match=rf"Incomplete does not set {missing}; see amb\.Generator: {missing} is "):
            amb.target("snn-cnn").problem(given, 0, layer="sn1")


@pytest.mark.parametrize("missing", ["name", "shape", "fingerprint"])
def test_a_targets_missing_attribute_is_named(missing: str) -> None:
    namespace = {"name": "e", "shape": (32, 32, 3), "fingerprint": "1", "layers": {"all": 2}}
    namespace.pop(missing)
    cls = type("Incomplete", (amb.Target,), {**namespace, "activations": Eye.activations})
    for given in (cls, cls()):
        with pytest.raises(PluginError, match=rf"Incomplete does not set {missing}; see amb\.Target: {missing} is "):
            amb.target(given)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("name", "a/b"), ("name", 3), ("name", ""), ("latent_dim", 0), ("latent_dim", "3"), ("latent_dim", True),
        ("shape", (32, 32)), ("shape", 32), ("shape", (32, 32, 0)), ("fingerprint", None), ("fingerprint", ""),
        ("fingerprint", "half a \ud800"),
    ],
)  # fmt: skip
def test_an_attribute_that_makes_no_sense_is_named(attribute: str, value: object) -> None:
    cls = type("Odd", (Bars,), {attribute: value})
    with pytest.raises(PluginError, match=rf"Odd sets {attribute} = .*; see amb\.Generator: {attribute} is "):
        amb.target("snn-cnn").problem(cls(), 0, layer="sn1")
    if attribute != "latent_dim":
        target = type("Odd", (Eye,), {attribute: value})
        with pytest.raises(PluginError, match=rf"Odd sets {attribute} = .*; see amb\.Target"):
            amb.target(target())


def test_a_class_that_cannot_stand_for_an_object_says_why() -> None:
    class Sized(Bars):
        def __init__(self, size: int) -> None:
            super().__init__()

    with pytest.raises(PluginError, match=r"class Sized needs arguments .*'size'.*give an object of it"):
        amb.target("snn-cnn").problem(Sized, 0, layer="sn1")
    with pytest.raises(PluginError, match=r"class Generator does not define _render; see amb\.Generator"):
        amb.target("snn-cnn").problem(amb.Generator, 0, layer="sn1")


def test_a_grid_of_another_size_is_refused() -> None:
    class Wide(Bars):
        def _grid(self, *, grid: str) -> amb.Grid:
            return amb.Grid(amb.Space.uniform(5, 4))

    with pytest.raises(PluginError, match="bars needs a Grid of 3 dimensions; _grid returned one of 5"):
        composed(Wide(), Eye())


def test_a_grid_that_takes_no_options_is_refused() -> None:
    class Plain(Bars):
        def _grid(self) -> amb.Grid:
            return amb.Grid(amb.Space.uniform(3, 4))

    says = r"_grid of generator bars must take what its options name \(grid\) as keyword arguments: "
    with pytest.raises(PluginError, match=says):
        composed(Plain(), Eye())


@pytest.mark.parametrize(
    ("unit", "says"),
    [("x", "bad unit"), ([], "bad unit"), (1.0, "bad unit"), (True, "bad unit"), (2, r"units are 0\.\.1"),
     ("0+2", r"no unit 2"), ([1, 1], "name one unit twice"), (-1, "no unit -1")],
)  # fmt: skip
def test_units_of_a_problem_are_checked(unit: object, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        composed(Bars(), Eye(), unit=unit)


@pytest.mark.parametrize("units", ["1+0", [1, 0], (0, 1), np.array([0, 1])], ids=repr)
def test_a_group_of_units_is_named_as_on_the_command_line(units: object) -> None:
    """And its activation is their mean."""
    problem = composed(Bars(), Eye(), unit=units)
    assert problem.id == "bars/eye/all/0+1"
    single = composed(Bars(), Eye())
    points = np.array([[0, 0, 0], [63, 63, 63]])
    assert np.array_equal(problem.evaluate(points), single.evaluate(points))


def test_what_was_returned_is_described_in_a_few_words() -> None:
    assert returned.described(np.zeros((2, 3))) == "float64 [2, 3]"
    assert returned.described(None) == "None"
    assert returned.described([1]) == "list"
    assert issubclass(PluginError, AmbError)


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("wrong", [None, ["a"], {"n": 10**5000}, {"n": Unspeakable()}])
def test_facts_that_cannot_be_shown_name_their_owner(wrong: object) -> None:
    problem = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(3, 4), id="p/q/r/0")
    problem.facts = lambda: wrong  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(PluginError, match=r"facts\(\) of problem p/q/r/0"):
        returned.facts(problem, "problem p/q/r/0")


def test_names_of_facts_may_be_numbers() -> None:
    """Layers and units are numbers of numpy, which are no keys of JSON."""
    problem = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(3, 4), id="p/q/r/0")
    problem.facts = lambda: {np.int64(3): {np.int64(4): 5}}  # type: ignore[assignment,method-assign,return-value]
    assert json.dumps(_plain_json(returned.facts(problem, "it"))) == '{"3": {"4": 5}}'


def emptied(*lists: list[object]) -> None:
    for one in lists:
        while one:
            one.pop()


class Emptying(Bars, Eye):
    """Generator and target that use up the lists they are given."""

    name = "emptying"
    __init__ = Eye.__init__

    def _render_all(self, chunks: list[np.ndarray]) -> list[np.ndarray]:
        rendered = [self._render(chunk) for chunk in chunks]
        emptied(chunks)
        return rendered

    def device_images(self, latents: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.images(latents))

    def activations(self, images: np.ndarray, units: list[object]) -> np.ndarray:  # type: ignore[override]
        emptied(units)
        return images.mean((1, 2, 3))  # type: ignore[no-any-return]

    def device_activations(self, images: torch.Tensor, units: list[object]) -> np.ndarray:
        return self.activations(images.numpy(), units)


class EmptyingMany(Emptying):
    def all_activations(self, images: np.ndarray, units: list[object]) -> np.ndarray:
        number = len(units)
        return np.repeat(self.activations(images, units)[:, None], number, axis=1)


@pytest.mark.parametrize("kind", [Emptying, EmptyingMany])
@pytest.mark.parametrize("unit", [0, [0, 1]], ids=["unit", "group"])
def test_a_generator_and_a_target_may_use_up_the_lists_that_they_are_given(kind: type, unit: object) -> None:
    one, problem, points = kind(), composed(kind(), kind(), unit=unit), np.array([[0, 0, 0], [63, 63, 63]])
    expected = composed(Bars(), Eye(), unit=unit).evaluate(points)
    assert np.array_equal(problem.evaluate(points), expected)
    assert np.array_equal(asking.responses([problem], problem.images(points))[:, 0], expected)
    problem.warm_up()
    units = [("all", 0)] * 2
    for device in ("cpu", "elsewhere"):
        found = present(one, one, np.asarray(problem.grid.latents(points)), units, device=device)
        assert np.array_equal(found.activations, expected)
        assert len(units) == 2


class UsingUp(amb.FunctionProblem):
    """A problem that uses up the lists it is given."""

    group = "recording"  # type: ignore[assignment]

    @classmethod
    def evaluate_together(cls, problems: list[object], batches: list[object]) -> amb.Evaluation:  # type: ignore[override]
        values = super().evaluate_together(tuple(problems), tuple(batches))  # type: ignore[arg-type]
        emptied(problems, batches)
        return values

    @classmethod
    def respond_together(cls, problems: list[object], images: np.ndarray) -> np.ndarray:  # type: ignore[override]
        number = len(problems)
        emptied(problems)
        return np.zeros((len(images), number))


class UsingUpObserved(UsingUp):
    @classmethod
    def observe_together(cls, problems, batches, queries):  # type: ignore[no-untyped-def]
        return cls.evaluate_together(problems, batches)


@pytest.mark.parametrize("kind", [UsingUp, UsingUpObserved])
def test_a_problem_may_use_up_the_lists_that_it_is_given(kind: type[UsingUp], tmp_path: Path) -> None:
    mine = [kind(lambda rows: rows.mean(1), Space.uniform(3, 6), id=f"mine{i}") for i in range(2)]
    assert asking.responses(mine, np.zeros((4, 5, 5, 3), np.uint8)).shape == (4, 2)
    verify_problem(mine[0])
    result = amb.compare("random", mine, budget=10, seeds=1, study=tmp_path / "study", progress=False)
    assert set(result.runs.status) == {"ok"}
    recorded = amb.population("random", mine, budget=10, seeds=1, study=tmp_path / "recorded", progress=False)
    assert set(recorded.runs.status) == {"ok"}
