"""Rule `baseline`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.baseline(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.baseline,
        train=snakemake.input.train,
        query=snakemake.input.query,
        events=snakemake.output.events,
        mapped=snakemake.output.mapped,
        log=snakemake.log[0],
    )
