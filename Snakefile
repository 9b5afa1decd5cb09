from snakemake.utils import min_version

min_version("9.0")


# A study given by --configfile replaces the demo; it is not merged into it.
if "name" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/align.smk"
include: "workflow/rules/correct.smk"
include: "workflow/rules/merge.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/lectures.smk"
include: "workflow/rules/zoo.smk"


report: "workflow/report/workflow.rst"


rule all:
    """The report, the figures and the tracking store of the study."""
    default_target: True
    input:
        f"reports/{STUDY.name}/index.html",
        f"results/{STUDY.name}/tracking.tsv",
        [f"results/{STUDY.name}/batch/{dataset}/corrected" for dataset in CORRECTED],


rule scores:
    """The tables alone, without figures, report and tracking."""
    input:
        f"results/{STUDY.name}/summary.tsv",
