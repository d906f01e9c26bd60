"""The data of the leaderboard page; what the browser makes of it is tested in test_page_browser.py."""

import gzip
import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec import structs

from amb import FunctionProblem, Space, Suite
from amb.catalogue.problems import problem
from amb.catalogue.reference_points import References
from amb.catalogue.suites import suite
from amb.cli.app import app
from amb.comparison.compare import compare
from amb.comparison.table import run_row
from amb.contracts.reference import Reference
from amb.errors import StudyError
from amb.stats import Question, analyse
from amb.stats.metrics import cells_of
from amb.stats.queries import FRACTIONS, queries_to
from amb.study.runs import LARGEST_COUNT
from amb_reports.page.board import Evolution, budgets_to_show
from amb_reports.page.curves import POINTS, SCALE, pack, steps
from amb_reports.page.evolutions import best_images, frames_of
from amb_reports.page.gather import board_of_studies
from amb_reports.page.html import SCRIPTS, render
from amb_reports.page.payload import payload, to_json
from amb_reports.page.sprites import sprite_sheets

HOSTILE = "</script><script>window.hacked = 1</script>"


def board(*studies):  # type: ignore[no-untyped-def]
    return board_of_studies(studies, Question(), command="amb leaderboard x")


@pytest.fixture(scope="module")
def small(make_study):  # type: ignore[no-untyped-def]
    return board(make_study())


def test_a_study_is_ranked_as_everywhere(small) -> None:  # type: ignore[no-untyped-def]
    """The page's statistics are those of `amb.stats` on the same runs, and failures are kept."""
    analysis = analyse(small.runs, dict(zip(cells_of(small.runs), small.traces, strict=True)))
    pd.testing.assert_frame_equal(small.analysis.ranking, analysis.ranking)
    assert small.analysis.ranking["failures"].sum() == 1
    assert list(small.views[0].runs["failed"]) == list(analysis.scored["failed"])


def test_smaller_budgets_show_what_was_known_by_then(small) -> None:  # type: ignore[no-untyped-def]
    """At 50 queries, a run's final value is the best of its first 50; a run that crashed at 40 has failed still."""
    assert [view.budget for view in small.views] == [200, 100, 50, 20]
    view = next(v for v in small.views if v.budget == 50).runs
    for (i, row), told in zip(small.runs.iterrows(), small.traces, strict=True):
        failed = len(told) < 50
        assert view.at[i, "failed"] == failed
        if not failed:
            assert view.at[i, "final"] == told[:50].max()
            assert view.at[i, "solver_seconds"] == pytest.approx(row["solver_seconds"] / 4)


def test_scores_and_costs_at_a_smaller_budget_are_about_the_thresholds_of_the_page(make_study) -> None:  # type: ignore[no-untyped-def]
    """Without reference points, scores were about the best value within that budget, and the rest about another."""
    page = board_of_studies([make_study(seeds=2, crash=False)], Question("queries"), command="x")
    shown = next(v for v in page.views if v.budget == 20).runs
    curves = pack(page.runs["problem"].tolist(), page.traces, page.bounds)
    for i, score in enumerate(shown["score"]):
        steps = slice(curves.start[i], curves.start[i + 1])
        reached = curves.query[steps][curves.share[steps] >= 0.75 * SCALE]
        assert 10**-score == pytest.approx(min([*reached, 20]))
    assert shown["score"].min() == pytest.approx(-np.log10(20)), "some run missed it"


def test_a_study_of_solvers_that_plan_for_their_budgets_has_a_page(make_study) -> None:  # type: ignore[no-untyped-def]
    """No run tells about a smaller budget, and a problem may have runs of another budget only."""
    names = [f"toy/bowl/near/{unit}" for unit in range(4)]
    studies = [make_study(problems=names[:3], budget=200), make_study(problems=names[3:], budget=100)]
    for study in studies:
        runs = [(replace(record, plan=replace(record.plan, anytime=False)), trace) for record, trace in study.records()]
        study.runs = {record.plan.run_id: (record, trace) for record, trace in runs}
    page = board(*studies)
    assert [view.budget for view in page.views] == [200, 100]
    assert [view.runs["problem"].nunique() for view in page.views] == [3, 1]
    assert page.bounds.loc["toy/bowl/near/3", "best"] == max(page.views[1].runs["best"])
    assert len(payload(page, title="")["problems"]) == 4


