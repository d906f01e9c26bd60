"""The reports, from a made-up comparison; what they look like is judged by eye, what they say here."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from typer.testing import CliRunner

import amb
from amb.catalogue.plugins import load_file, plugins
from amb.cli.app import app
from amb.reports.write import report_data
from amb.stats import Question, analyse
from amb.stats.metrics import cells_of
from amb.stats.runtimes import pooled_runtimes
from amb_reports.captions import command, scope, short_names
from amb_reports.figures.convergence import ALL, Convergence, convergence_table
from amb_reports.figures.expected_runtime import ExpectedRuntime
from amb_reports.figures.gallery import Gallery, draw_gallery, gallery_table
from amb_reports.figures.heatmap import heatmap_table
from amb_reports.figures.palette import save, spread
from amb_reports.figures.profile import Profile, profile_table
from amb_reports.figures.ranks import Ranks, ranks_table
from amb_reports.figures.runtime import Runtime, runtime_table
from amb_reports.page.gather import board_of_comparison, board_of_studies
from amb_reports.tables import latex, markdown

SOLVERS = ("random", "tt-b[k=50,lr=0.1]", "a_b|c")


@pytest.fixture(scope="module")
def comparison(make_comparison):  # type: ignore[no-untyped-def]
    return make_comparison()


def write_all(comparison: object, folder: Path) -> set[str]:
    files: list[Path] = []
    for name, plugin in plugins("reports").items():
        if plugin.location.startswith("amb_reports."):
            written = plugin.load()().write(comparison, folder)  # type: ignore[operator]
            assert all(path.stat().st_size > 0 for path in written), name
            files += written
    return {path.relative_to(folder).parts[0] for path in files}


@pytest.fixture(scope="module")
def report(comparison, tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    folder = Path(tmp_path_factory.mktemp("report"))
    write_all(comparison, folder)
    return folder


def test_every_report_writes_what_it_says(comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """All files are there, and matplotlib's global settings are as they were."""
    before = dict(mpl.rcParams)
    names = write_all(comparison, tmp_path)
    tables = {"runs.csv", "ranking.csv", "pairs.csv", "report.md", "ranking.tex", "pairs.tex"}
    figures = {"convergence", "runtime", "profile", "ranks", "heatmap"}
    tables |= {
        "leaderboard.html",
        "problem_tests.csv",
        "trials.csv",
        "ert.csv",
        "runs.parquet",
        "traces.parquet",
        "coco",
        "ioh",
    }
    figures |= {"ert"}
    assert names == tables | {f"{f}.{kind}" for f in figures for kind in ("png", "svg")} | {"gallery.png"}
    assert dict(mpl.rcParams) == before


