rule classifier:
    """An eye for images: learnt from real ones alone, frozen, and shown every map before it is scored."""
    input:
        truth=rules.prepare.output.truth,
        train=rules.prepare.output.train,
        ready=ancient(rules.ready.output),
    output:
        f"{TASK}/classifier.safetensors",
    log:
        f"logs/{STUDY.name}/classifier/{{task}}/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/classifier/{{task}}/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    script:
        "../scripts/classifier.py"