def test_rows_at_a_smaller_budget_are_those_of_the_runs_cut_there(make_study) -> None:  # type: ignore[no-untyped-def]
    """Column by column as run by run: failed runs, failed queries, budgets of the same size and larger."""
    study = make_study(seeds=2)
    for number, (run_id, (record, trace)) in enumerate(list(study.runs.items())):
        values = trace.values.copy()
        values[: number % 7 * 10] = np.nan
        plan = replace(record.plan, budget=50) if number % 5 == 0 else record.plan
        cut = replace(trace, values=values).first(plan.budget)
        n, final = len(cut), np.nan if np.isnan(record.final) else float(cut.clean.max())
        changes = {"queries": n, "distinct": n, "final": final, "timing": number % 2 == 0}
        study.runs[run_id] = (replace(record, plan=plan, **changes), cut)
    made = board(study)
    assert {50, 200} <= {view.budget for view in made.views}
    by_cell = {(r.plan.problem, r.plan.solver, r.plan.seed): (r, t) for r, t in study.records()}
    for view in made.views:
        for row in view.runs.to_dict("records"):
            record, trace = by_cell[row["problem"], row["solver"], row["seed"]]
            record, trace = record.at_budget(trace, view.budget)
            expected = run_row(record, trace, view.budget) | {"message": record.reason}
            assert {k: row[k] for k, v in expected.items() if v == v} == {k: v for k, v in expected.items() if v == v}
            assert all(np.isnan(row[name]) for name, value in expected.items() if value != value)


def test_studies_are_united_by_key(make_study) -> None:  # type: ignore[no-untyped-def]
    """Runs that two studies hold count once, and the longer course of a run is shown."""
    one = make_study("one")
    shorter = make_study("shorter", solvers=("random", "tt-b[k=50,lr=0.1]"), crash=False)
    for key, (record, trace) in list(shorter.runs.items()):
        n = 100
        plan = replace(record.plan, budget=n)
        told = trace.values[:n]
        cut = replace(trace, candidates=trace.candidates[:n], values=told, clean=told, batches=np.array([n]))
        shorter.runs[key] = replace(record, plan=plan, queries=n, final=float(told.max())), cut
    # The made-up values depend on how many solvers there are, so take the first study's.
    for key, (record, trace) in list(shorter.runs.items()):
        told = one.runs[key][1].values[:100]
        shorter.runs[key] = replace(record, final=float(told.max())), replace(trace, values=told, clean=told)
    united = board(shorter, one)
    assert len(united.runs) == len(one.runs)
    assert (united.runs["budget"] == 200).all()
    assert (united.runs["source"] == 1).all()


def test_studies_that_contradict_each_other_are_refused(make_study) -> None:  # type: ignore[no-untyped-def]
    one, other = make_study("one"), make_study("other")
    key = next(iter(other.runs))
    record, trace = other.runs[key]
    halved = replace(trace, values=trace.values / 2, clean=trace.values / 2)
    other.runs[key] = replace(record, final=record.final / 2), halved
    with pytest.raises(
        StudyError, match=r"one and other hold different copies of the run .*: query \d+ has the value 0"
    ):
        board(one, other)
    other.runs[key] = record, replace(trace, clean=np.where(trace.clean == record.final, trace.clean, trace.clean / 2))
    with pytest.raises(StudyError, match="has the noise-free value"):
        board(one, other)
    with pytest.raises(StudyError, match="other has different weights or another grid for toy/bowl/near/0 than one"):
        board(make_study("one"), make_study("other", fingerprint=lambda name: "changed"))


