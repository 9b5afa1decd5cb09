rule read:
    """A data set, named or the user's own, checked and transformed."""
    input:
        lambda wildcards: sources(own_data(wildcards)),
    output:
        f"{ROOT}/cells/{{data}}.h5ad",
    log:
        f"logs/{STUDY.name}/read/{{data}}.log",
    benchmark:
        f"logs/{STUDY.name}/read/{{data}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=memory_to_read,
    params:
        own=own_data,
        unnameable=lambda wildcards: unnameable(own_data(wildcards)),
        mirror=STUDY.data.mirror,
        cache=STUDY.data.cache,
    script:
        "../scripts/read.py"


rule prepare:
    """What training, mapping and scoring may each see, in separate files."""
    input:
        lambda wildcards: [f"{ROOT}/cells/{data}.h5ad" for data in settings_of(wildcards).data()],
    output:
        train=directory(f"{TASK}/train"),
        query=directory(f"{TASK}/query"),
        truth=f"{TASK}/truth.h5ad",
    log:
        f"logs/{STUDY.name}/prepare/{{task}}/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/prepare/{{task}}/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=memory,
    params:
        settings=preparing,
        batch_size=largest_batch,
    script:
        "../scripts/prepare.py"


rule ready:
    """Everything has been read and prepared: only then is anything trained, so that bad input costs no training."""
    input:
        [f"{ROOT}/{task}/{dataset}/truth.h5ad" for task, dataset, _ in STUDY.tasks()],
    output:
        touch(f"{ROOT}/ready"),
    log:
        f"logs/{STUDY.name}/ready.log",
