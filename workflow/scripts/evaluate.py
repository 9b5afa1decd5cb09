"""Rule `evaluate`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.evaluate import evaluate

with log_to(snakemake.log[0]):
    evaluate(
        task=snakemake.wildcards.task,
        truth=snakemake.input.truth,
        mapped=snakemake.input.mapped,
        metrics=snakemake.output[0],
        classifier=snakemake.input.get("classifier"),
    )