def _planned(study, budget: int, **changes: object):  # type: ignore[no-untyped-def]
    """The study as one whose solver "random" plans for its budget, which is a smaller one."""
    for run_id, (record, trace) in list(study.runs.items()):
        if record.plan.solver == "random":
            del study.runs[run_id]
            plan = replace(record.plan, budget=budget, anytime=False, **changes)  # type: ignore[arg-type]
            cut = replace(trace.first(budget), values=trace.values[:budget] / 2, clean=trace.clean[:budget] / 2)
            n, final = len(cut), float(cut.clean.max())
            study.runs[plan.run_id] = replace(record, plan=plan, queries=n, distinct=n, final=final), cut
    return study


@pytest.mark.parametrize("turned", [False, True])
def test_runs_of_a_solver_that_plans_for_its_budget_keep_their_own_values(make_study, turned: bool) -> None:  # type: ignore[no-untyped-def]
    """The values of one budget were shown for another: two such runs have problem, solver and seed in common."""
    studies = [_planned(make_study("long"), 200), _planned(make_study("short"), 50)]
    made = board(*(studies[::-1] if turned else studies))
    stored = {run_id: trace.clean for study in studies for run_id, (_, trace) in study.runs.items()}
    assert sum(made.runs["solver"] == "random") == 48
    for run_id, values in zip(made.runs["run_id"], made.traces, strict=True):
        assert np.array_equal(values, stored[run_id])
    for shown in made.views:
        for row in shown.runs[shown.runs["solver"] == "random"].itertuples():
            values = shown.traces[row.problem, row.solver, row.seed]
            assert np.array_equal(values, stored[row.run_id])
            assert len(values) == shown.budget


def test_folders_that_hold_different_runs_of_one_kind_are_named(make_study) -> None:  # type: ignore[no-untyped-def]
    """A user cannot drop the row of a table that `amb leaderboard` makes."""
    one, other = make_study("one"), _planned(make_study("other"), 200)
    says = (
        r"^one and other hold different runs of random on toy/bowl/near/0 with seed 0, of which only one plans for its "
        r"budget; leave one of the two folders out, or .*amb study restore other STUDY --solvers SPECS\), and name that"
    )
    with pytest.raises(StudyError, match=says):
        board(one, other)
    assert len(board(one).runs) == len(board(other).runs)
    one.runs.update(other.runs)
    with pytest.raises(StudyError, match=r"^one holds two different runs of random .*; make a study of what is to be"):
        board(one)


