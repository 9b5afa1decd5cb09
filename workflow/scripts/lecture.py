"""Rule `lecture`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.lecture(
        name=snakemake.wildcards.lecture,
        seeds=snakemake.params.seeds,
        options=snakemake.params.options,
        threads=snakemake.threads,
        images=snakemake.input.get("images"),
        table=snakemake.output.table,
        numbers=snakemake.output.numbers,
        figure=snakemake.output.figure,
    )
