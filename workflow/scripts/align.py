"""Rule `align`: one call into the package, nothing decided here."""

from magan.stages.align import align
from magan.stages.atomic_files import log_to

with log_to(snakemake.log[0]):
    align(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        arm_name=snakemake.wildcards.arm,
        arm=snakemake.params.arm,
        training=snakemake.params.training,
        seeds=snakemake.params.seeds,
        device=snakemake.params.device,
        threads=snakemake.threads,
        train=snakemake.input.train,
        query=snakemake.input.query,
        model=snakemake.output.model,
        events=snakemake.output.events,
        mapped=snakemake.output.mapped,
        log=snakemake.log[0],
    )
