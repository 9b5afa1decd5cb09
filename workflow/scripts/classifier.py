"""Rule `classifier`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.classifier import classifier

with log_to(snakemake.log[0]):
    classifier(
        truth=snakemake.input.truth,
        train=snakemake.input.train,
        threads=snakemake.threads,
        output=snakemake.output[0],
    )
