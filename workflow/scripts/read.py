"""Rule `read`: one call into the package, nothing decided here."""

from magan import stages

with stages.log_to(snakemake.log[0]):
    stages.read(
        data=snakemake.wildcards.data,
        own=snakemake.params.own,
        mirror=snakemake.params.mirror,
        cache=snakemake.params.cache,
        output=snakemake.output[0],
    )
