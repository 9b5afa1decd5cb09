"""Rule `draw`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.telling import draw

with log_to(snakemake.log[0]):
    draw(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        arms=snakemake.params.arms,
        methods=snakemake.params.methods,
        folder=snakemake.params.folder,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        output=snakemake.output[0],
    )
