"""Rule `prepare`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.prepare import prepare

with log_to(snakemake.log[0]):
    prepare(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
        batch_size=snakemake.params.batch_size,
        cells=snakemake.input,
        folders=dict(snakemake.output.items()),
    )
