"""Rule `report`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.report import report

with log_to(snakemake.log[0]):
    report(
        study=snakemake.params.study,
        root=snakemake.params.root,
        metrics=snakemake.input.metrics,
        summary=snakemake.input.summary,
        output=snakemake.output[0],
    )
