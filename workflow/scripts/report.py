"""Rule `report`: one call into the package, nothing decided here."""

from magan import stages
from magan.stages import telling

with stages.log_to(snakemake.log[0]):
    telling.report(
        study=snakemake.params.study,
        root=snakemake.params.root,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        output=snakemake.output[0],
    )
