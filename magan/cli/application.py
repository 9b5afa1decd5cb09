"""The application that all commands belong to, and how a command ends."""

from typing import Annotated

import typer

from magan import __version__

COMPENSATION = "of fluorescence: file (the matrix in each FCS file), none, or the path of a matrix"
TRUST = "header: where an FCS file contradicts itself, its header says where the data are"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"magan {__version__}")
        raise typer.Exit


@app.callback()
def magan(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say the version and end")
    ] = False,
) -> None:
    """Correct batches and merge panels of single-cell files, and compare aligners.

    To begin: magan init FOLDER, then magan correct study/samples.tsv -o corrected.
    """


def ended(error: Exception | str) -> typer.Exit:
    """Say what is wrong on stderr."""
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(1)
