from pathlib import Path

from snakemake.exceptions import WorkflowError

from magan import stages
from magan.config import TASKS, data_of
from magan.errors import InputError

try:
    STUDY = stages.plan(config)
except InputError as error:
    raise WorkflowError(f"the study cannot run: {error}")

# Jobs in a conda environment find the package beside the workflow, without its being installed there.
shell.prefix(f"export PYTHONPATH={workflow.basedir}; ")

ROOT = f"results/{STUDY.name}"
TASK = f"{ROOT}/{{task}}/{{dataset}}"


wildcard_constraints:
    task="|".join(TASKS),
    dataset="|".join(dataset for _, dataset, _ in STUDY.tasks()),
    arm="|".join(sorted({arm for _, _, settings in STUDY.tasks() for arm in settings.arms})),
    baseline="|".join(sorted({name for _, _, settings in STUDY.tasks() for name in settings.baselines})) or "none",


def settings_of(wildcards):
    return STUDY.find(wildcards.task, wildcards.dataset)


def preparing(wildcards):
    """What a task is made from; not what is done with it, so that a new arm prepares nothing again."""
    return settings_of(wildcards).model_dump(mode="json", exclude={"baselines", "seeds", "training"}) | {"arms": {}}


def largest_batch(wildcards):
    settings = settings_of(wildcards)
    return max(STUDY.training_of(settings, arm).batch_size for arm in settings.arms.values())


def arm_of(wildcards):
    return settings_of(wildcards).arms[wildcards.arm]


def methods(file):
    """Input function: a file of every arm and baseline of a dataset."""

    def paths(wildcards):
        settings = settings_of(wildcards)
        folder = TASK.format(**wildcards)
        return [f"{folder}/{name}/{file}" for name in (*settings.arms, *settings.baselines)]

    return paths
