# Models that make samples: how they are trained, and a target for each arm, so that
# `snakemake dcgan --cores 2 --configfile config/zoo.yaml` trains and scores that one.


rule generate:
    """Train every seed of one arm as one batched model and make a sample for each test image."""
    input:
        train=rules.prepare.output.train,
        query=rules.prepare.output.query,
        ready=ancient(rules.ready.output),
    output:
        model=f"{TASK}/{{arm}}/model.safetensors",
        events=f"{TASK}/{{arm}}/events.jsonl",
        mapped=f"{TASK}/{{arm}}/mapped.h5ad",
    log:
        f"logs/{STUDY.name}/generate/{{task}}/{{dataset}}/{{arm}}.log",
    benchmark:
        f"logs/{STUDY.name}/generate/{{task}}/{{dataset}}/{{arm}}.benchmark.tsv"
    wildcard_constraints:
        task="|".join(task for task in TASKS if TASKS[task].makes_samples),  # see rule align
    conda:
        "../../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        gpu=1,
    params:
        arm=lambda wildcards: arm_of(wildcards).model_dump(mode="json", exclude={"training"}),
        training=lambda wildcards: STUDY.training_of(settings_of(wildcards), arm_of(wildcards)).model_dump(mode="json"),
        seeds=lambda wildcards: list(STUDY.seeds_of(settings_of(wildcards))),
        device=STUDY.device,
    script:
        "../scripts/generate.py"


rule score:
    """One arm alone by the functions of rule evaluate, which waits for all."""
    input:
        unpack(classifier_of),
        truth=rules.prepare.output.truth,
        mapped=[f"{TASK}/{{arm}}/mapped.h5ad"],
    output:
        f"{TASK}/{{arm}}/metrics.tsv",
    log:
        f"logs/{STUDY.name}/score/{{task}}/{{dataset}}/{{arm}}.log",
    benchmark:
        f"logs/{STUDY.name}/score/{{task}}/{{dataset}}/{{arm}}.benchmark.tsv"
    conda:
        "../../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    script:
        "../scripts/evaluate.py"


TAKEN = [arm for arm in ZOO if arm in {"zoo", *(rule.name for rule in workflow.rules)}]
if TAKEN:
    raise WorkflowError(f"the study cannot run: arm '{TAKEN[0]}' is called like a rule of the workflow; rename it")


for arm in ZOO:

    rule:
        name:
            arm
        input:
            scored(arm),


rule zoo:
    """Every model that makes samples, trained and scored on its own."""
    input:
        [scored(arm) for arm in ZOO],
