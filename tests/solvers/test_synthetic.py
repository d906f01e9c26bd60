"""The synthetic neurons, on which solvers are tried without a network."""

import numpy as np
import pytest

from amb_solvers.tables.synthetic import SPACE, main, ridge, spikes, table


def test_they_are_rates_and_another_neuron_every_seed() -> None:
    candidates = SPACE.sample_prior(200, np.random.default_rng(0))
    for neuron in (ridge, spikes):
        first, again, other = (neuron(seed)(candidates) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert ((first >= 0) & (first <= 1)).all()


def test_spikes_are_whole_counts_and_mostly_none() -> None:
    candidates = SPACE.sample_prior(200, np.random.default_rng(0))
    told = np.concatenate([spikes(seed)(candidates) for seed in range(10)])
    np.testing.assert_allclose(100 * told, np.rint(100 * told), atol=1e-9)
    assert 0.6 < np.mean(told == 0) < 0.8


def test_no_solver_begins_at_the_peak() -> None:
    """A neuron and a solver with the same seed draw from different streams."""
    (row,) = table(["random-prior"], budget=20, seeds=3)
    assert float(row[1]) < 0.2


def test_the_table_is_written_as_markdown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amb_solvers.tables.synthetic.table", lambda names: [("random", "0.001", "0.151")])
    main([])
    assert capsys.readouterr().out.splitlines()[2:] == ["| random | 0.001 | 0.151 |"]
