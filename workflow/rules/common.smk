from pathlib import Path

from snakemake.exceptions import WorkflowError


from magan.errors import InputError
from magan.stages.sources import sources, unnameable
from magan.stages.validate_study import validate_study
from magan.tasks.registry import TASKS

try:
    STUDY = validate_study(config)
except InputError as error:
    raise WorkflowError(f"the study cannot run: {error}")

# In a clone, jobs in a conda environment find the package without its being installed there.
CLONE = Path(workflow.basedir).parent
if (CLONE / "pyproject.toml").is_file():
    shell.prefix(f"export PYTHONPATH={CLONE}; ")

ROOT = f"results/{STUDY.name}"
TASK = f"{ROOT}/{{task}}/{{dataset}}"
BATCH = f"{ROOT}/batch/{{dataset}}"
PANELS = f"{ROOT}/panels/{{panels}}"
# Batch corrections whose deployed arm is judged, and those that write the files again.
CORRECTIONS = STUDY.section("batch")
JUDGED = [dataset for dataset, settings in CORRECTIONS.items() if settings.deployed]
CORRECTED = [dataset for dataset in JUDGED if CORRECTIONS[dataset].correct]
# Corrections of files that a workspace or Gating-ML file has gates for; the page compares them before and after.
MERGED = STUDY.panels_to_merge()
# Models that make samples: each arm is a target.
SAMPLING = [(task, dataset, settings) for task, dataset, settings in STUDY.tasks() if TASKS[task].makes_samples]
ZOO = sorted({arm for _, _, settings in SAMPLING for arm in settings.arms})


wildcard_constraints:
    task="|".join(TASKS),
    dataset="|".join(dataset for _, dataset, _ in STUDY.tasks()),
    arm="|".join(sorted({arm for _, _, settings in STUDY.tasks() for arm in settings.arms})) or "none",
    baseline="|".join(sorted({name for _, _, settings in STUDY.tasks() for name in settings.baselines})) or "none",
    panels="|".join(MERGED) or "none",
    lecture="|".join(STUDY.lectures) or "none",


def settings_of(wildcards):
    return STUDY.find(wildcards.task, wildcards.dataset)


def own_data(wildcards):
    """How the user's files are to be read; None for a named data set."""
    own = STUDY.own(wildcards.data)
    return own and own.model_dump(mode="json")


def own_cells_of(wildcards):
    """How the user's files of a batch correction are to be read; None for a named data set."""
    own = STUDY.own(CORRECTIONS[wildcards.dataset].cells)
    return own and own.model_dump(mode="json")


def memory(wildcards, input):
    """MB of a job that holds its input, cells as float32: measured are 300 MB and four to six times the input."""
    return max(2000, 500 + int(6 * input.size_mb))


def memory_to_read(wildcards, input):
    """MB of reading a data set: by default no more than a part of a file and a sample of each file are held."""
    is_drawn = getattr(STUDY.own(wildcards.data), "cells_per_file", "all") == "auto"
    return 2000 if is_drawn else memory(wildcards, input)


def preparing(wildcards):
    """What a task is made from; not what is done with it, so that a new arm prepares nothing again."""
    return settings_of(wildcards).model_dump(
        mode="json", exclude={"baselines", "seeds", "training", "correct", "deploy"}
    ) | {"arms": {}}


def largest_batch(wildcards):
    settings = settings_of(wildcards)
    return max((STUDY.training_of(settings, arm).batch_size for arm in settings.arms.values()), default=2)


def arm_of(wildcards):
    return settings_of(wildcards).arms[wildcards.arm]


def deployed_of(wildcards):
    """The arm of a batch correction that is judged, and that corrects."""
    return CORRECTIONS[wildcards.dataset].deployed


def fallback_of(wildcards):
    """What a flagged marker is given; files that are not written again have no need of it."""
    correct = CORRECTIONS[wildcards.dataset].correct
    return correct.fallback if correct else "none"


def scored_by(wildcards):
    """The maps that are scored: of every method, and the cells as they are written."""
    paths = methods("mapped.h5ad")(wildcards)
    written = wildcards.task == "batch" and wildcards.dataset in CORRECTED
    return [*paths, f"{TASK.format(**wildcards)}/written.h5ad"] if written else paths


def written_of(wildcards):
    """The cells as they are written, where a method is deployed: the report shows these."""
    shown = wildcards.task == "batch" and wildcards.dataset in JUDGED
    return {"written": f"{TASK.format(**wildcards)}/written.h5ad"} if shown else {}


def models_of(wildcards):
    """Arm -> model, the deployed arm first."""
    settings = settings_of(wildcards)
    arms = sorted(settings.arms, key=lambda name: name != settings.deployed)
    return {name: settings.arms[name].model for name in arms}


def methods(file):
    """Input function: a file of every arm and baseline of a dataset."""

    def paths(wildcards):
        settings = settings_of(wildcards)
        folder = TASK.format(**wildcards)
        return [f"{folder}/{name}/{file}" for name in (*settings.arms, *settings.baselines)]

    return paths


def held_out_maps(dataset):
    """The maps of every arm and baseline of held-out markers."""
    settings = STUDY.find("heldout", dataset)
    return [f"{ROOT}/heldout/{dataset}/{name}/mapped.h5ad" for name in (*settings.arms, *settings.baselines)]


def classifier_of(wildcards):
    """The classifier that annotates images before they are scored."""
    images = TASKS[wildcards.task].data == "images"
    return {"classifier": f"{TASK.format(**wildcards)}/classifier.safetensors"} if images else {}


def merging_arm(wildcards):
    """Name and settings of the arm that merges panels."""
    panels = MERGED[wildcards.panels]
    return panels.deployed, panels.arms[panels.deployed]


def merging(wildcards):
    """What merged cells are made from; not what else is compared with them."""
    name, arm = merging_arm(wildcards)
    settings = MERGED[wildcards.panels].model_dump(mode="json", include={"cells", "where", "by", "panels"})
    return settings | {"arms": {name: arm.model_dump(mode="json", exclude={"training"})}}


def pairs_of(wildcards):
    """Ordered pairs of panels, in the order of their audits."""
    names = MERGED[wildcards.panels].panels
    return [(panel, source) for panel in names for source in names if panel != source]


def audits(file):
    """Input function: a file of the merging arm, or of the task, of every ordered pair of panels."""

    def paths(wildcards):
        arm, _ = merging_arm(wildcards)
        panels = MERGED[wildcards.panels]
        tasks = panels.audits(wildcards.panels)
        return [f"{ROOT}/{panels.audited_by}/{dataset}/{file.format(arm=arm)}" for dataset in tasks]

    return paths


def scored(arm):
    """The scores of an arm on every data set that it is trained on."""
    return [
        f"{ROOT}/{task}/{dataset}/{arm}/metrics.tsv" for task, dataset, settings in SAMPLING if arm in settings.arms
    ]


def images_of(wildcards):
    """The data set of images that an experiment takes, if it takes one."""
    data = STUDY.lectures[wildcards.lecture].images
    return {"images": f"{ROOT}/cells/{data}.h5ad"} if data else {}
