"""Generators of codes: exact, refusing invalid codes, and searched with and without an order."""

from pathlib import Path

import numpy as np
import pytest
import torch

import amb
from amb.errors import CandidateError, CheckpointError, SolverError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import VQVAECard, VQVAEShape
from amb_problems.generators.vqvae import VQVAE, nearest_codes, principal_order
from amb_problems.generators.vqvae_generator import VQVAEGenerator

SHAPE = VQVAEShape(size=8, codes=12, dimensions=5, width=8, residual=4, blocks=1)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> VQVAEGenerator:
    """A network of random weights, behind the contract."""
    path = tmp_path_factory.mktemp("vqvae") / "tiny-vqvae"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VQVAE(SHAPE)
        network.codebook.normal_()
    network.principal.copy_(principal_order(network.codebook))
    checkpoint.save(path, network.state_dict(), VQVAECard(shape=SHAPE))
    return VQVAEGenerator(path)


def codes(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 12, (count, 4))


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, 8, 8, 3), np.uint8)


def test_images_and_codes_do_not_depend_on_their_company(generator: VQVAEGenerator) -> None:
    """Alone or among 36 others, on any number of threads: the same bits, both ways."""
    given, seen = codes(37), pictures(37)
    images, found = generator.images(given), generator.encode(seen)
    for row in (0, 15, 16, 36):
        assert np.array_equal(images[[row]], generator.images(given[[row]]))
        assert np.array_equal(found[[row]], generator.encode(seen[[row]]))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert np.array_equal(images, generator.images(given))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(images[:5], generator.device_images(given[:5].astype(np.float32)).numpy())


def test_the_form_of_images_and_codes(generator: VQVAEGenerator) -> None:
    assert generator.images(codes(0)).shape == (0, 8, 8, 3)
    assert generator.images(codes(3)).dtype == np.uint8
    found = generator.encode(pictures(3))
    assert found.shape == (3, 4)
    assert set(np.unique(found)) <= set(range(12))
    assert generator.encode(pictures(0)).shape == (0, 4)


@pytest.mark.parametrize("bad", [0.5, -1, 12, np.nan])
def test_invalid_codes_are_refused(generator: VQVAEGenerator, bad: float) -> None:
    with pytest.raises(CandidateError, match=r"0\.\.11|finite"):
        generator.images(np.full((1, 4), bad))


def test_images_of_another_size_are_refused(generator: VQVAEGenerator) -> None:
    with pytest.raises(SpecError, match=r"\[n, 8, 8, 3\], not uint8 \[2, 9, 8, 3\]"):
        generator.encode(np.zeros((2, 9, 8, 3), np.uint8))
    with pytest.raises(SpecError, match="not float64"):
        generator.encode(np.zeros((2, 8, 8, 3)))


def test_the_nearest_code_is_the_nearest() -> None:
    """As plain distances say, one by one."""
    draws = np.random.default_rng(1)
    vectors, book = draws.standard_normal((20, 3)), draws.standard_normal((7, 3))
    expected = np.square(vectors[:, None] - book).sum(2).argmin(1)
    assert np.array_equal(nearest_codes(torch.from_numpy(vectors), torch.from_numpy(book)), expected)


def test_the_principal_order_follows_the_widest_direction() -> None:
    """Codes on a noisy line come out in the line's order, one way or the other, and are all there."""
    draws = np.random.default_rng(2)
    places = draws.permutation(20)
    line = np.outer(places, [3.0, -1.0, 0.5]) + 0.01 * draws.standard_normal((20, 3))
    order = principal_order(torch.from_numpy(line)).numpy()
    assert places[order].tolist() in (list(range(20)), list(range(19, -1, -1)))


@pytest.mark.parametrize(
    ("choice", "kind"), [("unordered", "categorical"), ("principal", "ordinal"), ("index", "ordinal")]
)
def test_a_grid_of_codes(generator: VQVAEGenerator, choice: str, kind: str) -> None:
    """Levels and codes are one to one, and the same choice is the same grid."""
    grid = generator.grid(codes=choice)
    assert grid is generator.grid(codes=choice)
    assert grid.space.ordinal == (choice != "unordered")
    assert grid.space.levels.tolist() == [12] * 4
    candidates = codes(30)
    latents = grid.latents(candidates)
    assert np.array_equal(grid.candidates(latents), candidates)
    levels = np.repeat(np.arange(12)[:, None], 4, axis=1)
    assert sorted(grid.latents(levels)[:, 0]) == list(range(12))


