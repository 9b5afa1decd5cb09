rule judge:
    """Marker by marker: is a batch better or worse in the cells as they are written?"""
    input:
        cells=lambda wildcards: f"{ROOT}/cells/{CORRECTIONS[wildcards.dataset].cells}.h5ad",
        truth=f"{BATCH}/truth.h5ad",
        train=f"{BATCH}/train",
        query=f"{BATCH}/query",
        mapped=lambda wildcards: f"{BATCH}/{deployed_of(wildcards)}/mapped.h5ad",
        trained=lambda wildcards: f"{BATCH}/{deployed_of(wildcards)}/model.safetensors",
    output:
        gate=report(f"{BATCH}/gate.tsv", category="Tables", caption="../report/gate.rst"),
        groups=f"{BATCH}/groups.tsv",
        verdict=f"{BATCH}/verdict.json",
        written=f"{BATCH}/written.h5ad",
        model=f"{BATCH}/model.safetensors",
    log:
        f"logs/{STUDY.name}/judge/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/judge/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        fallback=fallback_of,
        own=own_cells_of,
    script:
        "../scripts/judge.py"


rule correct:
    """Every file of the user's again as the reference batch would have measured it, and all cells as one .h5ad."""
    input:
        cells=lambda wildcards: f"{ROOT}/cells/{CORRECTIONS[wildcards.dataset].cells}.h5ad",
        model=rules.judge.output.model,
        gate=rules.judge.output.gate,
    output:
        directory(f"{BATCH}/corrected"),
    log:
        f"logs/{STUDY.name}/correct/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/correct/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        own=lambda wildcards: STUDY.own_data[CORRECTIONS[wildcards.dataset].cells].model_dump(mode="json"),
        acquisition=lambda wildcards: CORRECTIONS[wildcards.dataset].correct.acquisition,
    script:
        "../scripts/correct.py"
