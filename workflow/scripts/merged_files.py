"""Rule `merged_files`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.merged_files import write_merged_files

with log_to(snakemake.log[0]):
    write_merged_files(snakemake.params.own, snakemake.params.settings, tuple(snakemake.input), tuple(snakemake.output))