def test_only_the_principal_grid_renumbers(generator: VQVAEGenerator) -> None:
    candidates = codes(5)
    order = principal_order(generator.network.codebook).numpy()
    assert np.array_equal(generator.grid(codes="principal").latents(candidates), order[candidates])
    for choice in ("unordered", "index"):
        assert np.array_equal(generator.grid(codes=choice).latents(candidates), candidates)


def test_problems_of_codes(generator: VQVAEGenerator) -> None:
    """Grids make problems with ids and fingerprints of their own, and the same images of the same codes."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    family = amb.target(network, name="net", shape=(8, 8, 3)).family(generator)
    plain, principal, index = (family.problem("0", 1, codes=c) for c in ("unordered", "principal", "index"))
    assert [p.id for p in (plain, principal, index)] == [
        "tiny-vqvae/net/0/1",
        "tiny-vqvae/net/0/1[codes=principal]",
        "tiny-vqvae/net/0/1[codes=index]",
    ]
    assert len({plain.fingerprint, principal.fingerprint, index.fingerprint}) == 3
    seen = pictures(6)
    found = [p.encode(seen) for p in (plain, principal, index)]
    together = type(plain).evaluate_together([plain, principal, index], found).values
    assert np.array_equal(together[0], together[1])
    assert np.array_equal(together[0], together[2])
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(plain.images(found[0]), principal.images(found[1]))


def test_the_same_candidates_on_two_grids_are_other_images(generator: VQVAEGenerator, tmp_path: Path) -> None:
    """Of a batch of all problems, as of a design that no seed changes, once those of the first one's grid were seen."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    family = amb.target(network, name="net", shape=(8, 8, 3)).family(generator)
    problems = [family.problem("0", 1, codes=codes) for codes in ("index", "principal")]
    shown = codes(5)
    together = type(problems[0]).evaluate_together(problems, [shown, shown]).values
    for problem, values in zip(problems, together, strict=True):
        assert np.array_equal(values, problem.evaluate(shown))
    assert not np.array_equal(*together)
    assert problems[0].group != problems[1].group
    with pytest.raises(SpecError, match="cannot be recorded together"):
        amb.population("one-plus-lambda", problems, budget=20, study=tmp_path, progress=False)


def test_problems_of_codes_refuse_what_has_no_sense(generator: VQVAEGenerator) -> None:
    """No gradients, no solver that needs an order on the grid without one, no other option."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    family = amb.target(network, name="net", shape=(8, 8, 3)).family(generator)
    plain = family.problem("0", 1)
    with pytest.raises(SpecError, match="tiny-vqvae is not differentiable"):
        plain.gradient(np.zeros((1, 4)))
    with pytest.raises(SolverError, match="codes have no order"):
        amb.solver("cma", plain.space, budget=10, seed=1)
    amb.solver("cma", family.problem("0", 1, codes="principal").space, budget=10, seed=1)
    with pytest.raises(SpecError, match="'unordered' or 'principal' or 'index', got 'sorted'"):
        family.problem("0", 1, codes="sorted")
    with pytest.raises(SpecError, match="unknown option of a problem 'grid'"):
        family.problem("0", 1, grid="even")


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "odd", {"w": torch.zeros(1)}, VQVAECard(shape=SHAPE))
    with pytest.raises(CheckpointError, match="does not fit"):
        VQVAEGenerator(tmp_path / "odd").on("cpu")
    with pytest.raises(CheckpointError, match="'sngan', expected 'vqvae'"):
        VQVAEGenerator("cifar10-sngan")
    network = VQVAE(SHAPE)
    checkpoint.save(
        tmp_path / "twice",
        network.state_dict() | {"principal": torch.zeros(SHAPE.codes).long()},
        VQVAECard(shape=SHAPE),
    )
    with pytest.raises(CheckpointError, match="principal is not an order of the codes"):
        VQVAEGenerator(tmp_path / "twice").on("cpu")
