"""Rule `summarise`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.summarise(
        parts=snakemake.input,
        metrics=snakemake.output.metrics,
        summary=snakemake.output.summary,
    )
