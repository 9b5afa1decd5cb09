# Experiments of lectures on GANs, each with a figure and its numbers, and a target of its own:
# `snakemake mode_collapse --cores 2 --configfile config/lectures.yaml`.

LECTURE = f"{ROOT}/lectures/{{lecture}}"


rule lecture:
    """Run one experiment with all seeds, judge it by what the lecture says, and draw it."""
    input:
        unpack(images_of),
    output:
        table=f"{LECTURE}/table.tsv",
        numbers=report(
            f"{LECTURE}/numbers.tsv", category="Lectures", subcategory="{lecture}", caption="../report/numbers.rst"
        ),
        figure=report(
            f"{LECTURE}/figure.svg", category="Lectures", subcategory="{lecture}", caption="../report/figure.rst"
        ),
        png=f"{LECTURE}/figure.png",
    log:
        f"logs/{STUDY.name}/lecture/{{lecture}}.log",
    benchmark:
        f"logs/{STUDY.name}/lecture/{{lecture}}.benchmark.tsv"
    conda:
        "../envs/magan.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        seeds=lambda wildcards: list(STUDY.seeds_of(STUDY.lectures[wildcards.lecture])),
        options=lambda wildcards: STUDY.lectures[wildcards.lecture].options,
    script:
        "../scripts/lecture.py"


for lecture in STUDY.lectures:

    rule:
        name:
            lecture
        input:
            f"{ROOT}/lectures/{lecture}/numbers.tsv",


rule lectures:
    """Every experiment of the study."""
    input:
        [f"{ROOT}/lectures/{lecture}/numbers.tsv" for lecture in STUDY.lectures],
