"""Every recipe trains in sessions that resume, also from states and folders that version 0.1 left."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from amb.contracts.recipe import TrainingProgress
from amb.errors import DataError, SpecError
from amb.study.lock import hold
from amb_problems import checkpoint
from amb_problems.cards import SNGANShape, VQVAEShape
from amb_problems.data import image_sets
from amb_problems.targets.spiking.lif import LIF
from amb_problems.training import gan, plain, session, spiking, spiking_recipes, state, vqvae
from amb_problems.training.adversarial import GANRecipe
from amb_problems.training.autoencoder import VQVAERecipe
from amb_problems.training.classifier import ClassifierRecipe, ClassifierTraining, Phase
from amb_problems.training.spiking_export import SpikingModel

pytestmark = pytest.mark.usefixtures("one_thread")

STATES = Path(__file__).parents[1] / "data" / "training-0.1"
"""States written by version 0.1, by the recipes below with seed 1."""


def coloured(n: int) -> image_sets.Dataset:
    """Noisy red, green and blue images."""
    rng = np.random.default_rng(0)
    labels = np.arange(2 * n) % 3
    images = rng.integers(0, 120, (2 * n, 32, 32, 3))
    images[np.arange(2 * n), :, :, labels] += 120
    images = images.astype(np.uint8)
    return image_sets.Dataset(
        "cifar10", "colours", images[:n], labels[:n], images[n:], labels[n:], ("red", "green", "blue")
    )


def grey_squares() -> SimpleNamespace:
    """Images of four flat squares."""
    greys = np.random.default_rng(0).integers(0, 256, (32, 2, 1, 2, 1, 1))
    images = np.broadcast_to(greys, (32, 2, 4, 2, 4, 3)).reshape(32, 8, 8, 3).astype(np.uint8)
    return SimpleNamespace(train_images=images, train_labels=np.zeros(len(images)), test_images=images, source="greys")


def noise() -> SimpleNamespace:
    images = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3), np.uint8)
    return SimpleNamespace(train_images=images, train_labels=np.zeros(len(images)), test_images=images, source="noise")


CNN = {"widths": (8, 8), "hidden": 8, "classes": 3}
SPIKING = spiking_recipes.SpikingRecipe(
    "cifar10",
    SpikingModel("SpikingCNN", CNN, LIF(strict=True), 8, "a readout"),
    ClassifierRecipe((Phase(0, 1, 0.02), Phase(2, 1, 0.02)), spiking_recipes.rate_loss, batch=8),
)
VGG = {"widths": ((8,), (8,), (8,), (16,)), "classes": 3}
PLAIN = plain.PlainRecipe(
    "cifar10",
    "VGG",
    VGG,
    ClassifierRecipe((Phase(0, 3, 0.05, crop=24), Phase(0, 2, 0.02)), plain.class_loss, batch=16),
)
GAN = GANRecipe(
    dataset="cifar10",
    shape=SNGANShape(latent=6, bottom=2, widths=(8, 8, 8)),
    discriminator=(8, 8),
    flip=True,
    steps=60,
    batch=4,
)
SHAPE = VQVAEShape(size=8, codes=12, dimensions=5, width=16, residual=4, blocks=1)
VQVAE = VQVAERecipe(dataset="cifar10", shape=SHAPE, flip=True, steps=80, batch=32, rate=1e-2, averaging=0.95)
TRAININGS: dict[str, tuple[ModuleType, object, Callable[[], object], int, int]] = {
    "spiking": (spiking, SPIKING, lambda: coloured(96), 16, 24),
    "plain": (plain, PLAIN, lambda: coloured(64), 16, 20),
    "gan": (gan, GAN, noise, 5, 60),
    "vqvae": (vqvae, VQVAE, grey_squares, 5, 80),
}
"""Recipe and images, the steps that the state of version 0.1 has taken, and those of the whole training."""

WRONG = (-1, 10**9, 1.0, np.inf, "1", True, None, [1])
"""Numbers of steps that no training has taken."""

Train = Callable[..., list[TrainingProgress]]


@pytest.fixture(params=TRAININGS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def train(kind: str, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run one session of the recipe called "tiny" in a folder; returns its progress."""
    module, recipe, images, _, _ = TRAININGS[kind]
    monkeypatch.setattr(module, "RECIPES", {"tiny": recipe})
    monkeypatch.setattr(image_sets, "load", lambda name, folder: images())

    def run(out: Path, **options: object) -> list[TrainingProgress]:
        seen: list[TrainingProgress] = []
        given = {"name": "tiny", "data": out, "out": out, "seed": 1, "device": "cpu", "minutes": None, "resume": True}
        module.train(**(given | options), progress=seen.append)
        return seen

    return run


