"""Rule `train`: one call into the package, nothing decided here."""

from magan.stages.atomic_files import log_to
from magan.stages.job import job_of
from magan.stages.own_device import own_device
from magan.stages.train import train

with log_to(snakemake.log[0]), own_device(snakemake.params.device):
    files = {"train": snakemake.input.train, "query": snakemake.input.query, "log": snakemake.log[0]}
    train(job_of(snakemake.wildcards, snakemake.params, {**files, **snakemake.output}), snakemake.threads)
