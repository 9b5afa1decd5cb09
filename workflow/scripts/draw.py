"""Rule `draw`: one call into the package, nothing decided here."""

from magan import stages
from magan.stages import telling

with stages.log_to(snakemake.log[0]):
    telling.draw(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        arms=snakemake.params.arms,
        methods=snakemake.params.methods,
        folder=snakemake.params.folder,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        output=snakemake.output[0],
    )
