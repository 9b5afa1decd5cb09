"""Rule `draw_merged`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.draw import draw_merged

with log_to(snakemake.log[0]):
    draw_merged(
        table=snakemake.input.table,
        merged=snakemake.input.merged,
        audits=dict(zip(snakemake.params.names, zip(snakemake.input.truths, snakemake.input.mapped))),
        output=snakemake.output[0],
    )
