"""Generators by name: anybody's, and every pair of them with a target is a family."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import amb
from amb.catalogue.families import registered_families
from amb.catalogue.generators import _described, generator_names
from amb.catalogue.plugins import KINDS, Plugin, load_file
from amb.catalogue.problems import expand, family, family_names, problem
from amb.errors import PluginError, SpecError

FILE = Path(__file__).parents[1] / "plugins" / "generators.py"


@pytest.fixture
def mine() -> Path:
    """The plug-in file with the generators `stripes` and `dots`."""
    load_file(FILE)
    return FILE


@pytest.mark.usefixtures("mine")
def test_a_generator_of_a_file_is_found_by_name() -> None:
    generator = amb.generator("stripes")
    assert generator is amb.generator("stripes")
    assert generator.images([[0.0, 1.0, -1.0]]).shape == (1, 32, 32, 3)
    with pytest.raises(SpecError, match="stripes"):
        amb.generator("stripe")


@pytest.mark.usefixtures("mine")
def test_a_layer_is_meant_by_its_own_name_before_a_glob(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes of a network may be named `block*` or `block?`, and problems on them have ids of their own."""
    layers = {"block*": 2, "block?": 2, "block1": 2}
    monkeypatch.setattr(type(family("stripes/snn-cnn")), "layers", lambda self: layers)
    for layer in layers:
        assert expand(f"stripes/snn-cnn/{layer}/0") == [f"stripes/snn-cnn/{layer}/0"]
    assert len(expand("stripes/snn-cnn/b*/0")) == 3


@pytest.mark.usefixtures("mine")
def test_a_pair_that_is_not_registered_is_composed() -> None:
    """Ids, ranges and options as of any family; values as target and generator give them."""
    assert "stripes/snn-cnn" not in registered_families()
    assert "stripes/snn-cnn" in family_names()
    assert expand("stripes/snn-cnn/sn1/2..3") == ["stripes/snn-cnn/sn1/2", "stripes/snn-cnn/sn1/3"]
    assert dict(family("stripes/snn-cnn").layers()) == dict(amb.target("snn-cnn").layers)
    made = problem("stripes/snn-cnn/sn1/2[grid=quantile]")
    assert made.id == "stripes/snn-cnn/sn1/2[grid=quantile]"
    assert made.space.d == 3
    candidates = made.space.sample(3, np.random.default_rng(0))
    images = amb.generator("stripes").images(made.space.decode(candidates))
    assert np.array_equal(images, made.images(candidates))
    assert np.array_equal(made.evaluate(candidates), amb.target("snn-cnn").activations(images, [("sn1", 2)] * 3))


def test_a_glob_passes_over_a_family_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As over generators and targets; named in full, it says why."""
    file = tmp_path / "families.py"
    file.write_text(
        "import amb\n\nclass Good(amb.Family):\n    name = 'glob/good'\n"
        "    def layers(self):\n        return {'only': 1}\n"
        "    def problem(self, layer, unit, *, device='cpu', **options):\n        raise NotImplementedError\n\n"
        "class Broken(Good):\n    name = 'glob/broken'\n    def __init__(self):\n        raise ValueError('no lamp')\n"
    )
    monkeypatch.setattr("amb.catalogue.plugins._from_files", {kind: {} for kind in KINDS})
    load_file(file)
    assert expand("glob/*/only/0") == ["glob/good/only/0"]
    for spec in ("glob/broken/only/0", "glob/b*/only/0"):
        with pytest.raises(PluginError, match="no lamp"):
            expand(spec)


def test_a_registered_family_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a pair that could be composed too."""
    file = tmp_path / "analytic.py"
    file.write_text(
        "import amb\n\nclass Analytic(amb.Family):\n    name = 'toy/ann-vgg'\n"
        "    def layers(self):\n        return {'only': 1}\n"
        "    def problem(self, layer, unit, *, device='cpu', **options):\n        raise NotImplementedError\n"
    )
    monkeypatch.setattr("amb.catalogue.plugins._from_files", {kind: {} for kind in KINDS})
    load_file(file)
    assert dict(family.__wrapped__("toy/ann-vgg").layers()) == {"only": 1}


