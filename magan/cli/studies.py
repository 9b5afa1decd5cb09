"""Commands on studies: from a folder of files to corrected files and a report."""

import contextlib
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from magan.cli.application import COMPENSATION, TRUST, app, ended
from magan.errors import InputError, MachineError

Source = Annotated[Path, typer.Argument(help="sample sheet (TSV, CSV, xlsx), or a folder of files")]
Output = Annotated[Path, typer.Option("--output", "-o", help="folder for all that is made; it may be there already")]
Cores = Annotated[int | None, typer.Option(min=1, help="processor cores; all of them if not given")]
Profile = Annotated[str | None, typer.Option(help="a Snakemake profile, for a cluster")]
Unlock = Annotated[bool, typer.Option("--unlock", help="free the folder, after a run was killed")]
LogJobs = Annotated[
    bool, typer.Option("--log-jobs", help="log every job to MLflow while it runs, with time and memory")
]
Panel = Annotated[Path | None, typer.Option(help="table of channel, marker, kind that names the channels")]
Aliases = Annotated[Path | None, typer.Option(help="YAML of name: marker")]
Cofactor = Annotated[str | None, typer.Option(help="of the arcsinh, 5 if not given; none if values are transformed")]
Transform = Annotated[str | None, typer.Option(help="another scale: logicle, hyperlog, logicle(w=0.8)")]
Compensation = Annotated[str | None, typer.Option(help=COMPENSATION)]
Trust = Annotated[str | None, typer.Option(help=TRUST)]
Method = Annotated[str, typer.Option(help="auto, or a name of magan methods")]


@app.command("init")
def propose_study(
    folder: Annotated[Path, typer.Argument(help="folder of FCS, h5ad or CSV files")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the proposal")] = Path("study"),
) -> None:
    """Propose a sample sheet and a study for the files of a folder.

    Batches come from names, acquisition dates and folders; what is in doubt stays blank, with a comment. No file is
    ever overwritten.
    """
    from magan.proposal.sheet import propose

    with _sentences():
        sheet, study, said = propose(folder, output)
        for sentence in said:
            typer.echo(sentence)
        blank = "batch: in doubt" in "\n".join(said)
        first = f"fill in the column batch of {sheet}, then " if blank else f"look at {sheet}, then "
        typer.echo(f"\nNext: {first}magan check {study}, then magan run {study}")
        typer.echo(f"or, in a line: magan correct {sheet} -o corrected")


@app.command("correct")
def correct_batches(
    source: Source,
    output: Output,
    method: Method = "auto",
    reference: Annotated[str, typer.Option(help="a batch, or median: the batch least far from all others")] = "median",
    fallback: Annotated[str, typer.Option(help="of flagged markers: none, input (as measured), monotone")] = "none",
    controls: Annotated[bool, typer.Option("--controls", help="learn from control samples alone (is_control)")] = False,
    neighbours: Annotated[int, typer.Option(min=0, help="for daily batches: learn from so many before and after")] = 0,
    panel: Panel = None,
    cofactor: Cofactor = None,
    transform: Transform = None,
    aliases: Aliases = None,
    compensation: Compensation = None,
    trust: Trust = None,
    cores: Cores = None,
    profile: Profile = None,
    unlock: Unlock = False,
    log_jobs: LogJobs = False,
) -> None:
    """Correct batches: check the files, choose a map, judge it, and write every file again, with a report.

    The same command goes on where an interrupted run stopped. Ends with 1 if nothing could be corrected, and with 2
    if the verdict is not to use the correction.
    """
    from magan.commands import sheets, studies

    with _sentences():
        own = sheets.reading(panel, cofactor, transform, aliases, compensation, trust)
        settings = {"method": method, "reference": reference}
        settings |= {"correct": {"fallback": fallback}} if fallback != "none" else {}
        settings |= {"train": {"is_control": True}} if controls else {}
        settings |= {"neighbours": neighbours} if neighbours else {}
        rows = sheets.rows(source, output)
        study = studies.of_batches(sheets.name_of(output), own, settings)
        _made(rows, study, output, _launch(cores, profile, unlock), log_jobs)


@app.command("merge")
def merge_panels(
    source: Source,
    output: Output,
    method: Annotated[str, typer.Option(help="a preset or model of magan methods")] = "panel_imputation",
    seeds: Annotated[int, typer.Option(min=1, help="networks that are trained, and must agree")] = 3,
    values: Annotated[str, typer.Option(help="in FCS files: expected, or sampled for gates")] = "expected",
    unusable: Annotated[bool, typer.Option("--unusable", help="also write markers that are not usable")] = False,
    panel: Panel = None,
    cofactor: Cofactor = None,
    transform: Transform = None,
    aliases: Aliases = None,
    compensation: Compensation = None,
    trust: Trust = None,
    cores: Cores = None,
    profile: Profile = None,
    unlock: Unlock = False,
    log_jobs: LogJobs = False,
) -> None:
    """Merge panels: every marker on every cell, with intervals, and a verdict on each marker that a panel lacks."""
    from magan.commands import sheets, studies

    with _sentences():
        own = sheets.reading(panel, cofactor, transform, aliases, compensation, trust)
        rows = sheets.rows(source, output)
        settings: dict[str, Any] = {"arms": {"merged": method}, "seeds": seeds}
        settings["write"] = {"values": values, "unusable": unusable}
        study = studies.of_panels(sheets.name_of(output), own, studies.panels_of(rows), settings)
        _made(rows, study, output, _launch(cores, profile, unlock), log_jobs)


@app.command("run")
def run_study(
    study: Annotated[Path, typer.Argument(help="YAML file; config/ and magan init have examples")],
    cores: Cores = None,
    profile: Profile = None,
    unlock: Unlock = False,
    log_jobs: LogJobs = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="list the jobs, and run none")] = False,
) -> None:
    """Run a study in the working directory: the same as snakemake --configfile STUDY, with the verdict in words."""
    from magan.commands import workflow
    from magan.stages.validate_study import validate_study
    from magan.study import load

    with _sentences():
        checked = validate_study(load(study).model_dump(mode="json", exclude_unset=True))
        launch = _logged(_launch(cores, profile, unlock), checked, log_jobs)
        if dry_run:
            jobs = workflow.planned(study, Path(), launch)
            named = ", ".join(f"{n} {rule}" for rule, n in jobs.items())
            typer.echo(f"{sum(jobs.values())} jobs: {named}" if jobs else "nothing is left to do")
            return
        workflow.run(study, Path(), Path("logs", checked.name, "workflow.log"), launch)
        _closing(checked, Path())


