"""Rule `baseline`: one call into the package, nothing decided here."""

from magan.stages.align import baseline
from magan.stages.atomic_files import log_to

with log_to(snakemake.log[0]):
    baseline(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.baseline,
        train=snakemake.input.train,
        query=snakemake.input.query,
        events=snakemake.output.events,
        mapped=snakemake.output.mapped,
        log=snakemake.log[0],
    )
