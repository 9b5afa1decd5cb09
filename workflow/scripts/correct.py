"""Rule `correct`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.correct import correct_files

with log_to(snakemake.log[0]):
    correct_files(
        dataset=snakemake.wildcards.dataset,
        own=snakemake.params.own,
        cells=snakemake.input.cells,
        model=snakemake.input.model,
        gate=snakemake.input.gate,
        output=snakemake.output[0],
        acquisition=snakemake.params.acquisition,
    )
