"""Several neurons in one experiment: a search for each, which learns from its neuron's responses to all stimuli."""

from pathlib import Path

import numpy as np
import pytest

from amb.errors import LabError
from amb.lab import analysis
from amb.lab.experiment import FILE
from amb.lab.laboratory import Laboratory
from amb.lab.responses import Row

from .conftest import finish, new_experiment

ALONE = {"share = true": "share = false"}


def test_a_search_learns_its_neurons_responses_to_the_others_stimuli(folder: Path) -> None:
    """Each once, with the mean of its valid trials; a stimulus without any comes when a later block has one."""
    lab = new_experiment(folder, neurons=("a", "b"), solver="one-plus-lambda", trials=150)
    finish(lab, skip=lambda n: n in (3, 4, 5, 6, 7), blocks=4)
    history = lab.history
    for search, other in zip(lab.experiment.searches, reversed(lab.experiment.searches), strict=True):
        learned = [
            one for block in history.blocks for ask in block.asks if ask.search == search.name for one in ask.learned
        ]
        names = [one.stimulus for one in learned]
        assert len(names) == len(set(names)) > 0
        assert {history.candidates[name].search for name in names} == {other.name}
        for one in learned:
            values = history.responses(one.stimulus, search.neurons, kinds=("candidate",))
            assert one.value == pytest.approx(values.mean())
        before = [c.stimulus for c in history.candidates.values() if c.search == other.name and c.block < 4]
        assert set(names) == {name for name in before if len(history.responses(name, search.neurons))}


def test_what_is_learned_changes_what_is_asked_and_nothing_else_does(folder: Path, tmp_path: Path) -> None:
    shared = new_experiment(folder, neurons=("a", "b"), solver="one-plus-lambda", trials=200)
    finish(shared)
    alone = new_experiment(tmp_path / "alone", neurons=("a", "b"), solver="one-plus-lambda", trials=200, changes=ALONE)
    finish(alone)
    assert not any(ask.learned for block in alone.history.blocks for ask in block.asks)
    one, other = ([c.levels for c in lab.history.candidates.values()] for lab in (shared, alone))
    assert one[:2] == other[:2]
    assert one != other


@pytest.mark.parametrize("solver", ["cma", "xdream-ga", "local-search", "tt-b"])
def test_an_experiment_that_shares_is_resumed_where_it_was(folder: Path, tmp_path: Path, solver: str) -> None:
    """Every block in a new process, which replays what each solver learned."""
    changes = {"repeats = 2": "repeats = 1"}
    steady = new_experiment(folder, neurons=("a", "b"), solver=solver, trials=200, changes=changes)
    finish(steady, skip=lambda n: n % 7 == 0, blocks=4)
    new_experiment(tmp_path / "again", neurons=("a", "b"), solver=solver, trials=200, changes=changes)
    for _ in range(4):
        finish(Laboratory(tmp_path / "again"), skip=lambda n: n % 7 == 0, blocks=1)
    again = Laboratory(tmp_path / "again")
    assert [b.asks for b in again.history.blocks] == [b.asks for b in steady.history.blocks]
    assert any(ask.learned for block in again.history.blocks for ask in block.asks)


def test_the_best_so_far_may_be_another_searchs_stimulus(folder: Path) -> None:
    """It is presented as such, and counts in the evolution of the search whose neurons it drives most."""
    lab = new_experiment(folder, neurons=("a", "b"), solver="random-prior", trials=300)
    finish(lab)
    history = lab.history
    borrowed = 0
    for search in lab.experiment.searches:
        names = [c.stimulus for c in history.candidates.values() if len(history.responses(c.stimulus, search.neurons))]
        assert history.leader(search) in names
        for block in history.blocks[1:]:
            leader = block.leaders[search.name]
            assert any(p.kind == "best" and p.stimulus == leader for p in block.order)
            borrowed += history.candidates[leader].search != search.name
        table = analysis.evolution(history, search)
        assert set(table.loc[table["kind"] == "best", "block"]) == {b.block for b in history.blocks[1:]}
    assert borrowed


def test_trials_in_which_another_search_presented_its_best_are_no_test_of_this_searchs_choice(folder: Path) -> None:
    """They are what this search then chose it by: lucky responses, of which its advantage must hold none."""
    changes = {"best = 1": "best = 3", "repeats = 2": "repeats = 1"}
    lab = new_experiment(folder, neurons=("a", "b"), solver="random-prior", trials=200, references=1, changes=changes)

    def respond(stimulus: str, kind: str, neuron: str) -> float:
        if stimulus == "b-0001":
            return 60.0 if neuron == "b" else 15.0 if kind == "candidate" else 50.0
        return 30.0 if (stimulus, neuron) == ("a-0001", "a") else 10.0

    for _ in range(2):
        block = lab.next_block()
        assert block is not None
        trials = [lab.history.trials[n - 1] for n in block.missing]
        lab.tell([Row(t.number, n, respond(t.stimulus, t.kind, n)) for t in trials for n in "ab"], source="test")
    assert lab.history.blocks[-1].leaders == {"a": "a-0001", "b": "b-0001"}
    of_a, of_b = (analysis.advantage(lab.history, search) for search in lab.experiment.searches)
    assert of_a["stimulus"] == of_b["stimulus"] == "b-0001"
    assert np.isnan(of_a["difference"])  # type: ignore[call-overload]
    assert of_b["difference"] == 50


def test_sharing_is_decided_before_the_first_block(folder: Path) -> None:
    lab = new_experiment(folder, neurons=("a", "b"), trials=150)
    finish(lab, blocks=1)
    path = folder / FILE
    path.write_text(path.read_text().replace("share = true", "share = false"))
    with pytest.raises(LabError, match=r"share in experiment\.toml was changed after the first block"):
        Laboratory(folder)
