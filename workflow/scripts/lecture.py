"""Rule `lecture`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.lectures import lecture

with log_to(snakemake.log[0]):
    lecture(
        name=snakemake.wildcards.lecture,
        seeds=snakemake.params.seeds,
        options=snakemake.params.options,
        threads=snakemake.threads,
        images=snakemake.input.get("images"),
        table=snakemake.output.table,
        numbers=snakemake.output.numbers,
        figure=snakemake.output.figure,
    )