def test_figures_do_not_depend_on_settings_of_matplotlib(comparison, report: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """LaTeX, asked for in a matplotlibrc, is often not there; and a figure shows the same on every computer."""
    settings = {"text.usetex": True, "axes.prop_cycle": mpl.cycler("color", []), "savefig.bbox": "tight"}
    with mpl.rc_context({**settings, "figure.autolayout": True, "lines.linewidth": 0, "font.size": 30}):
        written = Runtime().write(comparison, tmp_path)
    assert len(written) == 2
    for path in written:
        assert path.read_bytes() == (report / path.name).read_bytes()


def test_the_smallest_comparison_can_be_reported(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """One problem, one solver, one run; and one in which everything failed."""
    write_all(make_comparison(1, ("only",), 1, crash=False), tmp_path)
    assert (tmp_path / "report.md").is_file()


def test_a_comparison_across_classes_is_in_files_of_its_own(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The ranking marks the other class, the report says what it knew, and a table holds it against the best."""
    plain = make_comparison(8, ("random", "tt-b", "seeing"), crash=False)
    runs = plain.runs.assign(sees=np.where(plain.runs["solver"] == "seeing", "images", "values"))
    analysis = analyse(runs, plain.traces, resamples=20)
    assert "across.csv" in write_all(replace(plain, runs=runs, analysis=analysis), tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "seeing (image-seeing)" in text
    assert "Across classes, which are ranked apart: seeing, which sees the images" in text
    assert "Image-seeing solvers see the images" in text
    across = pd.read_csv(tmp_path / "across.csv")
    assert across["first"].tolist() == ["seeing"]
    assert across["second"].tolist() == [analysis.ranking["solver"].iloc[0]]


def test_a_problem_that_never_fires_can_be_reported(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Best known 0: no thresholds, no division by zero."""
    dead = make_comparison(2, crash=False)
    runs = dead.runs.assign(final=0.0, best=0.0)
    traces = {key: np.zeros_like(values) for key, values in dead.traces.items()}
    analysis = analyse(runs, traces, resamples=20)
    assert "report.md" in write_all(replace(dead, runs=runs, traces=traces, analysis=analysis), tmp_path)


def test_csv_keeps_every_digit(comparison, report: Path) -> None:  # type: ignore[no-untyped-def]
    """What is read back is what was written."""
    back = pd.read_csv(report / "runs.csv", dtype={"unit": str}, float_precision="round_trip")
    pd.testing.assert_frame_equal(back, comparison.runs)


def test_markdown_escapes_names_and_links_the_figures(comparison, report: Path) -> None:  # type: ignore[no-untyped-def]
    """A bar or a bracket in a solver's name breaks no table; every figure that is shown is there."""
    text = (report / "report.md").read_text(encoding="utf-8")
    table = [line for line in text.split("## Ranking")[1].split("##")[0].splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(comparison.settings["solvers"])
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert r"a\_b\|c" in text
    links = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(links) == 7
    assert all((report / link).is_file() for link in links)
    assert markdown.escape(comparison.analysis.verdict) in text


@pytest.mark.parametrize(
    ("known", "gap"),
    [
        (8, "The gap runs from chance (0) to the best known value (1), the reference points of the problem's suite."),
        (0, "The gap runs from the floor (0) to the best value of these runs (1)."),
        (5, "on 3 problems without reference points, from the floor (0) to the best value of these runs (1)."),
    ],
)
def test_markdown_says_what_the_gap_is(comparison, tmp_path: Path, known: int, gap: str) -> None:  # type: ignore[no-untyped-def]
    """Expected queries are explained by chance and the best known value only where there are reference points."""
    best = np.where(comparison.runs["unit"].astype(int) < known, 1.0, np.nan)
    runs = comparison.runs.assign(chance=0.0, best_known=best)
    text = markdown.render(replace(comparison, runs=runs), tmp_path)
    assert "75% of their problem's gap, all problems pooled (ERT); never: no run does. The gap runs from" in text
    assert gap in text
    of_some = "Normalized activations of the table are of the 5 problems with reference points."
    assert (of_some in text) == (known == 5)


def test_latex_escapes_names(comparison, report: Path) -> None:  # type: ignore[no-untyped-def]
    """Nothing that LaTeX would read as a command is left in a cell."""
    text = (report / "ranking.tex").read_text(encoding="utf-8")
    assert r"a\_b|c &" in text
    assert r"tt-b{[}k=50,lr=0.1{]} &" in text
    assert text.count(r"\\") == 1 + len(comparison.settings["solvers"])
    assert latex.escape("100% & $x$") == r"100\% \& \$x\$"


def test_the_command_makes_it_again(comparison) -> None:  # type: ignore[no-untyped-def]
    """Names that the shell would read are quoted."""
    line = command(comparison.settings)
    assert line.startswith("amb compare --solvers 'random,tt-b[k=50,lr=0.1],a_b|c' --problems gan/net/conv0/0,")
    assert line.endswith("--budget 50 --seeds 2")
    assert "--problems quick --" in command(comparison.settings | {"suite": "quick-1"})
    assert command(comparison.settings | {"control": "random", "seeds": [3, 4]}).endswith(
        "--seeds 3,4 --control random"
    )


def test_the_commands_name_the_files_of_plug_ins(tmp_path: Path) -> None:
    """They failed with an unknown generator or solver; that of a leaderboard counted solvers as not installed."""
    folder = Path(__file__).parents[1] / "plugins"
    for name in ("toy", "slow"):
        load_file(folder / f"{name}.py")
    result = amb.compare("random,climber", "toy/bowl/near/0", budget=4, seeds=1, study=tmp_path / "study")
    line = command(report_data(result).settings)
    assert line.endswith(f"--plugin {shlex.quote(str(folder / 'toy.py'))}")
    assert line.count("--plugin") == 1
    assert CliRunner().invoke(app, [*shlex.split(line)[1:], "--study", str(tmp_path / "again")]).exit_code == 0
    shown = board_of_studies([result.study], Question(), command="amb leaderboard study").settings["command"]
    assert shown == f"amb leaderboard study {shlex.join(['--plugin', str(folder / 'toy.py')])}"


def test_convergence_is_the_median_of_normalized_runs(comparison) -> None:  # type: ignore[no-untyped-def]
    """Curves rise, end at most at 1, and the panel of all problems holds all runs."""
    table = convergence_table(comparison.runs, comparison.traces)
    assert set(table["panel"]) == {ALL, "conv0", "conv1"}
    everything = table[table["panel"] == ALL]
    assert (everything["runs"] == 16).all()
    for _, part in everything.groupby("solver"):
        assert part["median"].is_monotonic_increasing
        assert (part["low"] <= part["median"]).all()
        assert part["high"].max() <= 1


def test_runtime_ends_at_the_share_of_thresholds_reached(comparison) -> None:  # type: ignore[no-untyped-def]
    """By hand: for each run, 52 times its best over the problem's best, rounded down."""
    table = runtime_table(comparison.runs, comparison.traces).groupby("solver")["share"].last()
    known = comparison.runs.groupby("problem")["best"].transform("max")
    reached = np.floor(52 * comparison.runs["best"] / known + 1e-9) / 52
    expected = reached.groupby([comparison.runs["solver"], comparison.runs["problem"]]).mean()
    pd.testing.assert_series_equal(table, expected.groupby("solver").mean(), check_names=False)


def test_figures_and_intervals_are_of_the_runs_of_the_ranking(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Surplus seeds of one solver are in none of them: the ranking leaves them out."""
    whole = make_comparison(seeds=4)
    runs = whole.runs[(whole.runs["solver"] == "random") | (whole.runs["seed"] == 1)].assign(sees="values")
    traces = {cell: whole.traces[cell] for cell in cells_of(runs)}
    data = replace(whole, runs=runs, traces=traces, analysis=analyse(runs, traces, resamples=20))
    ranked = data.analysis.ranking.set_index("solver")
    assert len(data.common) == 24
    pooled = pooled_runtimes(data.common, data.traces, fractions=[0.75], bounds=data.bounds).set_index("solver")
    assert pooled["ert"].to_dict() == ranked["ert"].to_dict()
    ExpectedRuntime().write(data, tmp_path)
    assert set(pd.read_csv(tmp_path / "ert.csv")["runs"]) == {1}
    board = board_of_comparison(data).runtimes()
    pd.testing.assert_series_equal(
        board[np.isclose(board["fraction"], 0.75)].set_index("solver")["high"], pooled["high"]
    )


def test_profile_counts_failures_as_reaching_nothing(comparison) -> None:  # type: ignore[no-untyped-def]
    """At fraction 0 all runs count but the crashed ones, which are one problem of eight."""
    floor = profile_table(comparison.runs, comparison.traces).groupby("solver")["share"].last()
    assert floor.to_dict() == {"random": 1.0, "tt-b[k=50,lr=0.1]": 1.0, "a_b|c": 7 / 8}


def test_heatmap_shows_failures_at_the_floor(comparison) -> None:  # type: ignore[no-untyped-def]
    """Every problem and solver has a cell; the crashed one is 0."""
    table = heatmap_table(comparison.runs, comparison.traces, list(comparison.analysis.ranking["solver"]))
    assert len(table) == 24
    crashed = table[(table["label"] == "conv0/0") & (table["solver"] == "a_b|c")]
    assert crashed["activation"].tolist() == [0.0]


def test_bars_join_what_does_not_differ(comparison) -> None:  # type: ignore[no-untyped-def]
    """A bar begins and ends at the mean ranks of its group's ends."""
    pairs = comparison.analysis.pairs.assign(differs=[True, True, False])
    solvers, bars = ranks_table(comparison.analysis.ranking, pairs)
    place = solvers.set_index("solver")["mean_rank"]
    joined = pairs[~pairs["differs"]].iloc[0]
    assert bars[["start", "end"]].values.tolist() == [sorted([place[joined["first"]], place[joined["second"]]])]


def test_without_an_image_there_is_no_gallery(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A network that cannot be loaded leaves a study without one; its report is written all the same."""
    comparison = make_comparison()
    meis = comparison.meis().iloc[:0]
    assert Gallery().write(replace(comparison, meis=lambda: meis), tmp_path) == []


def test_where_solvers_have_no_problem_in_common_there_is_nothing_to_draw(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    comparison = make_comparison(solvers=SOLVERS, seeds=1)
    figures = (Convergence, Profile, Runtime, ExpectedRuntime, Ranks)
    drawn = [path for figure in figures for path in figure().write(comparison, tmp_path)]
    assert len(drawn) == 11
    assert all(path.exists() for path in drawn)
    number, place = comparison.runs["unit"].astype(int), comparison.runs["solver"].map(SOLVERS.index)
    runs = comparison.runs[number % len(SOLVERS) == place]
    apart = replace(comparison, runs=runs, analysis=analyse(runs, comparison.traces, resamples=20))
    assert [path for figure in figures for path in figure().write(apart, tmp_path)] == []


def test_gallery_marks_the_best_of_each_problem(comparison, report: Path) -> None:  # type: ignore[no-untyped-def]
    """Columns in the order of the ranking, one best a row, images unsmoothed in the file."""
    solvers = list(comparison.analysis.ranking["solver"])
    table = gallery_table(comparison.meis(), comparison.runs, solvers)
    assert (table.groupby("row")["best"].sum() == 1).all()
    best = table[table["best"]]
    assert (best["activation"] == table.groupby("problem")["activation"].max()[best["problem"]].to_numpy()).all()
    picture = np.asarray(Image.open(report / "gallery.png").convert("RGB"))
    image = table[table["row"] == 1].iloc[0]["image"]
    for colour in image.reshape(-1, 3):
        # each pixel became a square of 20 x 20 of the same colour, of which the frame may cover a little
        assert (picture == colour).all(axis=2).sum() >= 280


def test_labels_are_spread_in_order() -> None:
    """Labels keep their order and their distance, within the bounds."""
    placed = spread([0.5, 0.5, 0.51, 0.99], 0.05, 0.0, 1.0)
    assert np.all(np.diff(placed) >= 0.05 - 1e-6)
    assert min(placed) >= 0
    assert max(placed) <= 1


def test_the_scope_says_where_solvers_have_more_seeds() -> None:
    """Distinct seeds would promise ten where five are compared."""
    runs = pd.DataFrame({"problem": "p", "solver": ["a"] * 2 + ["b"] * 3, "seed": [0, 1, 2, 3, 4], "budget": 50})
    assert scope(runs) == "1 problem, 2 solvers, 2 to 3 seeds, 50 queries per run"
    assert scope(runs[runs["solver"] == "a"]) == "1 problem, 1 solver, 2 seeds, 50 queries per run"


def test_short_names_leave_out_what_all_share(comparison) -> None:  # type: ignore[no-untyped-def]
    """One generator, one target: layer and unit are enough."""
    assert short_names(comparison.runs)["gan/net/conv1/3"] == "conv1/3"


HOSTILE = "=a|b`c`<b>x</b>&$y$~\\input{z}[q](r)\x1b[2J\r# h"


def test_hostile_names_stay_text_in_latex_markdown_and_csv(make_comparison, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import csv

    from amb_reports.tables.csv_tables import Csv

    made = make_comparison(solvers=("random", "tt-b", HOSTILE))
    latex.Latex().write(made, tmp_path)
    tex = (tmp_path / "ranking.tex").read_text()
    assert r"\textbackslash{}input\{z\}" in tex
    assert r"\input" not in tex.replace("% Needs", "").split("\n", 1)[1]
    text = markdown.render(made, tmp_path)
    body = text.replace(markdown.escape(HOSTILE), "").split("## Settings")[0]
    assert "<b>" not in body
    assert "\n# h" not in text
    assert r"=a\|b\`c\`\<b\>x\</b\>\&\$y\$\~" in text
    Csv().write(made, tmp_path)
    rows = list(csv.reader((tmp_path / "ranking.csv").open(newline="")))
    assert any(cell.startswith("'=a|b") for row in rows for cell in row)
    assert not any(cell.startswith("=") for row in rows for cell in row)
    for content in (tex, text):
        assert not set("\x1b\r") & set(content)


def test_a_gallery_of_hundreds_of_images_has_one_axes_and_an_image_that_is_not_square_keeps_its_shape() -> None:
    """An axes for each image would take seconds. A wide image is in the middle of its cell."""
    wide = np.zeros((8, 16, 3), np.uint8)
    rows = [("p", f"s{i}", 0, 0.5, wide, 0, i, "p", i == 0) for i in range(200)]
    names = ["problem", "solver", "seed", "activation", "image", "row", "column", "label", "best"]
    figure = draw_gallery(pd.DataFrame(rows, columns=names))
    (axes,) = figure.axes
    assert len(axes.images) == 200
    left, right, bottom, top = axes.images[0].get_extent()
    cell = axes.collections[1].get_paths()[0].get_extents()
    assert (right - left, bottom - top) == (cell.width, cell.height / 2)
    assert (left, (top + bottom) / 2) == (cell.x0, (cell.y0 + cell.y1) / 2)


@pytest.mark.parametrize("setting", ["figure.autolayout", "figure.constrained_layout.use"])
def test_the_files_of_a_figure_have_its_own_layout_whatever_the_users_settings(tmp_path: Path, setting: str) -> None:
    def places(settings: dict[str, bool]) -> tuple[float, ...]:
        figure = Figure(layout=ConstrainedLayoutEngine(w_pad=0.5, h_pad=0.5))
        axes = figure.add_subplot(title="title", xlabel="queries")
        with mpl.rc_context(settings):
            save(figure, tmp_path, "figure")
        return axes.get_position().bounds

    assert places({setting: True}) == places({})
