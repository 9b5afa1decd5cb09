"""Rule `classifier`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.classifier(
        truth=snakemake.input.truth,
        train=snakemake.input.train,
        threads=snakemake.threads,
        output=snakemake.output[0],
    )
