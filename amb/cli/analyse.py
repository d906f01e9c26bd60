"""`amb analyse`: what is measured for the most exciting inputs of a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o
from amb.spec import user_path

if TYPE_CHECKING:
    from amb.meis.measure import Measures

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of the data sets, for networks whose responses to natural images are not shipped.",
        parser=user_path,
    ),
]
Noise = Annotated[
    str | None,
    typer.Option("--noise", help="Input noise under which the network classifies: bernoulli or gaussian."),
]
Presentations = Annotated[
    int, typer.Option("--presentations", help="Noisy presentations that are averaged.", min=1, metavar="N")
]


def analyse(
    study: Annotated[Path, typer.Argument(help="The study's folder.", parser=user_path)] = o.DEFAULT_STUDY,
    data: Data = None,
    noise: Noise = None,
    presentations: Presentations = 100,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the tables; by default analysis/ in the study.", parser=user_path),
    ] = None,
    device: o.Device = "cpu",
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Measure a study's most exciting inputs: percentiles, classes, entropy, distances, by layer; nothing is run."""
    from rich.console import Console

    import amb
    from amb.cli.show import print_json
    from amb.meis.write import check_tables, write_tables
    from amb.study.interchange import plain_rows
    from amb.study.untrusted import plain

    o.load_plugins(plugin)
    folder = out or study / "analysis"
    check_tables(folder)
    with Console(stderr=True).status("Measuring the inputs ..."):
        measures = amb.analyse(study, data=data, noise=noise, presentations=presentations, device=device)
    files = write_tables(measures, folder, advice="choose another folder with --out")
    if json:
        tables = {"layers": measures.layers, "ratios": measures.ratios, "yardsticks": measures.yardsticks}
        content = {name: plain_rows(table) for name, table in tables.items()}
        print_json({**content, "notes": measures.notes, "files": [str(file) for file in files]})
        return
    print_measures(measures)
    for note in measures.notes:
        print(plain(f"Note: {note}."))
    print("\n".join(str(file) for file in files))


def print_measures(measures: "Measures", network: str | None = None) -> None:
    """Print the measures by layer, one table for each generator, and what one generator reaches of another's.

    Args:
        measures: the measures.
        network: only those of this network; None: of all.
    """
    from amb.cli.show import print_rows
    from amb.study.untrusted import plain
    from amb.text import plural

    layers, ratios = (
        table if network is None else table[table["target"] == network] for table in (measures.layers, measures.ratios)
    )
    for (generator, target), table in layers.groupby(["generator", "target"], sort=False):
        apart = measures.yardsticks.set_index("generator")["latent"][generator]
        shown = table.assign(apart=table["latent"] / apart)
        columns = ["layer", "units", "activation", "entropy", "selectivity", "apart", "similarity"]
        known = [name for name in columns if name in ("layer", "units") or shown[name].notna().any()]
        print_rows(
            [{str(name): _short(value) for name, value in row.items()} for row in shown[known].to_dict("records")],
            as_json=False,
            caption=f"{target} through {generator}, means over units; "
            + "; ".join(f"{name}: {words}" for name, words in _MEANINGS.items() if name in known),
        )
    for row in ratios.itertuples():
        interval = "" if row.low != row.low else f" ({row.low:.2f} to {row.high:.2f})"  # NaN: too few units
        print(
            f"{plain(row.layer)}: {row.second} reaches {row.ratio:.2f}{interval} of the activation by {row.first}, "
            f"{plural(row.units, 'unit')}"
        )


_MEANINGS = {
    "entropy": "of the class probabilities (1: undecided)",
    "selectivity": "for one class of natural images (0 to 1)",
    "apart": "distance of a unit's inputs in latent space (random: 1)",
    "similarity": "correlation of their pixels",
}


def _short(value: object) -> object:
    from amb.text import activation

    return activation(value) if isinstance(value, float) else value
