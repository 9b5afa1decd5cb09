"""Rule `merge`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.tasks.panel_merging.merge import merge

with log_to(snakemake.log[0]):
    merge(
        name=snakemake.wildcards.panels,
        settings=snakemake.params.settings,
        training=snakemake.params.training,
        seeds=snakemake.params.seeds,
        device=snakemake.params.device,
        threads=snakemake.threads,
        cells=snakemake.input.cells,
        audits=snakemake.params.audits,
        models=snakemake.output.models,
        output=snakemake.output.merged,
        table=snakemake.output.table,
    )
