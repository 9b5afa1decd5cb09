rule read:
    """A data set, named or the user's own, checked and transformed."""
    output:
        f"{ROOT}/cells/{{data}}.h5ad",
    params:
        own=lambda wildcards: (
            STUDY.own_data[wildcards.data].model_dump(mode="json") if wildcards.data in STUDY.own_data else None
        ),
        mirror=STUDY.data.mirror,
        cache=STUDY.data.cache,
    log:
        f"logs/{STUDY.name}/read/{{data}}.log",
    benchmark:
        f"logs/{STUDY.name}/read/{{data}}.benchmark.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    conda:
        "../../envs/magan.yaml"
    script:
        "../scripts/read.py"


rule prepare:
    """What training, mapping and scoring may each see, in files of their own."""
    input:
        lambda wildcards: f"{ROOT}/cells/{data_of(settings_of(wildcards))}.h5ad",
    output:
        train=directory(f"{TASK}/train"),
        query=directory(f"{TASK}/query"),
        truth=f"{TASK}/truth.h5ad",
    params:
        settings=preparing,
        batch_size=largest_batch,
    log:
        f"logs/{STUDY.name}/prepare/{{task}}/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/prepare/{{task}}/{{dataset}}.benchmark.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    conda:
        "../../envs/magan.yaml"
    script:
        "../scripts/prepare.py"
