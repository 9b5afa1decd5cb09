"""Rule `draw`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.draw import draw

with log_to(snakemake.log[0]):
    draw(
        task=snakemake.wildcards.task,
        dataset=snakemake.wildcards.dataset,
        arms=snakemake.params.arms,
        baselines=snakemake.params.baselines,
        headline=snakemake.params.headline,
        tables=(snakemake.input.metrics, snakemake.input.summary),
        folders=(snakemake.params.folder, snakemake.output[0]),
        written=snakemake.input.get("written", ""),
    )
