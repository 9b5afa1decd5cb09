"""Rule `summarise`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.evaluate import summarise

with log_to(snakemake.log[0]):
    summarise(
        parts=snakemake.input.scores,
        metrics=snakemake.output.metrics,
        summary=snakemake.output.summary,
        comparisons=snakemake.input.comparisons,
    )
