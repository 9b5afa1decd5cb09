"""A methods paragraph for a paper, with versions and numbered references."""

from collections.abc import Mapping, Sequence
from typing import Any

from magan.report.phrasing import counted, listed

# Library -> what to cite for it.
LIBRARIES = {
    "snakemake": "Mölder et al. 2021, Sustainable data analysis with Snakemake, F1000Research 10:33",
    "anndata": "Virshup et al. 2024, anndata: Access and store annotated data matrices, JOSS 9:4371",
    "numpy": "Harris et al. 2020, Array programming with NumPy, Nature 585:357",
    "scikit-learn": "Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python, JMLR 12:2825",
    "torch": "Paszke et al. 2019, PyTorch: An Imperative Style, High-Performance Deep Learning Library, NeurIPS 32",
}
FALLBACKS = {
    "none": "Flagged markers were reported and corrected all the same",
    "input": "Flagged markers were written as measured",
    "monotone": "Flagged markers were written by a monotone map of that marker",
}


def methods_text(parts: Sequence[Mapping[str, Any]], versions: Mapping[str, str], commit: str) -> dict[str, list[str]]:
    """Return ``paragraphs`` and ``references`` of a study.

    Parameters
    ----------
    parts
        For each data set ``task`` (its title), ``dataset``, ``cited`` (how to cite the data, "" if unknown), ``method``
        and ``baselines`` (each a title and a citation, the method "" if none is deployed), ``seeds`` (0 without
        training), ``steps``, and, of a batch correction, ``reference``, ``batches``, ``n_cells``, ``fallback`` and
        ``explained`` (a sentence on the method).
    versions
        Library -> version, magan among them.
    commit
        Of the code, "" if unknown.
    """
    references: list[str] = []

    def cite(title: str, citation: str) -> str:
        if not citation:
            return title
        if citation not in references:
            references.append(citation)
        return f"{title} [{references.index(citation) + 1}]"

    made = f"magan {versions.get('magan', '')}".strip() + (f" (commit {commit})" if commit else "")
    paragraphs = []
    for part in parts:
        data = cite(f"the data set {part['dataset']}", part["cited"])
        said = [_batch(part, data, made, cite) if "reference" in part else _task(part, data, made, cite)]
        if part["baselines"]:
            said.append(f"It was compared with {listed([cite(*baseline) for baseline in part['baselines']])}.")
        paragraphs.append(" ".join(said))
    used = [cite(f"{name} {version}", LIBRARIES.get(name, "")) for name, version in versions.items() if name != "magan"]
    if used:
        paragraphs.append(f"Software: {made}, {', '.join(used)}.")
    return {"paragraphs": paragraphs, "references": references}


def _batch(part: Mapping[str, Any], data: str, made: str, cite: Any) -> str:
    trained = f", trained with {counted(part['seeds'], 'seed')} of {part['steps']:,} steps" if part["seeds"] else ""
    explained = f" {part['explained']}" if part["explained"] else ""
    batches = "Batch" if len(part["batches"]) == 1 else "Batches"
    return (
        f"{batches} {listed(part['batches'])} of {data} {'was' if batches == 'Batch' else 'were'} mapped to the "
        f"reference batch {part['reference']} with {made} by the method “{cite(*part['method'])}”{trained}.{explained} "
        "Values were compared after the arcsinh transformation. The correction was judged on "
        f"{part['n_cells']:,} cells that took no part in fitting it: each marker of each population with at least 50 "
        "cells was compared with the reference by the earth mover's distance (EMD), by its density peaks and, where "
        "groups are known, by their difference, before and after correction. "
        f"{FALLBACKS[part['fallback']]}."
    )


def _task(part: Mapping[str, Any], data: str, made: str, cite: Any) -> str:
    trained = f" with {counted(part['seeds'], 'seed')} of {part['steps']:,} steps" if part["seeds"] else ""
    method = f"by {cite(*part['method'])}{trained}" if part["method"][0] else "by the methods below"
    return f"{part['task']}: {data} was analysed with {made} {method}; scores are on data held out of training."
