"""Rule `merge`: one call into the package, nothing decided here."""

from magan.stages.files import log_to
from magan.stages.merge import merge

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
