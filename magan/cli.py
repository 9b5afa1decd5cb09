"""The command line: what is done to files outside of a study."""

import time
from pathlib import Path
from typing import Annotated

import typer

from magan.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def magan() -> None:
    """Align single-cell batches with trained models."""


@app.command("map")
def correct_files(
    model: Annotated[Path, typer.Argument(help="model.safetensors of a trained arm")],
    files: Annotated[list[Path], typer.Argument(help="FCS, CSV, TSV or h5ad files of one batch")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the corrected files")],
    batch: Annotated[str | None, typer.Option(help="which of the model's batches; not needed if it has one")] = None,
    panel: Annotated[Path | None, typer.Option(help="table of channel, marker, kind that names the channels")] = None,
    seed: Annotated[str, typer.Option(help="consensus (mean map of all seeds), or the number of one")] = "consensus",
) -> None:
    """Write files again as the reference batch would have measured them.

    Events, their order and all other channels stay as they are. A file that cannot be corrected is named, and the
    others are written all the same.
    """
    # PyTorch takes seconds to import, and --help does not need it.
    from magan.data.cytof import read_panel
    from magan.stages.arrivals import correct, correction, destinations

    try:
        places = destinations(files, output)
        names = read_panel(panel) if panel else None
        one = correction(model, batch, seed)
    except InputError as error:
        raise _ended(error) from None
    n_bad = 0
    for file, place in zip(files, places):
        start = time.monotonic()
        try:
            n = correct(one, file, place, names)
        except (InputError, OSError) as error:
            _ended(error if isinstance(error, InputError) else f"{file} could not be corrected ({error})")
            n_bad += 1
        else:
            typer.echo(f"{place}: {n} events, {len(one.both)} markers, {time.monotonic() - start:.1f} s")
    if n_bad:
        raise typer.Exit(1)


def _ended(error: Exception | str) -> typer.Exit:
    """Say what is wrong on stderr."""
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(1)
