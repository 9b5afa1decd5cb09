"""Rule `judge`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.judge(
        truth=snakemake.input.truth,
        mapped=snakemake.input.mapped,
        gate=snakemake.output.gate,
        verdict=snakemake.output.verdict,
    )
