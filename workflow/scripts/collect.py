"""Rule `collect`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.track import collect

with log_to(snakemake.log[0]):
    collect(
        study=snakemake.params.study,
        root=snakemake.params.root,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        page=snakemake.input.page,
        output=snakemake.output[0],
    )