def stored(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    loaded = state.load_state(folder / "tiny.state.safetensors")
    assert loaded is not None
    return loaded


def rewrite(train: Train, folder: Path) -> None:
    """Load a state and save it in today's form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            session.Session,
            "run",
            lambda self, training, *args, **options: (self._load(training), self._save(training)),
        )
        train(folder)


def test_a_state_of_version_0_1_resumes(kind: str, train: Train, tmp_path: Path) -> None:
    """The session continues after the stored steps, bit for bit as from the same state in today's form.

    A training from the beginning is no yardstick: another processor rounds the first steps differently.
    """
    *_, done, steps = TRAININGS[kind]
    resumed, rewritten = tmp_path / "resumed", tmp_path / "rewritten"
    for folder in (resumed, rewritten):
        folder.mkdir()
        shutil.copy(STATES / f"{kind}.state.safetensors", folder / "tiny.state.safetensors")
    rewrite(train, rewritten)
    assert [train(resumed, minutes=0.0)[-1].step, train(resumed)[-1].step] == [done + 1, steps]
    assert train(rewritten)[-1].step == steps
    ours, theirs = stored(resumed)[0], stored(rewritten)[0]
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_restored_training_holds_the_stored_state(
    kind: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state of version 0.1 that is loaded and saved again is unchanged."""
    file = tmp_path / "tiny.state.safetensors"
    shutil.copy(STATES / f"{kind}.state.safetensors", file)
    before, facts = stored(tmp_path)
    rewrite(train, tmp_path)
    after, position = stored(tmp_path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {key: position[key] for key in facts if key != "seconds"} == {
        key: value for key, value in facts.items() if key != "seconds"
    }


def test_too_few_images_are_refused_before_anything_is_written(
    kind: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than a batch would make an epoch without steps, and so a finished training of none."""
    images = TRAININGS[kind][2]()
    batch = {"spiking": 8, "plain": 16, "gan": 4, "vqvae": 32}[kind]
    changed = {"train_images": images.train_images[: batch - 1]}
    monkeypatch.setattr(image_sets, "load", lambda name, folder: SimpleNamespace(**{**vars(images), **changed}))
    with pytest.raises(DataError, match=f"^{batch - 1} training images are too few: tiny needs at least {batch};"):
        train(tmp_path / "out")
    tested = {"gan": 2, "vqvae": 32}.get(kind, 1)
    changed = {"test_images": images.test_images[: tested - 1]}
    with pytest.raises(DataError, match=f"^{tested - 1} test images are too few: tiny needs at least {tested};"):
        train(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_session_takes_a_step(train: Train, tmp_path: Path) -> None:
    """Even without any time, so that repeated sessions end."""
    assert [train(tmp_path, minutes=0.0)[-1].step for _ in range(3)] == [1, 2, 3]


def test_a_finished_training_exports_again(kind: str, train: Train, tmp_path: Path) -> None:
    """Without another step: a lost checkpoint comes back, with the same weights."""
    train(tmp_path)
    before = checkpoint.fingerprint(tmp_path / "tiny")
    for suffix in (".safetensors", ".card.json"):
        (tmp_path / f"tiny{suffix}").unlink()
    seen = train(tmp_path)
    assert [progress.step for progress in seen] == [TRAININGS[kind][-1]]
    assert checkpoint.fingerprint(tmp_path / "tiny") == before


def test_the_seconds_of_all_sessions_add_up(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state holds the time of earlier sessions; states of classifiers of version 0.1 count from zero."""
    monkeypatch.setattr(session.time, "monotonic", iter(range(10**6)).__next__)  # every reading is a second later
    train(tmp_path, minutes=0.0)
    first = stored(tmp_path)[1]["seconds"]
    train(tmp_path, minutes=0.0)
    assert stored(tmp_path)[1]["seconds"] == 2 * first > 0


def test_another_seed_is_refused(train: Train, tmp_path: Path) -> None:
    """The error names the file, both seeds and what to do."""
    train(tmp_path, minutes=0.0)
    with pytest.raises(DataError, match=r"tiny\.state\.safetensors was trained with seed 1, not 2; give that seed"):
        train(tmp_path, seed=2)


def test_other_images_are_refused(kind: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps on two sets of images would be counted as steps on one."""
    train(tmp_path, minutes=0.0)
    images = TRAININGS[kind][2]()
    images.train_images[0, 0, 0, 0] ^= 1
    monkeypatch.setattr(image_sets, "load", lambda name, folder: images)
    with pytest.raises(DataError, match=r"tiny\.state\.safetensors was trained on other images"):
        train(tmp_path)


def test_a_state_of_another_recipe_is_refused(kind: str, train: Train, tmp_path: Path) -> None:
    """A state whose tensors do not fit is named, with what to do."""
    other = "gan" if kind != "gan" else "vqvae"
    shutil.copy(STATES / f"{other}.state.safetensors", tmp_path / "tiny.state.safetensors")
    with pytest.raises(DataError, match=r"tiny\.state\.safetensors does not fit the recipe 'tiny'.*restart"):
        train(tmp_path)


def test_a_damaged_state_is_never_trained_on(train: Train, tmp_path: Path) -> None:
    """Cut anywhere or with any byte changed, it is refused in one line that says what to do, and stays as it is."""
    train(tmp_path, minutes=0.0)
    file = tmp_path / "tiny.state.safetensors"
    content = file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    cuts = [content[:size] for size in np.linspace(0, len(content) - 1, 20, dtype=int)]
    named = content.index(b"sha256")
    places = [*range(named, named + 6), *rng.integers(0, header, 24), *rng.integers(header, len(content), 26)]
    flips = [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in places]
    for damaged in [*cuts, *flips]:
        file.write_bytes(damaged)
        with pytest.raises(
            DataError, match=r"tiny\.state\.safetensors is not a training state .*restore a copy"
        ) as caught:
            train(tmp_path, minutes=0.0)
        assert len(str(caught.value).splitlines()) == 1
        assert file.read_bytes() == damaged
    file.write_bytes(content)
    assert train(tmp_path, minutes=0.0)[-1].step == 2


def test_a_state_that_was_written_anew_is_checked_as_well(train: Train, tmp_path: Path) -> None:
    """With another content and the right digest; torch would convert it, train on it, or fail steps later."""
    train(tmp_path, minutes=0.0)
    file = tmp_path / "tiny.state.safetensors"
    tensors, facts = stored(tmp_path)
    changes = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.ndim}
    weight = next(name for name, tensor in changes.items() if name.endswith(".weight") and len(tensor) > 1)
    found = next(name for name in changes if "exp_avg" in name or "momentum" in name)
    prefix, _, entry = found.rpartition(".")
    group = prefix.rpartition(".")[0]
    states: list[tuple[dict[str, object], dict[str, object]]] = [
        *(({**tensors, name: tensor * np.nan}, facts) for name, tensor in changes.items() if name in (weight, found)),
        ({**tensors, weight: tensors[weight].double()}, facts),
        ({**tensors, weight: tensors[weight][:1]}, facts),
        ({**tensors, found: torch.zeros(7, 3)}, facts),
        ({name: tensor for name, tensor in tensors.items() if name not in changes or "." not in name}, facts),
        ({name: tensor for name, tensor in tensors.items() if not name.startswith(group + ".")}, facts),
        ({**tensors, f"{group}.999.{entry}": torch.zeros(2)}, facts),
        ({**tensors, f"{prefix}.other": torch.zeros(2)}, facts),
        ({**tensors, "other": torch.zeros(2)}, facts),
        *((tensors, {**facts, place: value}) for place in facts.keys() & {"done", "step", "phase"} for value in WRONG),
        (tensors, {**facts, "seconds": 10**400}),
    ]
    for content, position in states:
        state.save_state(file, content, position)  # type: ignore[arg-type]
        before = file.read_bytes()
        with pytest.raises(DataError, match=r"does not fit the recipe 'tiny' \(.*\); choose another folder") as caught:
            train(tmp_path, minutes=0.0)
        assert len(str(caught.value).splitlines()) == 1
        assert file.read_bytes() == before
    state.save_state(file, tensors, facts)
    assert train(tmp_path, minutes=0.0)[-1].step == 2


def test_the_state_of_another_training_is_refused(
    kind: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one with the same recipe, whose tensors fit."""
    module, recipe, *_ = TRAININGS[kind]
    monkeypatch.setattr(module, "RECIPES", {"tiny": recipe, "twin": recipe})
    train(tmp_path, minutes=0.0)
    (tmp_path / "tiny.state.safetensors").rename(tmp_path / "twin.state.safetensors")
    with pytest.raises(DataError, match=r"twin\.state\.safetensors is the state of the training 'tiny', not of 'twin'"):
        train(tmp_path, name="twin")


def test_a_restart_ignores_the_state(train: Train, tmp_path: Path) -> None:
    train(tmp_path, minutes=0.0)
    assert train(tmp_path, minutes=0.0, resume=False)[-1].step == 1


def test_a_failed_write_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while the state is saved costs the steps since the last save, not the training."""
    file = tmp_path / "tiny.state.safetensors"
    state.save_state(file, {"x": torch.zeros(2)}, {"done": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*tiny\.state\.safetensors: No space left.*; free space"):
        state.save_state(file, {"x": torch.ones(2)}, {"done": 2})
    assert stored(tmp_path)[1] == {"done": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_a_state_larger_than_the_trained_networks_is_not_read(train: Train, tmp_path: Path) -> None:
    """It was read whole, up to 16 GiB, before its tensors were compared."""
    file = tmp_path / "tiny.state.safetensors"
    with file.open("wb") as content:
        content.truncate(2**30)  # takes no room on the disk, and as much memory as it says
    with pytest.raises(
        DataError, match=r"tiny\.state\.safetensors is not a training state \(it has 1,024 MiB; the limit is"
    ):
        train(tmp_path)
    assert file.stat().st_size == 2**30


def test_one_process_trains_at_a_time(train: Train, tmp_path: Path) -> None:
    """The slower of two would put the other's state back."""
    train(tmp_path, minutes=0.0)
    before = stored(tmp_path)[1]
    with hold(tmp_path / ".tiny.lock") or pytest.fail("it is locked"):
        with pytest.raises(DataError, match=r"another process trains 'tiny' in .*; wait until it ends, or choose"):
            train(tmp_path, minutes=0.0)
        assert stored(tmp_path)[1] == before
    assert train(tmp_path, minutes=0.0)[-1].step == 2
    assert not list(tmp_path.glob(".*"))


def test_an_unusable_folder_is_a_clear_error(tmp_path: Path) -> None:
    """A file where the folder should be is named, with what to do."""
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*; free space or choose another folder"):
        state.save_state(tmp_path / "out" / "tiny.state.safetensors", {}, {})


def test_a_shorter_recipe_is_refused(tmp_path: Path) -> None:
    """A state that is past the last phase of the recipe belongs to another training."""
    images, labels = torch.zeros(16, 32, 32, 3, dtype=torch.uint8), torch.zeros(16, dtype=torch.int64)
    network = spiking.new_network(SPIKING.model, seed=0)
    training = ClassifierTraining(network, SPIKING.classifier, images, labels, seed=0)
    with pytest.raises(ValueError, match="its phase is 3, expected a whole number from 0 to 2"):
        training.restore(training.tensors(), {"phase": 3, "step": 0})


def test_an_unknown_name_is_refused(kind: str, train: Train, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="tiny"):
        train(tmp_path, name="tini")


def test_the_published_state_of_the_resnet_resumes() -> None:
    """The state in the repository fits its recipe, and is at the end of it."""
    file = Path(__file__).parents[2] / "problems" / "training-state" / "snn-resnet18.state.safetensors"
    loaded = state.load_state(file)
    assert loaded is not None
    tensors, position = loaded
    recipe = spiking_recipes.RECIPES["snn-resnet18"]
    images, labels = torch.zeros(128, 32, 32, 3, dtype=torch.uint8), torch.zeros(128, dtype=torch.int64)
    network = spiking.new_network(recipe.model, seed=1)
    training = ClassifierTraining(network, recipe.classifier, images, labels, seed=1)
    training.restore(tensors, position)
    assert training.done == training.steps
    assert training.frames == 4
    assert all(torch.equal(training.tensors()[name], tensor) for name, tensor in tensors.items())


def test_milestones_and_minutes_cause_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint is exported after milestones, every `export_minutes` and at the end, which `export` receives."""

    class Counter:
        steps, done = 10, 0

        def advance(self) -> dict[str, float]:
            self.done += 1
            return {"loss": 1.0}

        def tensors(self) -> dict[str, torch.Tensor]:
            return {"x": torch.zeros(1)}

        def position(self) -> dict[str, int]:
            return {"done": self.done}

        def restore(self, tensors: object, position: object) -> None: ...

    def exports(**options: object) -> list[tuple[int, bool]]:
        monkeypatch.setattr(session.time, "monotonic", iter(range(10**6)).__next__)
        counter, seen = Counter(), []
        run = session.Session("tiny", tmp_path, tmp_path, 1, "cpu", None, False, lambda progress: None)
        run.run(counter, lambda ends: seen.append((counter.done, ends)), **options)
        return seen

    assert exports() == [(10, True)]
    assert exports(milestones=[4, 10]) == [(4, False), (10, True)]
    assert exports(export_minutes=2.5 / 60) == [(3, False), (6, False), (9, False), (10, True)]


def test_what_a_killed_session_stored_is_on_the_disk_before_the_next_goes_on_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    run = session.Session("tiny", tmp_path, tmp_path, 1, "cpu", None, False, lambda progress: None)
    ended: list[list[str]] = []
    run.run(SimpleNamespace(done=1, steps=1), lambda ends: ended.append(flushed[:]))  # type: ignore[arg-type]
    assert str(tmp_path) in ended[0]


def test_states_are_kept_evenly_in_the_logarithm_of_the_steps(kind: str, train: Train, tmp_path: Path) -> None:
    """`--keep` stores networks under names of their own, also across sessions; each can be driven like any target."""
    assert session.kept_steps(10_000, 5) == (1, 10, 100, 1000, 10_000)
    assert session.kept_steps(3, 8) == (1, 2, 3)
    assert session.kept_steps(50, 1) == (50,)
    assert session.kept_steps(50, 0) == ()
    for steps in (1, 2, 50):
        assert session.kept_steps(steps, 10**300) == session.kept_steps(steps, 250) == tuple(range(1, steps + 1))
    if kind not in ("spiking", "plain"):
        return
    while (last := train(tmp_path, minutes=0.0, keep=3)[-1]).step < last.steps:
        pass
    kept = checkpoint.states("tiny", tmp_path)
    assert [path.name for path in kept] == [f"tiny-step-{step:06d}" for step in session.kept_steps(last.steps, 3)]
    cards = [checkpoint.read_card(path) for path in kept]
    assert [card.training["steps"] for card in cards] == list(session.kept_steps(last.steps, 3))
    assert len({card.sha256 for card in cards}) == len(kept)
    train(tmp_path, minutes=None, keep=3)
    with pytest.raises(DataError, match=r"beyond 2 of the 4 steps whose networks --keep 4 stores; restart"):
        train(tmp_path, minutes=None, keep=4)
    with pytest.raises(DataError, match=r"has 3 networks that an earlier training of 'tiny' kept, such as tiny-step-"):
        train(tmp_path, minutes=None, seed=2, resume=False)


def test_a_training_that_is_killed_after_it_has_kept_a_network_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it has saved its state for the first time."""
    module, recipe, images, *_ = TRAININGS["plain"]
    monkeypatch.setattr(module, "RECIPES", {"tiny": recipe})
    monkeypatch.setattr(image_sets, "load", lambda name, folder: images())
    given = {"name": "tiny", "data": tmp_path, "seed": 1, "device": "cpu", "resume": True, "keep": 3}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    module.train(**given, out=whole, minutes=None, progress=lambda _: None)

    def kill(_: TrainingProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        module.train(**given, out=killed, minutes=0.0, progress=kill)
    assert len(checkpoint.states("tiny", killed)) == 1
    module.train(**given, out=killed, minutes=None, progress=lambda _: None)
    for one, other in zip(checkpoint.states("tiny", whole), checkpoint.states("tiny", killed), strict=True):
        assert one.with_suffix(".safetensors").read_bytes() == other.with_suffix(".safetensors").read_bytes()


def test_the_card_of_a_classifier_states_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipe, precision, seed, steps and date, under the names of version 0.1."""
    monkeypatch.setattr(spiking, "RECIPES", {"tiny": SPIKING})
    monkeypatch.setattr(image_sets, "load", lambda name, folder: coloured(96))
    spiking.train(
        name="tiny", data=tmp_path, out=tmp_path, seed=1, device="cpu", minutes=None, progress=lambda progress: None
    )
    training = json.loads((tmp_path / "tiny.card.json").read_text())["training"]
    assert list(training) == ["recipe", "precision", "seed", "steps", "steps planned", "date"]
    assert training["recipe"]["loss"] == "rate_loss"
    assert training["recipe"]["rate relaxation"] == "relu"
    assert training["recipe"]["label smoothing"] == 0.05
