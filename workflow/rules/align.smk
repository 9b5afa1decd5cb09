rule train:
    """Train every seed of an arm as one batched model, and map the held-out samples or make new ones."""
    input:
        train=rules.prepare.output.train,
        query=rules.prepare.output.query,
        ready=ancient(rules.ready.output),
    output:
        model=f"{TASK}/{{arm}}/model.safetensors",
        events=f"{TASK}/{{arm}}/events.jsonl",
        mapped=f"{TASK}/{{arm}}/mapped.h5ad",
    log:
        f"logs/{STUDY.name}/train/{{task}}/{{dataset}}/{{arm}}.log",
    benchmark:
        f"logs/{STUDY.name}/train/{{task}}/{{dataset}}/{{arm}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1  # small networks spin when threads outnumber free cores; seeds are the parallelism
    resources:
        mem_mb=2000,
        gpu=1,
    params:
        arm=lambda wildcards: arm_of(wildcards).model_dump(mode="json", exclude={"training"}),
        training=lambda wildcards: STUDY.training_of(settings_of(wildcards), arm_of(wildcards)).model_dump(mode="json"),
        seeds=lambda wildcards: list(STUDY.seeds_of(settings_of(wildcards))),
        device=STUDY.device,
    script:
        "../scripts/train.py"


rule baseline:
    """One simple method on the same files."""
    input:
        train=rules.prepare.output.train,
        query=rules.prepare.output.query,
        ready=ancient(rules.ready.output),
    output:
        model=f"{TASK}/{{baseline}}/model.safetensors",
        events=f"{TASK}/{{baseline}}/events.jsonl",
        mapped=f"{TASK}/{{baseline}}/mapped.h5ad",
    log:
        f"logs/{STUDY.name}/baseline/{{task}}/{{dataset}}/{{baseline}}.log",
    benchmark:
        f"logs/{STUDY.name}/baseline/{{task}}/{{dataset}}/{{baseline}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    script:
        "../scripts/baseline.py"


rule evaluate:
    """Score every method of one dataset by the same functions."""
    input:
        unpack(classifier_of),
        truth=rules.prepare.output.truth,
        mapped=scored_by,
    output:
        f"{TASK}/metrics.tsv",
    log:
        f"logs/{STUDY.name}/evaluate/{{task}}/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/evaluate/{{task}}/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    script:
        "../scripts/evaluate.py"
