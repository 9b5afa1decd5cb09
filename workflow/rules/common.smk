from pathlib import Path

from snakemake.exceptions import WorkflowError


from magan.config import OF_IMAGES, TASKS, data_of
from magan.errors import InputError
from magan.stages.prepare import sources
from magan.stages.validate_study import plan

try:
    STUDY = plan(config)
except InputError as error:
    raise WorkflowError(f"the study cannot run: {error}")

# Jobs in a conda environment find the package beside the workflow, without its being installed there.
shell.prefix(f"export PYTHONPATH={workflow.basedir}; ")

ROOT = f"results/{STUDY.name}"
TASK = f"{ROOT}/{{task}}/{{dataset}}"
BATCH = f"{ROOT}/batch/{{dataset}}"
PANELS = f"{ROOT}/panels/{{panels}}"
# Of the batch alignments: those whose first arm is judged, and those that write the files again.
JUDGED = [dataset for dataset, settings in STUDY.batch.items() if settings.arms]
CORRECTED = [dataset for dataset in JUDGED if STUDY.batch[dataset].correct]
# The models that make samples: each is a target of its own.
ZOO = sorted({arm for settings in STUDY.generation.values() for arm in settings.arms})


wildcard_constraints:
    task="|".join(TASKS),
    dataset="|".join(dataset for _, dataset, _ in STUDY.tasks()),
    arm="|".join(sorted({arm for _, _, settings in STUDY.tasks() for arm in settings.arms})),
    baseline="|".join(sorted({name for _, _, settings in STUDY.tasks() for name in settings.baselines})) or "none",
    panels="|".join(STUDY.panels) or "none",
    lecture="|".join(STUDY.lectures) or "none",


def settings_of(wildcards):
    return STUDY.find(wildcards.task, wildcards.dataset)


def own_data(wildcards):
    """How the user's files are to be read; None for a named data set."""
    own = STUDY.own(wildcards.data)
    return own and own.model_dump(mode="json")


def preparing(wildcards):
    """What a task is made from; not what is done with it, so that a new arm prepares nothing again."""
    return settings_of(wildcards).model_dump(mode="json", exclude={"baselines", "seeds", "training", "correct"}) | {
        "arms": {}
    }


def largest_batch(wildcards):
    settings = settings_of(wildcards)
    return max(STUDY.training_of(settings, arm).batch_size for arm in settings.arms.values())


def arm_of(wildcards):
    return settings_of(wildcards).arms[wildcards.arm]


def first_of(wildcards):
    """The arm of a batch alignment that is judged, and that corrects."""
    return next(iter(STUDY.batch[wildcards.dataset].arms))


def methods(file):
    """Input function: a file of every arm and baseline of a dataset."""

    def paths(wildcards):
        settings = settings_of(wildcards)
        folder = TASK.format(**wildcards)
        return [f"{folder}/{name}/{file}" for name in (*settings.arms, *settings.baselines)]

    return paths


def classifier_of(wildcards):
    """What looks at the images of a task before they are scored."""
    return {"classifier": f"{TASK.format(**wildcards)}/classifier.safetensors"} if wildcards.task in OF_IMAGES else {}


def first_arm(wildcards):
    return next(iter(STUDY.panels[wildcards.panels].arms.items()))


def merging(wildcards):
    """What merged cells are made from; not what else is compared with them."""
    name, arm = first_arm(wildcards)
    settings = STUDY.panels[wildcards.panels].model_dump(mode="json", include={"cells", "where", "by", "panels"})
    return settings | {"arms": {name: arm.model_dump(mode="json", exclude={"training"})}}


def pairs_of(wildcards):
    """Ordered pairs of panels, in the order of their audits."""
    names = STUDY.panels[wildcards.panels].panels
    return [(one, other) for one in names for other in names if one != other]


def audits(file):
    """Input function: a file of the first arm, or of the task, of every ordered pair of panels."""

    def paths(wildcards):
        arm, _ = first_arm(wildcards)
        tasks = STUDY.panels[wildcards.panels].audits(wildcards.panels)
        return [f"{ROOT}/heldout/{dataset}/{file.format(arm=arm)}" for dataset in tasks]

    return paths


def scored(arm):
    """The scores of an arm on every data set that it is trained on."""
    return [
        f"{ROOT}/generation/{dataset}/{arm}/metrics.tsv"
        for dataset, settings in STUDY.generation.items()
        if arm in settings.arms
    ]


def images_of(wildcards):
    """The data set of images that an experiment takes, if it takes one."""
    data = STUDY.lectures[wildcards.lecture].images
    return {"images": f"{ROOT}/cells/{data}.h5ad"} if data else {}
