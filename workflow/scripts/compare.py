"""Rule `compare`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.evaluate import compare

with log_to(snakemake.log[0]):
    compare(
        truth=snakemake.input.truth,
        mapped=snakemake.input.mapped,
        metrics=snakemake.input.metrics,
        output=snakemake.output[0],
    )
