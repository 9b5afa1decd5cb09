"""Rule `read`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.prepare import read

with log_to(snakemake.log[0]):
    read(
        data=snakemake.wildcards.data,
        own=snakemake.params.own,
        mirror=snakemake.params.mirror,
        cache=snakemake.params.cache,
        output=snakemake.output[0],
    )
