"""Rule `classifier`: one call into the package, nothing decided here."""

from magan.stages.eyes import classifier
from magan.stages.files import log_to

with log_to(snakemake.log[0]):
    classifier(
        truth=snakemake.input.truth,
        train=snakemake.input.train,
        threads=snakemake.threads,
        output=snakemake.output[0],
    )