@app.command("report")
def show_report(
    study: Annotated[Path, typer.Argument(help="study (YAML), or the folder of magan correct or magan merge")],
    show: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Say what a finished study found, and where its report and its files are."""
    from magan.commands import outcome

    with _sentences():
        checked, folder = outcome.found(study)
        page = outcome.report_of(checked, folder)
        _closing(checked, folder, study if study.is_dir() else None)
        if show:
            webbrowser.open(page.resolve().as_uri())


@app.command("figures")
def print_figures(
    study: Annotated[Path, typer.Argument(help="study (YAML), or the folder of magan correct or magan merge")],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the figures")],
) -> None:
    """Draw the figures of a finished study for print: PDF, SVG and PNG (300 dpi), of one and of two columns.

    Titles and captions are in captions.md, and the digest of the data is in the metadata of each file.
    """
    from magan.commands import outcome
    from magan.stages.publish import publish

    with _sentences():
        checked, folder = outcome.found(study)
        n = sum(1 for _ in publish(checked, folder / "results" / checked.name, output))
        typer.echo(f"{n} files in {output}")


@app.command("ui")
def open_store(
    study: Annotated[Path | None, typer.Argument(help="study, or folder of magan correct or merge")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="of this machine alone")] = 5000,
) -> None:
    """Show the tracking store in MLflow's page, on this machine alone."""
    from magan.commands import outcome

    with _sentences():
        address = outcome.address(study)
        typer.echo(f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning   (Ctrl-C ends it)")
        command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
        with contextlib.suppress(KeyboardInterrupt):
            raise typer.Exit(subprocess.run([*command, "--backend-store-uri", address], check=False).returncode)


def _launch(cores: int | None, profile: str | None, unlock: bool) -> Any:
    from magan.commands.workflow import Launch

    return Launch(cores=cores, profile=profile, unlock=unlock)


def _logged(launch: Any, study: Any, log_jobs: bool) -> Any:
    """A launch that logs the jobs to the store of its study, in the experiment ``<study>/jobs``."""
    return replace(launch, jobs=(study.tracking.uri, f"{study.name}/jobs") if log_jobs else None)


def _made(rows: list[dict[str, object]], values: Mapping[str, Any], output: Path, launch: Any, log_jobs: bool) -> None:
    """Check the files of a study, run it in ``output/run``, and put what it made into ``output``."""
    from magan.atomic_write import only_writer
    from magan.commands import outcome, sheets, studies, workflow

    run = output / "run"
    run.mkdir(parents=True, exist_ok=True)
    with only_writer(output):
        study, checked = studies.write(run, rows, values)
        for sentence in sheets.checked(checked, run):
            typer.echo(sentence)
        workflow.run(study, run, run / "logs" / "workflow.log", _logged(launch, checked, log_jobs))
        outcome.publish(checked, run, output)
    _closing(checked, run, output)


def _closing(study: Any, folder: Path, published: Path | None = None) -> None:
    """Say the verdicts and where everything is; end with 2 where a verdict is not to use the correction."""
    from magan.commands import outcome

    typer.echo()
    for sentence in outcome.verdicts(study, folder):
        typer.echo(sentence)
    typer.echo()
    for what, place in outcome.places(study, folder, published):
        typer.echo(f"{what + ':':<17}{place}")
    if outcome.refused(study, folder):
        raise typer.Exit(2)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Turn what a user should read, and an end by SIGINT or SIGTERM, into a sentence and exit code 1."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except (InputError, MachineError) as error:
        raise ended(error) from None
    except KeyboardInterrupt:
        raise ended("interrupted; the same command goes on where it stopped") from None
    finally:
        signal.signal(signal.SIGTERM, before)