def test_runs_of_earlier_versions_are_left_out_and_counted(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study()
    study.manifest.solvers["random"] = "2"
    made = board(study)
    assert "random" not in set(made.runs["solver"])
    assert made.sources[0].left_out == 24
    assert "24 runs of earlier solver versions" in made.notes[-1]
    for solver in study.manifest.solvers:
        study.manifest.solvers[solver] = "2"
    with pytest.raises(
        StudyError, match=rf"holds no finished run;.*; {len(study.runs)} runs of earlier solver versions"
    ):
        board(study)


def test_scores_under_noise_are_normalized_as_in_a_comparison(toy, make_study, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Reference points are those without noise, if the weights are; a problem that cannot be made has none."""
    names = ["toy/bowl/near/0", "toy/bowl/near/1[noise=gaussian,std=0.1]"]
    plain = [name.split("[")[0] for name in names]
    points = {name: Reference(problem(name).fingerprint, 0.1, 0.2, None, None, 0.9, (0,) * 6, "") for name in plain}
    points["gone/net/only/0"] = points[plain[0]]
    stored = References("quick-1", points)
    toys = Suite("quick", 1, tuple(plain), 20, 2, "Toys, under the name of a suite that is registered.")
    monkeypatch.setattr("amb.catalogue.reference_points.working_suites", lambda: (toys,))
    monkeypatch.setattr("amb.catalogue.reference_points.of_suite", lambda name: stored)
    monkeypatch.setattr("amb.catalogue.reference_points.of_earlier_versions", lambda name: ())
    compared = compare("random", names, budget=20, seeds=2, study=tmp_path)
    shown = board(compared.study).runs.set_index(["problem", "seed"])["normalized"]
    expected = compared.runs.set_index(["problem", "seed"])["normalized"]
    assert expected.notna().all()
    pd.testing.assert_series_equal(shown, expected)
    for stranger in (names[1], "gone/net/only/0[noise=gaussian,std=0.1]"):
        study = make_study(problems=[stranger], fingerprint=lambda name: "of other weights")
        assert board(study).runs["normalized"].isna().all()


@pytest.mark.parametrize("large", [2**32 - 1, 2**32, 2**32 + 5, LARGEST_COUNT])
def test_no_seed_or_budget_wraps_on_the_page(small, large: int) -> None:  # type: ignore[no-untyped-def]
    """The page's scripts read the columns as the types that are stated next to them."""
    seeds = [large - i % 3 for i in range(len(small.runs))]
    data = payload(replace(small, runs=small.runs.assign(seed=seeds, budget=large)), title="x")
    block = gzip.decompress(b64decode(data["block"]))
    for name, expected in (("seed", seeds), ("budget", [large] * len(seeds))):
        kind, offset, length = data["columns"][name]
        assert [int(x) for x in np.frombuffer(block, f"<{kind}", length, offset)] == expected


def test_nothing_to_show_is_said(make_study) -> None:  # type: ignore[no-untyped-def]
    study = make_study("empty")
    study.runs = {}
    with pytest.raises(StudyError, match="empty holds no finished run"):
        board(study)


def test_a_page_loads_nothing_and_reads_no_name_as_html(make_study) -> None:  # type: ignore[no-untyped-def]
    """Names and messages from a study can neither end a script nor open a tag, and nothing has an address."""
    study = make_study(solvers=("random", HOSTILE, "<b>bold</b>&amp;"), message=f"ValueError: {HOSTILE}")
    page = render(board(study), title=HOSTILE)
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(page)
    assert sum(tag == "script" for tag, _ in tags) == 1 + len(SCRIPTS)
    assert not any(tag in ("b", "img", "iframe", "object", "embed") for tag, _ in tags)
    links = [str(a["href"]) for tag, a in tags if tag == "a"]
    assert all(address.startswith(("#", "https://")) for address in links), "links lead out, and load nothing"
    loaded = [a.get(name) for tag, a in tags for name in ("src", "href") if tag != "a" and a.get(name)]
    assert loaded
    assert all(str(address).startswith("data:") for address in loaded)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["solvers"][1]["name"] == HOSTILE


def suites_of(study) -> list[list[str]]:  # type: ignore[no-untyped-def]
    return [facts["suites"] for facts in payload(board(study), title="")["problems"]]


def test_problems_are_said_to_be_of_the_smallest_suite(make_study) -> None:  # type: ignore[no-untyped-def]
    """Captions name the first suite that holds all; a problem without noise is in none that asks for noise."""
    for name in ("quick", "noisy"):
        found = suites_of(make_study(problems=suite(name).problems, seeds=1))
        assert found == [[f"{name}-2"]] * len(suite(name).problems)


def test_suites_that_only_share_problems_are_not_shown(make_study) -> None:  # type: ignore[no-untyped-def]
    """A run of `quick` had the filters quick-2, generators-2 and full-5, though nothing else of these was run."""
    study = make_study(problems=suite("quick").problems[:2], seeds=1)
    assert suites_of(study) == [[], []]
    study.manifest = structs.replace(study.manifest, settings=structs.replace(study.manifest.settings, suite="quick-2"))
    assert suites_of(study) == [["quick-2"], ["quick-2"]], "an interrupted study of a suite is of this suite"


def test_json_holds_what_numbers_json_lacks() -> None:
    text = to_json({"a": np.float64("nan"), "b": np.inf, "c": np.int64(3), "d": pd.NA, "e": [np.bool_(True), "<"]})
    assert json.loads(text) == {"a": None, "b": "inf", "c": 3, "d": None, "e": [True, "<"]}
    assert "<" not in text


@settings(max_examples=50)
@given(
    arrays(np.float64, st.integers(1, 400), elements=st.integers(0, 6400).map(lambda k: k / 6400)),
    st.integers(0, 400),
    st.integers(0, 3000),
)
def test_curves_keep_when_every_target_was_reached(told: np.ndarray, seed: int, chance: int) -> None:
    """Thinned and rounded, a curve still says of all 52 thresholds when they were first reached."""
    if seed % 3 == 0:  # a long climb, which is thinned
        told = np.sort(told)
    start = chance / 6400
    best = start + max(round((float(told.max()) - start) * 6400), 1) / 6400
    runs = pd.DataFrame([("p", "s", 0, len(told))], columns=["problem", "solver", "seed", "budget"])
    bounds = pd.DataFrame({"start": [start], "best": [best]}, index=["p"])
    wanted_hits = queries_to(runs, {("p", "s", 0): told}, fractions=FRACTIONS, bounds=bounds)["queries"]
    query, share = steps(told, start, best)
    assert len(query) <= POINTS + len(FRACTIONS) + 1
    for fraction, expected in zip(FRACTIONS, wanted_hits, strict=True):
        wanted = np.searchsorted(share, round(fraction * SCALE))
        found = float(query[wanted]) if wanted < len(query) else np.inf
        assert found == expected


def test_an_evolution_begins_with_the_first_success_and_ends_with_the_best(make_study) -> None:  # type: ignore[no-untyped-def]
    _, trace = next(make_study(crash=False).records())
    rows = frames_of(trace, 5)
    assert len(rows) == 5
    assert rows[0] == 0
    assert rows[-1] == trace.values.argmax()
    assert (np.diff(trace.values[rows]) > 0).all()


def test_images_shrink_until_they_fit() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8) for _ in range(12)]
    made = [Evolution(f"p{i // 3}", f"s{i % 3}", 0, np.arange(4), np.arange(4.0), noise[i]) for i in range(12)]
    large, small = sprite_sheets(made), sprite_sheets(made, most=40_000)
    assert len(large) == len(small) == 4
    assert sum(len(s.webp) for s in small) <= 44_000 < sum(len(s.webp) for s in large)
    assert large[0].frames == ((0, 1, 2, 3, 3, 3, 3, 3),) * 3  # a short evolution repeats its last frame


def test_images_have_the_name_of_their_runs(tmp_path: Path) -> None:
    """A problem's id leaves out an option at its default, which its runs state: no page was written."""
    asked = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(3, 8), id="a/b/c/0[grid=even]")
    result = compare("random", asked, budget=5, seeds=1, study=tmp_path)
    asked.id = "a/b/c/0"
    shown = best_images(result.runs, result.traces, result.load, lambda *_: None, lambda name: asked)
    assert {one.problem for one in (*shown.evolutions, *shown.landmarks)} == {"a/b/c/0[grid=even]"}


def test_budgets_to_show_begin_with_the_one_most_runs_speak_for() -> None:
    ended = {"status": "ok", "queries": [1000, 500, 500]}
    runs = pd.DataFrame({"budget": [1000, 500, 500], "anytime": [True, True, True], **ended})
    assert budgets_to_show(runs)[:2] == [500, 1000]
    runs["anytime"] = [False, True, False]
    assert budgets_to_show(runs)[0] == 500


def test_leaderboard_of_a_folder_that_is_not_a_study(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    """One line that says what was expected."""
    from amb.errors import AmbError

    with pytest.raises(AmbError, match="is not a study"):
        app(["leaderboard", str(tmp_path)], standalone_mode=False)
