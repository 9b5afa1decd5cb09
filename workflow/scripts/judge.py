"""Rule `judge`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.judge import judge

with log_to(snakemake.log[0]):
    judge(
        files={name: snakemake.input[name] for name in ("truth", "mapped", "trained", "cells")}
        | dict(snakemake.output.items()),
        folders={"train": snakemake.input.train, "query": snakemake.input.query},
        fallback=snakemake.params.fallback,
        own=snakemake.params.own,
    )
