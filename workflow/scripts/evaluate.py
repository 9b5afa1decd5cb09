"""Rule `evaluate`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.evaluate(
        task=snakemake.wildcards.task,
        truth=snakemake.input.truth,
        mapped=snakemake.input.mapped,
        metrics=snakemake.output[0],
        classifier=snakemake.input.get("classifier"),
    )
