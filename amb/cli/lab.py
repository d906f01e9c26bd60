"""`amb lab`: experiments on living neurons."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o
from amb.cli.group import Group
from amb.spec import split_specs, user_path

if TYPE_CHECKING:
    from amb.lab.laboratory import Block, Laboratory, Receipt

app = Group(help="Experiments on living neurons: blocks of stimuli out, responses in, nothing lost in between.")
Folder = Annotated[Path, typer.Argument(help="The experiment's folder.", parser=user_path)]
Close = Annotated[
    int | None,
    typer.Option("--close", help="Count the missing trials of this block as lost, and go on.", metavar="BLOCK"),
]

LONGEST = 3600
"""Seconds between two looks at most."""


@app.command("new")
def new(
    folder: Folder,
    generator: Annotated[
        str, typer.Option("--generator", "-g", help="Makes the stimuli, such as mnist-sngan\\[grid=quantile].")
    ] = "cifar10-sngan-int8",
    neurons: Annotated[str, typer.Option("--neurons", "-n", help="Names of all recorded neurons.")] = "n1",
    solver: Annotated[str, typer.Option("--solver", "-s", help="The solver of each search.", metavar="SPEC")] = "cma",
    together: Annotated[
        bool, typer.Option("--together", help="One search for the mean of all neurons, instead of one for each.")
    ] = False,
    trials: Annotated[int, typer.Option("--trials", "-t", help="Budget in presentations.")] = 400,
    references: Annotated[
        list[Path] | None,
        typer.Option("--reference", "-r", help="A reference image, or a folder of them; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of solvers and presentation order.")] = 0,
    plugin: o.Plugins = None,
) -> None:
    """Make an experiment: a folder with experiment.toml, to be edited before the first block."""
    from amb.lab.experiment import FILE, template
    from amb.lab.laboratory import create
    from amb.lab.searches import batch_sizes
    from amb.lab.stimuli import images_in

    o.load_plugins(plugin)
    names = split_specs(neurons)
    text = template(generator=generator, neurons=names, solver=solver, together=together, trials=trials, seed=seed)
    experiment = create(folder, text, images_in([user_path(place) for place in references or []]))
    sizes = batch_sizes(experiment)
    searches = ", ".join(f"{search.name} ({search.solver})" for search in experiment.searches)
    print(f"{folder}: {experiment.trials} trials, searches {searches}")
    if min(sizes.values()) == 1:
        print(
            f"Note: {solver} asks for one stimulus at a time, so each block has one of each search. Solvers that ask "
            "for batches, such as cma, xdream-ga or sphere-cma, need fewer blocks."
        )
    print(f"Edit its {FILE}, then make the first block: amb lab next {folder}")


@app.command("next")
def next_(folder: Folder, close: Close = None, plugin: o.Plugins = None, json: o.Json = False) -> None:
    """Write the next block: stimuli as PNG, and presentations.csv with their order.

    While a block lacks responses, that block is the next one.
    """
    from amb.lab.laboratory import Laboratory

    o.load_plugins(plugin)
    lab = Laboratory(folder)
    block = lab.next_block(close=close)
    _print_block(block, lab, as_json=json)
    if block is not None and not json:
        print(f"Present them in the order of presentations.csv, then:\namb lab tell {folder} FILE")


@app.command("tell")
def tell(
    folder: Folder,
    files: Annotated[
        list[Path], typer.Argument(help="Responses or spike times: CSV, Parquet or MATLAB files.", metavar="FILE...")
    ],
    json: o.Json = False,
) -> None:
    """Record responses; a file that was told before, or that holds only a part of a block, is welcome."""
    from amb.cli.show import print_json
    from amb.lab.arrivals import ByHand
    from amb.lab.laboratory import Laboratory

    lab = Laboratory(folder)
    paths, told = [user_path(file) for file in files], []
    arrived = ByHand(paths)
    try:
        for file in paths:
            receipt = arrived.record(lab, file)
            told.append(_receipt_record(receipt, file))
            if not json:
                _print_receipt(receipt, file)
    finally:  # also what was recorded before a file that is refused
        if json:
            print_json(told)
    if receipt.block is None and not json:
        print(f"Go on: amb lab next {folder}")


@app.command("correct")
def correct(
    folder: Folder,
    file: Annotated[Path, typer.Argument(help="The right responses: CSV, Parquet or MATLAB.", parser=user_path)],
    block: Annotated[int, typer.Option("--block", help="The block whose responses were wrong.")],
    reason: Annotated[str, typer.Option("--reason", help="What was wrong; it stays in the journal and the report.")],
    json: o.Json = False,
) -> None:
    """Replace responses that were recorded wrong, visibly; solvers that learned from them go back to before it."""
    from amb.cli.show import print_facts
    from amb.lab.arrivals import ByHand
    from amb.lab.arrivals import correct as correct_by
    from amb.lab.laboratory import Laboratory
    from amb.lab.status import going_back
    from amb.text import plural

    lab = Laboratory(folder)
    done = correct_by(lab, ByHand([file]).read(lab, file), file, block=block, reason=reason)
    if json:
        counts = {"corrected": done.corrected, "new": done.new, "known": done.known, "restarted": dict(done.restarted)}
        print_facts({"file": str(file), "block": block, **counts}, as_json=True)
        return
    new = f", {done.new:,} new" if done.new else ""
    known = f", {done.known:,} known before" if done.known else ""
    print(f"{file}: {plural(done.corrected, 'response')} of block {block} corrected{new}{known}")
    for line in going_back(done.restarted):
        print(line)


@app.command("report")
def report(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write; by default FOLDER/report.", parser=user_path),
    ] = None,
    plugin: o.Plugins = None,
) -> None:
    """Write a page about an experiment, which works offline, and a table of all its trials."""
    from amb.lab.laboratory import Laboratory
    from amb.lab.report import write_report

    o.load_plugins(plugin)
    for file in write_report(Laboratory(folder), out):
        print(file)


@app.command("watch")
def watch(
    folder: Folder,
    inbox: Annotated[
        Path | None,
        typer.Option(
            "--inbox",
            help="Where files with responses arrive; by default FOLDER/responses.",
            parser=user_path,
        ),
    ] = None,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.", min=0.01, max=LONGEST)] = 0.5,
    plugin: o.Plugins = None,
) -> None:
    """Record responses as their files arrive, and write the next block, until the budget is spent."""
    from amb.cli.complaints import complain
    from amb.lab import watch as watching
    from amb.lab.laboratory import Laboratory
    from amb.lab.rehearsal import RESPONSES

    o.load_plugins(plugin)
    lab = Laboratory(folder)
    for event in watching.watch(lab, inbox or folder / RESPONSES, every=every):
        match event:
            case watching.Wrote():
                _print_block(event.block, lab, as_json=False)
            case watching.Told() if event.receipt.new:
                _print_receipt(event.receipt, event.file)
                if not event.whole:
                    print(f"Nothing in {event.file.name} tells that it is whole; it did not change for a while.")
            case watching.Refused():
                complain(event.reason)
            case watching.Finished():
                _print_block(None, lab, as_json=False)


@app.command("serve")
def serve(
    folder: Folder,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; others than this computer's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535)] = 8642,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="AMB_LAB_TOKEN", help="What every request must present; made up where it is needed."
        ),
    ] = None,
    plugin: o.Plugins = None,
) -> None:
    """Give out blocks and record responses over HTTP, for rigs on other computers or in MATLAB."""
    import secrets

    from amb.errors import LabError
    from amb.lab import server
    from amb.lab.laboratory import Laboratory

    o.load_plugins(plugin)
    server.require()
    if token is not None and (len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token):
        raise LabError("a token has at least 8 printable ASCII characters and no blanks")
    Laboratory(folder)  # refuses a folder without an experiment
    listening = server.listen(host, port)
    address, number, *_ = listening.getsockname()
    if token is None and not server.is_loopback(address):
        token = secrets.token_urlsafe(24)
        print(f"Token: {token}")
    name = f"[{address}]" if ":" in address else address
    print(f"Serving {folder} at http://{name}:{number}; http://{name}:{number}/openapi.json describes it", flush=True)
    server.serve(folder, listening, token)


@app.command("simulate")
def simulate(
    folder: Folder,
    problems: Annotated[
        str | None,
        typer.Option(
            "--problems",
            "-p",
            help="One problem for each neuron, as in `amb run`; makes subject.toml.",
            metavar="SPECS",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Make, answer and tell blocks until the budget is spent.")
    ] = False,
    lost: Annotated[
        float | None, typer.Option("--lost", help="Probability that a trial is lost, for a new subject.toml.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of the subject, for a new subject.toml; by default 0.")
    ] = None,
    spikes: Annotated[bool, typer.Option("--spikes", help="Write spike times instead of responses.")] = False,
    kind: Annotated[str, typer.Option("--format", help="csv, parquet or mat.")] = "csv",
    plugin: o.Plugins = None,
) -> None:
    """Answer the open block as a living subject might, in a file that `amb lab tell` reads."""
    from amb.catalogue.problems import expand
    from amb.errors import LabError, unknown
    from amb.lab.laboratory import Laboratory
    from amb.lab.rehearsal import answer, subject_of
    from amb.lab.response_files import SUFFIXES, read_responses

    o.load_plugins(plugin)
    if f".{kind}" not in SUFFIXES:
        raise unknown("format", kind, [suffix[1:] for suffix in SUFFIXES])
    lab = Laboratory(folder)
    subject = subject_of(lab, expand(problems) if problems else (), seed=seed, lost=lost)
    while (block := lab.next_block() if everything else lab.open_block()) is not None:
        file = answer(lab, subject, block, kind=kind, spikes=spikes)  # type: ignore[arg-type]
        if not everything:
            print(f"{file}: responses to block {block.number}; record them: amb lab tell {folder} {file}")
            return
        _print_receipt(lab.tell(read_responses(file, lab.experiment), source=file.name), file)
    if not everything:
        raise LabError(f"{folder} has no open block; `amb lab next {folder}` makes one")
    _print_block(None, lab, as_json=False)


@app.command("status")
def status(folder: Folder, json: o.Json = False) -> None:
    """Show how far an experiment is, and what each search has found."""
    from amb.cli.show import print_facts
    from amb.lab.laboratory import Laboratory
    from amb.lab.status import facts, record

    lab = Laboratory(folder)
    print_facts(record(lab) if json else facts(lab), as_json=json)


def _print_block(block: "Block | None", lab: "Laboratory", *, as_json: bool) -> None:
    from amb.cli.show import print_facts
    from amb.lab.status import why_finished

    if as_json:
        print_facts(
            {"finished": True}
            if block is None
            else {
                "finished": False,
                "block": block.number,
                "folder": str(lab.shown / block.folder.relative_to(lab.folder)),
                "first": block.trials.start,
                "last": block.trials.stop - 1,
                "missing": list(block.missing),
                "restored": list(block.restored),
            },
            as_json=True,
        )
    elif block is None:
        print(f"The experiment is finished: {why_finished(lab)}.")
    else:
        waits = "" if len(block.missing) == len(block.trials) else f"; responses are missing for {len(block.missing)}"
        folder = lab.shown / block.folder.relative_to(lab.folder)
        print(f"{folder}: block {block.number}, trials {block.trials.start} to {block.trials.stop - 1}{waits}")
        if block.restored:
            print(f"Written again, since they were missing or changed: {', '.join(block.restored)}")


def _receipt_record(receipt: "Receipt", file: Path) -> dict[str, object]:
    record = {"file": str(file), "new": receipt.new, "known": receipt.known}
    return {**record, "block": receipt.block, "missing": list(receipt.missing)}


def _print_receipt(receipt: "Receipt", file: Path) -> None:
    from amb.lab.status import ranges
    from amb.text import plural

    known = f", {receipt.known:,} known before" if receipt.known else ""
    state = (
        "the block is complete"
        if receipt.block is None
        else f"block {receipt.block} lacks {plural(len(receipt.missing), 'trial')}: {ranges(receipt.missing)}"
    )
    print(f"{file}: {plural(receipt.new, 'new response')}{known}; {state}")
