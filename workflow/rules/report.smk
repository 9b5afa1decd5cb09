rule compare:
    """Each arm against the best baseline on the same cells, with an interval over cells and seeds."""
    input:
        truth=f"{ROOT}/heldout/{{dataset}}/truth.h5ad",
        mapped=lambda wildcards: held_out_maps(wildcards.dataset),
        metrics=f"{ROOT}/heldout/{{dataset}}/metrics.tsv",
    output:
        f"{ROOT}/heldout/{{dataset}}/comparison.tsv",
    log:
        f"logs/{STUDY.name}/compare/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/compare/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    script:
        "../scripts/compare.py"


rule summarise:
    """All datasets in one table, and its means and intervals over seeds."""
    input:
        scores=[f"{ROOT}/{task}/{dataset}/metrics.tsv" for task, dataset, _ in STUDY.tasks()],
        comparisons=[f"{ROOT}/heldout/{dataset}/comparison.tsv" for dataset in STUDY.section("heldout")],
    output:
        metrics=report(f"{ROOT}/metrics.tsv", category="Tables", caption="../report/metrics.rst"),
        summary=report(f"{ROOT}/summary.tsv", category="Tables", caption="../report/summary.rst"),
    log:
        f"logs/{STUDY.name}/summarise.log",
    benchmark:
        f"logs/{STUDY.name}/summarise.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    script:
        "../scripts/summarise.py"


rule draw:
    """The figures of one dataset, each as SVG and PNG."""
    input:
        unpack(written_of),
        truth=rules.prepare.output.truth,
        mapped=methods("mapped.h5ad"),
        events=methods("events.jsonl"),
        metrics=rules.summarise.output.metrics,
        summary=rules.summarise.output.summary,
    output:
        report(
            directory(f"{ROOT}/figures/{{task}}/{{dataset}}"),
            patterns=["{figure}.svg"],
            category="{task}",
            subcategory="{dataset}",
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
    log:
        f"logs/{STUDY.name}/draw/{{task}}/{{dataset}}.log",
    benchmark:
        f"logs/{STUDY.name}/draw/{{task}}/{{dataset}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        arms=lambda wildcards: models_of(wildcards),
        baselines=lambda wildcards: list(settings_of(wildcards).baselines),
        headline=lambda wildcards: settings_of(wildcards).deployed,
        folder=lambda wildcards, input: str(Path(input.truth).parent),
    script:
        "../scripts/draw.py"


rule report:
    """One self-contained page with every number, interval and figure."""
    input:
        verdicts=[f"{ROOT}/batch/{dataset}/verdict.json" for dataset in JUDGED],
        gates=[f"{ROOT}/batch/{dataset}/gate.tsv" for dataset in JUDGED],
        groups=[f"{ROOT}/batch/{dataset}/groups.tsv" for dataset in JUDGED],
        merged=[f"{ROOT}/panels/{name}/verdicts.tsv" for name in MERGED],
        pictures=[f"{ROOT}/figures/panels/{name}" for name in MERGED],
        corrected=[f"{ROOT}/batch/{dataset}/corrected" for dataset in CORRECTED],
        figures=[f"{ROOT}/figures/{task}/{dataset}" for task, dataset, _ in STUDY.tasks()],
        lectures=[f"{ROOT}/lectures/{lecture}/numbers.tsv" for lecture in STUDY.lectures],
        metrics=rules.summarise.output.metrics,
        summary=rules.summarise.output.summary,
    output:
        report(
            f"{ROOT}/report.html",
            category="Report",
            caption="../report/page.rst",
        ),
    log:
        f"logs/{STUDY.name}/report.log",
    benchmark:
        f"logs/{STUDY.name}/report.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        study=STUDY.model_dump(mode="json", exclude_defaults=True),
        root=lambda wildcards, input: str(Path(input.summary).parent),
    script:
        "../scripts/report.py"


rule collect:
    """Every event log and score into the tracking store; a second time changes nothing."""
    input:
        figures=[f"{ROOT}/figures/{task}/{dataset}" for task, dataset, _ in STUDY.tasks()],
        page=rules.report.output[0],
        metrics=rules.summarise.output.metrics,
        summary=rules.summarise.output.summary,
    output:
        f"{ROOT}/tracking.tsv",
    log:
        f"logs/{STUDY.name}/collect.log",
    benchmark:
        f"logs/{STUDY.name}/collect.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        study=STUDY.model_dump(mode="json", exclude_defaults=True),
        root=lambda wildcards, input: str(Path(input.summary).parent),
    script:
        "../scripts/collect.py"
