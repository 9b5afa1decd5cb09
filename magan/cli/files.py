"""Commands on files: what is done to them outside of a study."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from magan.cli.application import COMPENSATION, TRUST, app, ended
from magan.errors import InputError


@app.command("map")
def correct_files(
    model: Annotated[Path, typer.Argument(help="model.safetensors of a trained arm")],
    files: Annotated[list[Path], typer.Argument(help="FCS, CSV, TSV or h5ad files of one batch")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the corrected files")],
    batch: Annotated[str | None, typer.Option(help="which of the model's batches; not needed if it has one")] = None,
    panel: Annotated[Path | None, typer.Option(help="table of channel, marker, kind that names the channels")] = None,
    seed: Annotated[str, typer.Option(help="consensus (mean map of all seeds), or the number of one")] = "consensus",
    compensation: Annotated[str | None, typer.Option(help=COMPENSATION)] = None,
    stay_compensated: Annotated[bool, typer.Option(help="write compensated values, and say so in the file")] = False,
    trust: Annotated[str | None, typer.Option(help=TRUST)] = None,
    data_set: Annotated[str | None, typer.Option(help="its number, where an FCS file holds several")] = None,
) -> None:
    """Write files again as the reference batch would have measured them.

    Events, their order and all other channels stay as they are. A file of the training is read as it was then: names,
    scales and compensation come from the model, if no option says otherwise. A file that cannot be corrected is named,
    and the others are written all the same. Ends with 1 if a file or a marker of the model could not be corrected.
    """
    # PyTorch takes seconds to import, and --help does not need it.
    from magan.atomic_write import only_writer
    from magan.correction import correction, described
    from magan.cytometry.fcs_read import FcsOptions
    from magan.cytometry.panel import read_panel
    from magan.stages.apply_model import destinations
    from magan.stages.training_files import training_file

    try:
        places = destinations(files, output)
        names = read_panel(panel) if panel else None
        corrector = correction(model, batch, seed)
        for sentence in described(model, corrector):
            typer.echo(sentence)
        with only_writer(output):
            given = FcsOptions(compensation, trust, data_set)
            is_open = names is None and given == FcsOptions()
            n_bad = 0
            for file, place in zip(files, places):
                known = training_file(model, file) if is_open else None
                if known is None:
                    n_bad += not _corrected(corrector, file, place, names, given, stay_compensated)
                else:
                    trained = replace(corrector, scales=known.scales)
                    n_bad += not _corrected(trained, file, place, known.panel, known.fcs, stay_compensated)
    except InputError as error:
        raise ended(error) from None
    if corrector.lacking:
        ended(f"{model} lacks {', '.join(corrector.lacking)} in its reference; they stay as measured")
    if n_bad or corrector.lacking:
        raise typer.Exit(1)


def _corrected(corrector, file: Path, place: Path, *arguments) -> bool:
    """Correct a file, and say how; False where it cannot be corrected."""
    from magan.stages.apply_model import correct

    start = time.monotonic()
    try:
        n = correct(corrector, file, place, *arguments)
    except (InputError, OSError) as error:
        ended(error if isinstance(error, InputError) else f"{file} could not be corrected ({error})")
        return False
    what = "as measured" if corrector.leaves else f"{len(corrector.both)} markers"
    typer.echo(f"{place}: {n} events, {what}, {time.monotonic() - start:.1f} s")
    return True


@app.command("calibrate")
def calibrate_model(
    model: Annotated[Path, typer.Argument(help="model.safetensors of method: auto or of another batch map")],
    files: Annotated[list[Path], typer.Argument(help="FCS, CSV, TSV or h5ad files of the new batch")],
    batch: Annotated[str, typer.Option(help="name of the new batch")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the model with the new batch")],
    panel: Annotated[Path | None, typer.Option(help="table of channel, marker, kind that names the channels")] = None,
    compensation: Annotated[str | None, typer.Option(help=COMPENSATION)] = None,
    trust: Annotated[str | None, typer.Option(help=TRUST)] = None,
) -> None:
    """Fit a saved model to a new batch from at most 2,000 of its cells, and say whether the result is safe.

    The reference's files are not needed. Cells of another kind, as of another tissue, are refused. Ends with 1 if the
    verdict is not to use the map.
    """
    from magan.cytometry.fcs_read import FcsOptions
    from magan.cytometry.panel import read_panel
    from magan.stages.calibrate import calibrate

    try:
        names = read_panel(panel) if panel else None
        method, verdict = calibrate(model, files, batch, output, names, FcsOptions(compensation, trust))
    except InputError as error:
        raise ended(error) from None
    typer.echo(f"{output}: batch {batch} by the map {method}. {verdict.sentence}")
    if verdict.word == "do not use":
        raise typer.Exit(1)


@app.command("check")
def check_files(
    sheet: Annotated[Path, typer.Argument(help="sample sheet (TSV, CSV, xlsx), or a study (YAML) with own_data")],
    panel: Annotated[Path | None, typer.Option(help="table of channel, marker, kind that names the channels")] = None,
    cofactor: Annotated[str, typer.Option(help="of the arcsinh transform; none if values are transformed")] = "5",
    transform: Annotated[str | None, typer.Option(help="another scale: logicle, hyperlog, logicle(w=0.8)")] = None,
    aliases: Annotated[Path | None, typer.Option(help="YAML of name: marker")] = None,
    compensation: Annotated[str | None, typer.Option(help=COMPENSATION)] = None,
    trust: Annotated[str | None, typer.Option(help=TRUST)] = None,
    write_aliases: Annotated[Path | None, typer.Option(help="accept the names made the same: write them here")] = None,
    html: Annotated[Path | None, typer.Option(help="write the same as an HTML page, with histograms")] = None,
) -> None:
    """Say what a run would meet, before it runs: files, names, scales, batches, and whether correction is safe.

    Ends with 1 if the run would stop or leave a file out.
    """
    from magan.preflight.inspect import passes, preflights
    from magan.preflight.page import write_page
    from magan.preflight.text import accept, text

    try:
        found = preflights(
            sheet,
            panel=panel,
            cofactor=cofactor,
            transform=transform,
            aliases=aliases,
            compensation=compensation,
            trust=trust,
        )
        for title, findings in found.items():
            typer.echo(text(findings, title))
        if html is not None:
            write_page(found, html)
        if write_aliases is not None:
            n = accept(found.values(), write_aliases)
            typer.echo(f"{write_aliases}: {n} aliases; name it as aliases in the study")
    except InputError as error:
        raise ended(error) from None
    if not all(map(passes, found.values())):
        raise typer.Exit(1)


@app.command("fetch")
def fetch_files(
    name: Annotated[str, typer.Argument(help="of a data set, such as krieg_panel3")],
    mirror: Annotated[str | None, typer.Option(help="folder or URL that holds <name>/<file>")] = None,
    folder: Annotated[Path, typer.Option(help="where the data sets are kept")] = Path("data"),
) -> None:
    """Bring the files of a named data set into a folder, and check them."""
    from magan.stages.fetch import fetch

    try:
        places = fetch(name, mirror, folder)
    except InputError as error:
        raise ended(error) from None
    typer.echo(f"{folder / name}: {len(places)} files")


@app.command("methods")
def list_methods() -> None:
    """List every preset, model, correspondence, technique and baseline, with options and defaults."""
    from magan.methods import table

    typer.echo(table())