@pytest.mark.usefixtures("mine")
def test_a_pair_that_does_not_fit_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(SpecError, match=r"dots makes images of 5x5x3, target snn-cnn takes 32x32x3"):
        problem("dots/snn-cnn/sn1/2")
    with pytest.raises(SpecError, match="5x5x3"):
        amb.target("snn-cnn").problem("dots", 2, layer="sn1")
    assert not [name for name in family_names() if name.startswith("dots/")]


@pytest.mark.usefixtures("mine")
def test_the_error_for_an_invalid_pair_names_the_nearest() -> None:
    for name, nearest in {
        "stripes/snn-cn": "snn-cnn",
        "stripe/snn-cnn": "stripes",
        "stripes/snn-cm*": "snn-cnn",
        "strypes*/snn-cnn": "stripes",
    }.items():
        with pytest.raises(SpecError, match=f"did you mean .*{nearest}"):
            expand(f"{name}/sn1/2")
    with pytest.raises(SpecError, match="did you mean sn"):
        expand("stripes/*/sm1/2")


@given(
    numbering=st.none() | st.permutations(range(6)),
    candidates=st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), max_size=5),
)
def test_grid_points_and_latents_are_one_to_one(numbering: list[int] | None, candidates: list[list[int]]) -> None:
    """Whatever number a code has; and with none, on the coordinates of an ordinal grid."""
    grid = amb.Grid(amb.Space.uniform(3, 6), None if numbering is None else np.array(numbering))
    points = np.array(candidates, np.int64).reshape(-1, 3)
    assert np.array_equal(grid.candidates(grid.latents(points)), points)
    if numbering is not None:
        assert np.array_equal(grid.latents(points), np.array(numbering)[points])


def test_optional_parts_say_that_they_are_missing() -> None:
    with pytest.raises(SpecError, match="toy has no encoder"):
        amb.generator("toy").encode(np.zeros((1, 32, 32, 3), np.uint8))
    bowl = amb.FunctionProblem(lambda candidates: candidates.mean(1), amb.Space.uniform(2, 3), id="bowl")
    with pytest.raises(SpecError, match="bowl has no encoder"):
        bowl.encode(np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(SpecError, match="'even' or 'quantile', got 'odd'"):
        amb.generator("toy").grid(grid="odd")
    with pytest.raises(SpecError, match="grid"):
        amb.generator("toy").grid(gird="even")


def test_an_invalid_generator_is_refused_by_name() -> None:
    """A function that makes something else, and a generator with a different name."""
    wrong = Plugin("generators", "wrong", "x:y", "somebody 1.0", _object=dict)
    with pytest.raises(PluginError, match=r"'wrong' of somebody 1\.0 is not an amb.Generator: \{\}"):
        _described(wrong)
    other = Plugin("generators", "other", "x:y", "somebody 1.0", _object=amb.generator("toy"))
    with pytest.raises(PluginError, match="has the attribute name = 'toy'"):
        _described(other)


def test_every_generator_here_has_the_name_that_finds_it() -> None:
    for name in generator_names():
        generator = amb.generator(name)
        assert generator.name == name
        assert generator.grid().space.d == generator.latent_dim


def test_the_contract_imports_nothing_heavy() -> None:
    """Whoever writes a generator does not wait for torch."""
    code = "import sys, amb; amb.Generator; amb.generator; assert not {'torch', 'amb_problems'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_composes_pairs_of_a_file() -> None:
    command = [
        sys.executable,
        "-m",
        "amb",
        "problems",
        "list",
        "stripes/snn-cnn/sn1/0..1",
        "--plugin",
        str(FILE),
        "--json",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "stripes/snn-cnn/sn1/1" in listed
