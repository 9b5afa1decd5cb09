rule merge:
    """Every marker of any panel on every cell, and a verdict on each that was imputed."""
    input:
        cells=lambda wildcards: f"{ROOT}/cells/{MERGED[wildcards.panels].cells}.h5ad",
        scores=audits("metrics.tsv"),
        mapped=audits("{arm}/mapped.h5ad"),
        trained=audits("{arm}/model.safetensors"),
    output:
        merged=f"{PANELS}/merged.h5ad",
        table=report(f"{PANELS}/verdicts.tsv", category="Tables", caption="../report/verdicts.rst"),
        models=directory(f"{PANELS}/models"),
    log:
        f"logs/{STUDY.name}/merge/{{panels}}.log",
    benchmark:
        f"logs/{STUDY.name}/merge/{{panels}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        gpu=1,
    params:
        settings=merging,
        training=lambda wildcards: STUDY.training_of(MERGED[wildcards.panels], merging_arm(wildcards)[1]).model_dump(
            mode="json"
        ),
        seeds=lambda wildcards: list(STUDY.seeds_of(MERGED[wildcards.panels])),
        device=STUDY.device,
        audits=lambda wildcards: f"{ROOT}/{MERGED[wildcards.panels].audited_by}",
    script:
        "../scripts/merge.py"


rule merged_files:
    """Every FCS file of the user's again, with a channel for each marker that was imputed on its cells."""
    input:
        cells=lambda wildcards: f"{ROOT}/cells/{MERGED[wildcards.panels].cells}.h5ad",
        merged=rules.merge.output.merged,
        table=rules.merge.output.table,
    output:
        folder=directory(f"{PANELS}/files"),
        table=f"{PANELS}/files.tsv",
    log:
        f"logs/{STUDY.name}/merged_files/{{panels}}.log",
    benchmark:
        f"logs/{STUDY.name}/merged_files/{{panels}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        own=lambda wildcards: STUDY.own_data[MERGED[wildcards.panels].cells].model_dump(mode="json"),
        settings=lambda wildcards: merging(wildcards) | {"write": MERGED[wildcards.panels].write.model_dump()},
    script:
        "../scripts/merged_files.py"


rule draw_merged:
    """The figures of merged panels, each as SVG and PNG."""
    input:
        merged=rules.merge.output.merged,
        table=rules.merge.output.table,
        truths=audits("truth.h5ad"),
        mapped=audits("{arm}/mapped.h5ad"),
    output:
        report(
            directory(f"{ROOT}/figures/panels/{{panels}}"),
            patterns=["{figure}.svg"],
            category="panels",
            subcategory="{panels}",
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
    log:
        f"logs/{STUDY.name}/draw_merged/{{panels}}.log",
    benchmark:
        f"logs/{STUDY.name}/draw_merged/{{panels}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        names=lambda wildcards: [f"{panel} given markers of {source}" for panel, source in pairs_of(wildcards)],
    script:
        "../scripts/draw_merged.py"
