"""Files of responses mean the same in every format, and say what is wrong with them."""

import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from amb.errors import LabError, suggestion
from amb.lab.arrivals import ByHand
from amb.lab.contradictions import refuse_contradiction
from amb.lab.experiment import Experiment, Search
from amb.lab.journal import Responses
from amb.lab.matlab import read_mat
from amb.lab.response_files import Reading, _number, read_file, read_responses, rows_of
from amb.lab.responses import Row, new_rows

from .conftest import new_experiment

TWO = Experiment("toy", ("a", "b"), 100, (Search("cma", ("a",)),))
ONE = Experiment("toy", ("a",), 100, (Search("cma", ("a",)),))
EXPECTED = {(1, "a"): 3.5, (1, "b"): 2.0, (2, "a"): None, (2, "b"): 4.25, (3, "a"): None, (3, "b"): None}


def read(path: Path, experiment: Experiment = TWO) -> dict[tuple[int, str], float | None]:
    rows = read_responses(path, experiment)
    assert len({(row.trial, row.neuron) for row in rows}) == len(rows)
    return {(row.trial, row.neuron): row.value for row in rows}


def cells(*columns: object) -> np.ndarray:
    array = np.empty(len(columns), dtype=object)
    array[:] = columns
    return array


def test_responses_by_neuron(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text("trial,a,b,rejected\n1,3.5,2,0\n2,NaN,4.25,0\n3,7,8,1\n")
    assert read(wide) == EXPECTED
    wide.write_text("﻿trial;a;b;rejected\r\n1;3,5;2;\r\n2;;4,25;\r\n3;7;8;true\r\n")
    assert read(wide) == EXPECTED
    table = pd.DataFrame({"trial": [1, 2, 3], "a": [3.5, None, 7], "b": [2, 4.25, 8], "rejected": [False, False, True]})
    table.to_parquet(tmp_path / "wide.parquet")
    assert read(tmp_path / "wide.parquet") == EXPECTED
    table.set_index("trial").to_parquet(tmp_path / "wide.parquet")
    assert read(tmp_path / "wide.parquet") == EXPECTED
    savemat(tmp_path / "wide.mat", {c: table[c].to_numpy(float) for c in table})
    assert read(tmp_path / "wide.mat") == EXPECTED


def test_an_index_of_evenly_spaced_trials_is_their_column(tmp_path: Path) -> None:
    """Pandas keeps only its ends in the file, so that a block's own trials seemed to have no numbers."""
    trials = pd.RangeIndex(7, 1, -3, name="trial")
    pd.DataFrame({"response": [3.0, 4.0]}, index=trials).to_parquet(tmp_path / "r.parquet")
    assert read(tmp_path / "r.parquet", ONE) == {(7, "a"): 3.0, (4, "a"): 4.0}
    table = pq.read_table(tmp_path / "r.parquet")
    for noted in (b"[", b"{}", b"[1]", b'{"index_columns": [{"name": "trial", "start": 0, "stop": 9, "step": 1}]}'):
        pq.write_table(table.replace_schema_metadata({b"pandas": noted}), tmp_path / "r.parquet")
        with pytest.raises(LabError, match="has no column 'trial'"):
            read(tmp_path / "r.parquet", ONE)


def test_one_response_a_row(tmp_path: Path) -> None:
    long = tmp_path / "long.csv"
    with long.open("w") as file:
        csv.writer(file).writerows([("neuron", "trial", "response"), *((n, t, v) for (t, n), v in EXPECTED.items())])
    assert read(long) == EXPECTED
    frame = pd.DataFrame([(t, n, v) for (t, n), v in EXPECTED.items()], columns=["trial", "neuron", "response"])
    frame.to_parquet(tmp_path / "long.parquet")
    assert read(tmp_path / "long.parquet") == EXPECTED
    long.write_text("trial,response\n1,3.5\n")
    assert read(long, ONE) == {(1, "a"): 3.5}


def test_a_matrix_of_matlab(tmp_path: Path) -> None:
    matrix = np.array([[3.5, 2], [np.nan, 4.25], [np.nan, np.nan]])
    savemat(tmp_path / "m.mat", {"trial": [[1], [2], [3]], "response": matrix})
    assert read(tmp_path / "m.mat") == EXPECTED
    savemat(tmp_path / "m.mat", {"trial": [1, 2, 3], "response": matrix[:, ::-1], "neuron": cells("b", "a")})
    assert read(tmp_path / "m.mat") == EXPECTED
    for version in ("4", "5"):
        savemat(tmp_path / "m.mat", {"trial": [1, 2, 3], "response": csc_array(matrix)}, format=version)
        assert read(tmp_path / "m.mat") == EXPECTED
    savemat(tmp_path / "m.mat", {"trial": 1, "response": matrix[:1]})
    assert read(tmp_path / "m.mat") == {(1, "a"): 3.5, (1, "b"): 2.0}


def test_spike_times_are_counted_in_the_window(tmp_path: Path) -> None:
    """50 to 250 ms, the start included and the end not: one spike is 5 spikes/s."""
    expected = {(1, "a"): 15.0, (2, "a"): 0.0, (3, "a"): None}
    times = tmp_path / "times.csv"
    times.write_text("trial,time,rejected\n1,12,0\n1,50,0\n1,120.5,0\n1,249.9,0\n1,250,0\n2,,0\n3,100,1\n")
    assert read(times, ONE) == expected
    lists = tmp_path / "lists.csv"
    lists.write_text('trial,spikes\n1,12 50 120.5 249.9 250\n2,""\n3,NaN\n')
    assert read(lists, ONE) == expected
    spikes = [[12, 50, 120.5, 249.9, 250.0], [], None]
    pd.DataFrame({"trial": [1, 2, 3], "spikes": spikes}).to_parquet(tmp_path / "s.parquet")
    assert read(tmp_path / "s.parquet", ONE) == expected
    savemat(tmp_path / "s.mat", {"trial": [1, 2, 3], "spikes": cells(np.array(spikes[0]), np.zeros(0), np.nan)})
    assert read(tmp_path / "s.mat", ONE) == expected
    both = np.empty((2, 2), dtype=object)
    both[0, 0], both[0, 1], both[1, 0], both[1, 1] = np.array([60.0, 70.0]), 80.0, np.zeros(0), np.nan
    savemat(tmp_path / "s.mat", {"trial": [1, 2], "spikes": both})
    assert read(tmp_path / "s.mat") == {(1, "a"): 10.0, (1, "b"): 5.0, (2, "a"): 0.0, (2, "b"): None}


@pytest.mark.parametrize("end", ["end\n", "end,,\n", "END\r\n\n", '"end",\n'])
def test_a_row_says_that_nothing_follows(tmp_path: Path, end: str) -> None:
    file, text = tmp_path / "times.csv", "trial,time,x\n1,60,0\n1,70,0\n"
    file.write_text(text)
    assert not read_file(file, ONE).whole
    file.write_text(text + end)
    assert read_file(file, ONE) == Reading([Row(1, "a", 10.0)], whole=True)
    file.write_text(text + end + "2,80,0\n")
    with pytest.raises(LabError, match="follows the row 'end' in line 4, which must be the last"):
        read_file(file, ONE)


@pytest.mark.parametrize("suffix", ["csv", "mat"])
def test_a_file_that_grows_while_it_is_told_is_refused(tmp_path: Path, suffix: str) -> None:
    """Half of it can be read, and is wrong. Nothing tells it from a whole one but that it goes on growing."""
    lab = new_experiment(tmp_path / "experiment")
    assert lab.next_block() is not None
    file = tmp_path / f"s.{suffix}"
    whole = {"trial": np.array([1.0, 2.0]), "response": np.array([3.0, 4.0]), "rejected": np.array([0.0, 1.0])}

    def write(half: bool) -> None:
        if suffix == "mat":
            savemat(file, {name: whole[name] for name in list(whole)[: 2 if half else 3]})
        else:
            file.write_text("trial,time\n1,60\n2,70\n" + "2,80\n" * (not half))

    write(half=True)
    with pytest.raises(LabError, match="is still being written"):
        ByHand([file], sleep=lambda seconds: write(half=False)).record(lab, file)
    assert not lab.history.recorded(1, "n1")
    assert ByHand([file], sleep=lambda seconds: None).record(lab, file).new == 2
    assert [lab.history.value(trial, "n1") for trial in (1, 2)] == ([3.0, None] if suffix == "mat" else [5.0, 10.0])


def test_spike_times_in_seconds_are_not_counted_as_none(tmp_path: Path) -> None:
    """Each rate would be 0. A few early spikes, or one late spike among many, are milliseconds."""
    seconds = [0.01 * spike for spike in range(1, 31)]
    file = tmp_path / "times.csv"
    file.write_text("trial,time\n" + "".join(f"1,{time:g}\n" for time in seconds))
    with pytest.raises(LabError, match=r"all 30 spikes are before 12\.5 ms, .* may be seconds"):
        read(file, ONE)
    file.write_text("trial,time\n" + "".join(f"1,{time:g}\n" for time in [*seconds, 60]))
    assert read(file, ONE) == {(1, "a"): 5.0}
    file.write_text("trial,time\n" + "".join(f"1,{time:g}\n" for time in seconds[:9]))
    assert read(file, ONE) == {(1, "a"): 0.0}


def test_spike_times_in_microseconds_are_not_counted_as_none(tmp_path: Path) -> None:
    """Each rate would be 0. Spikes that follow the window in a recording of seconds are milliseconds."""
    file = tmp_path / "times.csv"
    for unit, microseconds in ((1, True), (0.01, False)):
        file.write_text("trial,time\n" + "".join(f"1,{1000 * time * unit:g}\n" for time in range(3, 243, 8)))
        if microseconds:
            with pytest.raises(LabError, match=r"half of 30 spikes are at 119000 ms or later, .* may be microseconds"):
                read(file, ONE)
        else:
            assert read(file, ONE)[1, "a"] > 0


def test_spike_times_from_the_start_of_the_session_are_not_counted_as_none(tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    rising = [(trial, 700 * trial + time) for trial in range(5) for time in (60, 120, 180)]
    file.write_text("trial,time\n" + "".join(f"{trial + 1},{time}\n" for trial, time in rising))
    with pytest.raises(LabError, match=r"in each of 5 trials all spikes are later .* start of the session"):
        read(file, ONE)
    file.write_text("trial,time\n" + "".join(f"{trial + 1},{time}\n" for trial, time in [*rising, (4, 190)]))
    assert read(file, ONE)[1, "a"] == 15.0


def test_spikes_that_were_written_twice_are_not_counted_twice(tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    file.write_text("trial,time\n1,60\n1,70.5\n1,60\n1,70.5\n2,80\n2,80\n")
    with pytest.raises(LabError, match="each spike of trial 1 of a is there 2 times; write it once"):
        read(file, ONE)
    file.write_text("trial,time\n1,60\n1,70.5\n1,60\n2,80\n2,80\n")  # two units at one electrode
    assert read(file, ONE) == {(1, "a"): 15.0, (2, "a"): 10.0}


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("trials", [1, 50_000])
def test_spikes_of_a_whole_session_are_read_at_once(trials: int) -> None:
    """A row for each spike, all of one trial or each of another."""
    rows = np.arange(50_000)
    columns = {"trial": rows % trials + 1, "neuron": ["b"] * 50_000, "time": rows[::-1] / 250}
    assert len(rows_of(columns, TWO, "request")) == trials


def test_counts_are_no_spike_times(tmp_path: Path) -> None:
    """Each count would be the time of one spike before the window, and each rate 0."""
    counts = {"trial": list(range(1, 11)), "spikes": [20, 0, 3, 7, 9, 31, 2, 0, 1, 45]}
    for columns in (counts, {name: list(map(str, column)) for name, column in counts.items()}):
        with pytest.raises(LabError, match="one whole number in each of 10 rows, which may be counts"):
            rows_of(columns, ONE, "x")
    savemat(tmp_path / "s.mat", {name: np.array(column, dtype=float) for name, column in counts.items()})
    with pytest.raises(LabError, match="write counts or rates as response"):
        read(tmp_path / "s.mat", ONE)
    assert rows_of(counts | {"spikes": [60.5, *[60] * 9]}, ONE, "x") == [Row(t, "a", 5.0) for t in range(1, 11)]
    savemat(tmp_path / "s.mat", {"trial": np.arange(1.0, 11), "spikes": cells(*[np.array([60.0])] * 10)})
    assert read(tmp_path / "s.mat", ONE) == {(t, "a"): 5.0 for t in range(1, 11)}


def test_lists_of_spikes_that_are_filled_up_to_a_matrix_reject_no_trials(tmp_path: Path) -> None:
    savemat(tmp_path / "s.mat", {"trial": [1, 2], "spikes": np.array([[60, 70], [80, np.nan]])})
    with pytest.raises(LabError, match="spikes of trial 2: NaN or nothing among 2 times, as if to fill a matrix"):
        read(tmp_path / "s.mat", ONE)
    with pytest.raises(LabError, match="as if to fill a matrix"):
        rows_of({"trial": [1, 2], "spikes": [[60], [None, None]]}, ONE, "x")


def test_cells_within_cells_are_read_and_structures_are_no_empty_lists(tmp_path: Path) -> None:
    """Both were trials without a spike."""
    file = tmp_path / "s.mat"
    savemat(file, {"trial": [1, 2], "spikes": cells(cells(np.array([60.0, 70])), cells(np.zeros(0)))})
    assert read(file, ONE) == {(1, "a"): 10.0, (2, "a"): 0.0}
    two = cells(cells(60.0, np.array([70.0, 80])), cells(np.zeros(0), np.nan))
    savemat(file, {"trial": [1, 2], "spikes": two})
    assert read(file, TWO) == {(1, "a"): 5.0, (1, "b"): 10.0, (2, "a"): 0.0, (2, "b"): None}
    savemat(file, {"trial": [1, 2], "spikes": cells({"times": 60.0}, {"times": 70.0})})
    with pytest.raises(LabError, match=r"spikes of trial 1 has '\(a-structure-or-object\)'; expected a number"):
        read(file, ONE)


def test_a_matlab_file_that_ends_within_a_variables_first_bytes_is_refused(tmp_path: Path) -> None:
    """Without `rejected`, which begins there, a rejected trial has a response."""
    file = tmp_path / "r.mat"
    savemat(file, {"trial": [1.0], "a": [2.0]})
    whole = len(file.read_bytes())
    savemat(file, {"trial": [1.0], "a": [2.0], "rejected": [1.0]})
    content = file.read_bytes()
    for torn in range(1, 8):
        file.write_bytes(content[: whole + torn])
        with pytest.raises(LabError, match="a variable is incomplete"):
            read(file, ONE)


def test_columns_of_a_request_may_be_single_numbers() -> None:
    """MATLAB's jsonencode writes a column of one row as a number, and a row of a matrix as a vector."""
    assert rows_of({"trial": 4, "response": [1.5, None]}, TWO, "x") == [Row(4, "a", 1.5), Row(4, "b", None)]
    assert rows_of({"trial": 4, "spikes": [60]}, ONE, "x") == [Row(4, "a", 5.0)]
    assert rows_of({"trial": [4, 5], "spikes": [60, []]}, ONE, "x") == [Row(4, "a", 5.0), Row(5, "a", 0.0)]


def test_a_silent_neurons_only_trial_is_zero_spikes(tmp_path: Path) -> None:
    """A rig that sends one trial's spikes as one list goes on when there are none."""
    assert rows_of({"trial": 4, "spikes": [120, 130]}, ONE, "x") == [Row(4, "a", 10.0)]
    assert rows_of({"trial": 4, "spikes": []}, ONE, "x") == [Row(4, "a", 0.0)]
    assert rows_of({"trial": [4], "spikes": [[]]}, ONE, "x") == [Row(4, "a", 0.0)]
    savemat(tmp_path / "s.mat", {"trial": 4, "spikes": np.zeros((0, 0))})
    assert read(tmp_path / "s.mat", ONE) == {(4, "a"): 0.0}


def test_one_spike_of_every_neuron_is_read_as_matlab_writes_it() -> None:
    """`jsonencode` makes numbers of lists of one: the rig's evening ended at such a trial."""
    lists = rows_of({"trial": 3, "spikes": [[60.0], [70.0]]}, TWO, "x")
    assert rows_of({"trial": 3, "spikes": [60.0, 70.0]}, TWO, "x") == lists
    assert rows_of({"trial": [3, 4], "spikes": [[60.0, 70.0], [[], 80.0]]}, TWO, "x")[:2] == lists
    with pytest.raises(LabError, match="spikes has 3 columns, but the neurons are a, b"):
        rows_of({"trial": 3, "spikes": [60.0, 70.0, 80.0]}, TWO, "x")


@pytest.mark.parametrize("flag", [0.5, -0.3, float("inf"), 2, b"1"])
def test_a_flag_is_read_or_refused_and_never_rounded(flag: object) -> None:
    with pytest.raises(LabError, match=r"column rejected has .*; expected 1 or 0"):
        rows_of({"trial": [1, 2], "response": [3.0, 4.0], "rejected": [flag, 0]}, ONE, "x")
    for flags in ([1.0, 0.0], ["1.0", "0.0"]):  # as another program wrote it, and as a text file has it
        both = rows_of({"trial": [1, 2], "response": [3.0, 4.0], "rejected": flags}, ONE, "x")
        assert both == [Row(1, "a", None), Row(2, "a", 4.0)]


@pytest.mark.parametrize("cell", [b"1_0", b"1"])
def test_bytes_are_no_numbers(cell: bytes) -> None:
    with pytest.raises(LabError, match="expected a number"):
        rows_of({"trial": [1], "response": [cell]}, ONE, "x")


@pytest.mark.parametrize("column", ["trial", "response"])
def test_an_integer_beyond_any_float_is_refused(column: str) -> None:
    with pytest.raises(LabError, match="expected a number"):
        rows_of({"trial": 4, "response": 1.5} | {column: 10**400}, ONE, "the request")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trail,a,b\n1,2,3\n", "no column 'trial'; rename its column 'trail'"),
        ("Trial,a,b\n1,2,3\n", "no column 'trial'; rename its column 'Trial'"),
        ("trial number,a,b\n1,2,3\n", "no column 'trial'; rename its column 'trial number'"),
        ("first trial,last trial\n1,2\n", "no column 'trial'; its columns: first trial, last trial"),
        ("trial a b\n1 2 3\n", "its header is 'trial a b'; expected commas, semicolons or tabs"),
        ("trial,A1\n1,2\n", "a column for each neuron"),
        ("trial,a,B\n1,2,3\n", "column 'B' is not of a recorded neuron; did you mean b"),
        ("trial,a,b\n1,x,3\n", "trial 1 of a has 'x'; expected a number, or nothing for a rejected trial"),
        ("trial,a,b\n1,inf,3\n", "a response is finite"),
        ("trial,a,b\n1.5,2,3\n", "expected the numbers of presentations.csv"),
        ("trial,a,b\n1,2\n", "line 2 has 2 cells, but the header has 3"),
        ("trial,a,b\n\n1,2,3\n1,2\n", "line 4 has 2 cells, but the header has 3"),
        ("trial,a,a\n1,2,3\n", "two columns of one name"),
        ("trial,a,b,rejected\n1,2,3,maybe\n", "column rejected has 'maybe'; expected 1 or 0"),
        ("trial,response\n1,2\n", "needs a column 'neuron'"),
        ("trial,response,spikes\n1,2,3\n", "one of response, spikes and time"),
        ("trial,response,a\n1,2,3\n", "a column for each neuron"),
        ("", "is empty"),
        (
            "trial;a;b\n1;987.5;2\n2;1,234;2\n",
            "column a has '1,234' and '987.5'; write all numbers with a decimal point",
        ),
        ("trial\ta\tb\n1,000\t5\t6\n", "column trial has '1,000', which may be a thousand"),
        ("trial;a;b\n1;800;2\n2;1,250;2\n", "column a has '800' and '1,250', which may be a thousand"),
        ("trial;a;b\n1;2;640\n2;2;nan\n3;2;-1.200\n", "column b has '640' and '-1.200', which may be a thousand"),
        ("trial;a;b\n1;1.010;0,125\n2;1.020;0,25\n", "column b has '0,125' and column a '1.010'; write all numbers"),
        ("trial\ta\tb\n1\t1,500\t0.25\n", "column a has '1,500' and column b '0.25'"),
        ("trial;spikes\n1;12,5 1.020,25 1.030\n", "column spikes has '12,5' and '1.030'"),
        ("trial\tspikes\n1\t120,130\n2\t\n3\t95\n", "column spikes has '120,130', which may be one time or two"),
        ("trial\ttime\tneuron\n1\t950\ta\n1\t1,020\ta\n", "column time has '950' and '1,020'"),
        ("trial;spikes\n1;950 1,020\n", "column spikes has '950' and '1,020'"),
        ("trial,a,b,Rejected\n1,2,3,1\n", "column 'Rejected' .*; rename it 'rejected'"),
        ("trial,a,b,reject\n1,2,3,1\n", "column 'reject' .*; rename it 'rejected'"),
    ],
)
def test_a_file_that_makes_no_sense_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(LabError, match=message):
        read_responses(path, TWO)


@pytest.mark.parametrize("torn", ["2,2.5,3", "2,2.5,", "2,2.5,3.75", '2,2.5,"3.75"'])
def test_a_csv_file_that_ends_within_a_line_is_refused(tmp_path: Path, torn: str) -> None:
    """3 of 3.75 was recorded as a response, and nothing as a rejected trial."""
    path = tmp_path / "r.csv"
    path.write_text(f"trial,a,b\n1,2.5,3.75\n{torn}")
    with pytest.raises(LabError, match="its last line, 3, has no end"):
        read_responses(path, TWO)
    path.write_bytes(b"trial,a,b\r1,2.5,3.75\r")
    assert read(path) == {(1, "a"): 2.5, (1, "b"): 3.75}


def test_decimal_commas_beside_points_in_other_columns_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("trial;a;b;clock;dose\n1,0;3,5;2;12.30;800\n2;4,5;3;12.40;1.250\n")
    assert read(tmp_path / "r.csv") == {(1, "a"): 3.5, (1, "b"): 2.0, (2, "a"): 4.5, (2, "b"): 3.0}


@pytest.mark.parametrize(
    "numbers", ["800,0 1,250", "1,250 2,750", "800 1,25 1,250", "0,125 1,250 3", "1200 1,250", "3 1,2505"]
)
@pytest.mark.parametrize(("separator", "decimal"), [(";", ","), ("\t", ".")])
def test_decimals_that_are_no_thousands_are_read(tmp_path: Path, numbers: str, separator: str, decimal: str) -> None:
    lines = [f"{trial}{separator}{cell}\n" for trial, cell in enumerate(numbers.replace(",", decimal).split(), 1)]
    (tmp_path / "r.csv").write_text("".join([f"trial{separator}a\n", *lines]))
    assert list(read(tmp_path / "r.csv", ONE).values()) == [float(n) for n in numbers.replace(",", ".").split()]


def test_names_of_neurons_are_no_numbers(tmp_path: Path) -> None:
    named = Experiment("toy", ("12", "1.200"), 100, (Search("cma", ("12",)),))
    (tmp_path / "r.csv").write_text("trial;neuron;response\n1;12;3,5\n1;1.200;2\n")
    assert read(tmp_path / "r.csv", named) == {(1, "12"): 3.5, (1, "1.200"): 2.0}


def test_files_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    for name, content, message in [
        ("r.xlsx", b"x", "expected a file of type .csv, .parquet, .mat"),
        ("r.mat", b"MATLAB 7.3 MAT-file, Platform" + b" " * 95 + b"\0\2IM" + b"\0" * 500, "-v7"),
        ("r.mat", b"\x89HDF\r\n\x1a\n" + bytes(500), "it is of version 7.3, which is HDF5; save it with .*-v7"),
        ("r.mat", b"nonsense", "it is not a MATLAB file: it begins with b'nonsense'; save it with .*-v7"),
        ("r.mat", b"", "it is empty; save it with .*-v7"),
        ("r.mat", b"MATLAB 5.0 MAT-file", "damaged or incomplete .*; copy it again, or save it with .*-v7"),
        ("r.mat", bytes(300), "damaged or incomplete .*; copy it again, or save it with .*-v7"),
        ("r.parquet", b"PAR1nonsense", "it is damaged or not a Parquet file"),
        ("r.parquet", b"", "it is empty"),
        ("r.csv", b"trial,a\n\xff\xfe\n", "its text is no UTF-8 .byte 9.; save it as CSV in UTF-8"),
        ("r.csv", "trial,a,b\n1,2,3\n".encode("utf-16"), "its text is UTF-16"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LabError, match=message):
            read_responses(tmp_path / name, TWO)
    with pytest.raises(LabError, match="there is no file"):
        read_responses(tmp_path / "none.csv", TWO)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('trial,a,b\n1,2,"3\n2,3,4\n3,4,5\n', 2),  # swallowed all rows to the end
        ('trial,a,b\n1,2,"3\n2,3,4\n3,4,5"\n', 2),  # three rows that were read as one
        ('trial,a,b,note\n1,2,3,"cat\n2,3,4,dog"\n', 2),  # a trial was lost without a word
        ('trial,a,b\n1,2,3\n2,"3"1,4\n', 3),
        ('trial,a,"b\n1,2,3\n', 1),
    ],
)
def test_a_quotation_mark_that_is_not_closed_loses_no_rows(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(LabError, match=f"line {line} cannot be split into cells"):
        read_responses(tmp_path / "r.csv", TWO)


def test_quoted_cells_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text('"trial","a","b","note"\n"1","3.5",2,"a ""cat"", seen"\n')
    assert read(tmp_path / "r.csv") == {(1, "a"): 3.5, (1, "b"): 2.0}


@pytest.mark.parametrize("text", ["1_0", "\u0663", "\uff11"])
def test_numbers_that_only_python_reads_are_refused(text: str) -> None:
    with pytest.raises(LabError, match="expected a number"):
        _number(text, "r.csv")


def test_a_response_whose_sums_overflow_is_refused() -> None:
    """MATLAB's largest number as a mark for "no answer" would turn the mean of its stimulus into a failed query."""
    with pytest.raises(LabError, match="a response is finite"):
        _number("1.7976931348623157e308", "r.csv")


def test_a_matlab_file_with_two_variables_of_one_name_is_refused() -> None:
    for version in ("5", "4"):
        first, second = BytesIO(), BytesIO()
        savemat(first, {"trial": np.array([[1.0], [2.0]]), "response": np.ones((2, 1))}, format=version)
        savemat(second, {"response": np.zeros((2, 1))}, format=version)
        content = first.getvalue() + second.getvalue()[128 if version == "5" else 0 :]
        with pytest.raises(ValueError, match="two variables of one name, response"):
            read_mat(content, decoded=1 << 20)


def test_an_experiment_with_many_neurons_compares_each_with_few() -> None:
    """Each was compared with all others: 16,000 neurons took 15 seconds."""
    compared = 0

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    names = tuple(Name(f"n{number}") for number in range(300))
    with pytest.raises(LabError, match="'n7' is listed twice"):
        Experiment("toy", (*names, Name("n7")), 100, (Search("cma", names, name="all"),))
    assert Experiment("toy", names, 100, (Search("cma", names, name="all"),)).neurons == names
    assert compared < 30 * len(names)


class CountedName(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        type(self).compared += 1
        return str.__eq__(self, other)  # type: ignore[arg-type]

    __hash__ = str.__hash__


def test_a_neuron_is_not_compared_with_all_others(tmp_path: Path) -> None:
    """A matrix of an array's 4,000 neurons would take minutes."""
    lab = new_experiment(tmp_path / "e", neurons=tuple(f"n{i}" for i in range(300)), together=True)
    lab.next_block()
    names = tuple(CountedName(f"n{i}") for i in range(300))
    assert len(new_rows([Row(1, name, 1.0) for name in names], lab.history)) == 300
    refuse_contradiction(Responses("test", (1,) * 300, names, (1.0,) * 300, ""), lab.history)
    assert CountedName.compared < 300 * 30


@pytest.mark.parametrize("others", [{"a": [1]}, {}], ids=["one of them", "none of them"])
def test_thousands_of_columns_are_not_all_compared_with_all_names(
    monkeypatch: pytest.MonkeyPatch, others: dict[str, list[int]]
) -> None:
    """Both may be many; of few, the first that is meant is named."""
    asked: list[int] = []

    def counted(name: str, known: list[str]) -> str:
        asked.append(len(known))
        return suggestion(name, known)

    monkeypatch.setattr("amb.lab.response_files.suggestion", counted)
    many = Experiment("toy", ("a", *(f"electrode-{i}" for i in range(2_000))), 100, (Search("cma", ("a",)),))
    columns = {"trial": [1], **others, **{f"{i:_<9}": [1] for i in range(1_000)}}
    if others:
        assert len(rows_of(columns, many, "x")) == 1
    else:
        with pytest.raises(LabError, match="must have a column for each neuron"):
            rows_of(columns, many, "x")
    assert sum(asked) < 30_000
    with pytest.raises(LabError, match=r"'electrod-7'.* did you mean electrode-7"):
        rows_of({"trial": [1], **others, "electrod-7": [1], "electrod-8": [1]}, many, "x")
