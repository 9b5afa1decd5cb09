# Models that make samples: a target for each arm, so that
# `snakemake dcgan --cores 2 --configfile config/zoo.yaml` trains and scores that arm.


rule score:
    """Score a single arm by the functions of rule evaluate, which waits for all arms."""
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
        "../envs/magan.yaml"
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
