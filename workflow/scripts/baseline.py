"""Rule `baseline`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.baseline import baseline

with log_to(snakemake.log[0]):
    baseline(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.baseline,
        folders={"train": snakemake.input.train, "query": snakemake.input.query},
        files={**dict(snakemake.output.items()), "log": snakemake.log[0]},
    )
