"""Rule `judge`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.correct import judge

with log_to(snakemake.log[0]):
    judge(
        truth=snakemake.input.truth,
        mapped=snakemake.input.mapped,
        gate=snakemake.output.gate,
        verdict=snakemake.output.verdict,
    )
