"""Rule `collect`: one call into the package, nothing decided here."""

from magan import stages
from magan.stages import telling

with stages.log_to(snakemake.log[0]):
    telling.collect(
        study=snakemake.params.study,
        root=snakemake.params.root,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        page=snakemake.input.page,
        output=snakemake.output[0],
    )
