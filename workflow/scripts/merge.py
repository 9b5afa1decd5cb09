"""Rule `merge`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.own_device import own_device
from magan.tasks.panel_merging.merge import MergingFiles, merge

with log_to(snakemake.log[0]), own_device(snakemake.params.device):
    merge(
        snakemake.wildcards.panels,
        snakemake.params,
        MergingFiles(cells=snakemake.input.cells, audits=snakemake.params.audits, **snakemake.output),
        snakemake.threads,
    )
