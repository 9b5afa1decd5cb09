"""Merge panels into a table with every marker on every cell, and judge every imputed marker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import anndata
import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from magan import keys
from magan.aligner import SOURCE, Aligner
from magan.baselines import BASELINES
from magan.config import Training
from magan.errors import InputError
from magan.metrics.markers import pearson
from magan.progress import progress
from magan.regressors.hidden_markers import MATCHINGS
from magan.stages.atomic_files import atomic_write, read_metrics, write, write_table
from magan.tasks import folds
from magan.tasks.panel_merging import merged_table as panel_merging_merged_table
from magan.tasks.panel_merging.agreement import agreement, claimed, confidence, least_agreement
from magan.tasks.panel_merging.settings import Panels, audit_name
from magan.tasks.panel_merging.verdicts import kept, verdicts
from magan.uncertainty.conformal import Calibration

CELLS = 32768  # mapped at a time: the maps of all seeds are held for so many
COMPARED = 5000  # cells of a panel on which seeds and methods are compared
LEARNT = 20_000  # cells of the source panel that train the baselines in this comparison
WITNESSES = ("knn", "boosting")  # baselines that the map is compared with
ALIKE = ("pooled", "whole", "none")  # scales that are the same for both panels
SHOWN = 0.05  # weights of a stack below it are not named


@dataclass(frozen=True)
class PanelImputation:
    """The markers imputed on the cells of ``panel``, the confidence of each cell, and the evidence for each marker."""

    panel: str
    imputed: panel_merging_merged_table.Imputed
    confidence: np.ndarray  # (n,)
    evidence: pd.DataFrame  # a row per marker


@dataclass(frozen=True)
class MergingFiles:
    """The files of rule `merge`."""

    cells: str
    audits: str  # folder of the held-out tasks
    models: str  # folder of the trained models
    merged: str
    table: str  # the verdicts


def merge(name: str, params: Mapping[str, Any], files: MergingFiles, threads: int = 1) -> None:
    """Rule `merge`: train the deployed arm on all cells of every pair of panels, and impute the markers of each panel.

    Parameters
    ----------
    name
        Name of the merged panels in the study.
    params
        ``settings`` (of the panels) and ``training`` as mappings, ``seeds`` and ``device``.
    files
        Paths of the inputs and outputs.
    threads
        Number of torch threads.

    Raises
    ------
    InputError
        Every seed fails on a pair of panels.
    """
    torch.set_num_threads(threads)
    chosen, seeds = Panels.model_validate(params["settings"]), params["seeds"]
    arm_name, arm = chosen.deployed, chosen.arms[chosen.deployed]
    adata = folds.select_cells(anndata.read_h5ad(files.cells), chosen.where, f"panels.{name}.where")
    panels = {panel: _panel(adata, chosen.by, panel, f"panels.{name}") for panel in chosen.panels}
    wanted = panel_merging_merged_table.sources({panel: list(part.var_names) for panel, part in panels.items()})
    imputations: list[PanelImputation] = []
    for first, second in combinations(panels, 2):
        ways = [way for way in ((first, second, "x2"), (second, first, "x1")) if way[1] in wanted[way[0]].values()]
        if not ways:
            continue
        aligner = Aligner.of_arm(arm, Training.model_validate(params["training"]), seeds, params["device"])
        pair = f"{first} and {second}"
        failed = _unrelated(panels[first], panels[second], (first, second)) if chosen.unrelated == "leave out" else {}
        both = {
            panel: panels[panel][:, ~panels[panel].var_names.isin(list(failed))].copy() for panel in (first, second)
        }
        aligner.calibrated_to = tuple(to for *_, to in ways)
        show = progress(f"panels/{name}: {pair}", aligner.training.steps, len(seeds))
        aligner.fit(both[first], both[second], names=[pair], record=show)
        if not aligner.good_seeds_:
            raise InputError(f"panels.{name}: every seed of '{arm_name}' failed on {pair}; change the arm")
        with atomic_write(Path(files.models, f"{audit_name(name, first, second)}.safetensors")) as part:
            aligner.save(part)
        for panel, source, to in ways:
            lacking = [marker for marker, measuring in wanted[panel].items() if measuring == source]
            audit = Path(files.audits, audit_name(name, panel, source))
            held = _claims_held(audit, arm_name)
            imputed = _imputation(aligner, to, both, (panel, source), lacking, held)
            imputed.evidence["not_shared"] = "; ".join(failed.values())
            imputations.append(imputed)
    whole, judged = _whole(adata, panels, imputations, chosen.by)
    whole.uns.update({keys.DATASET: name, keys.METHOD: arm.model, keys.ARM: arm_name, keys.SEEDS: np.array(seeds)})
    write(whole, files.merged)
    write_table(judged, files.table)


def _panel(adata: AnnData, by: str, panel: str, name: str) -> AnnData:
    """Select the cells of a panel and the markers that it measures, without truth; of obs, `LABELLED` stays."""
    cells = folds.select_cells(adata, {by: panel}, name)
    return folds.without_labels(cells[:, folds.measured(cells, f"{name}: panel '{panel}'")], folds.LABELLED)


def _unrelated(first: AnnData, second: AnnData, names: tuple[str, str]) -> dict[str, str]:
    """Shared markers whose staining failed in one of two panels, see `folds.unrelated`; at least three stay."""
    shared = [marker for marker in first.var_names if marker in second.var_names]
    return folds.unrelated(first[:, shared], second[:, shared], names)


def _claims_held(audit: Path, arm: str) -> tuple[float, float]:
    """Share of the claimed r that held for hidden markers in the audit, see `kept`; nan where the audit failed."""
    mapped = anndata.read_h5ad(audit / arm / "mapped.h5ad")
    if keys.CONSENSUS not in mapped.layers:
        return np.nan, np.nan
    scores = read_metrics(audit / "metrics.tsv")
    scores = scores[(scores["arm"] == arm) & (scores["seed"] == keys.CONSENSUS) & (scores["group"] == keys.ALL)]
    audited = scores[scores["metric"] == "pearson"].set_index("feature")["value"].reindex(mapped.var_names)
    aligner = Aligner.load(audit / arm / "model.safetensors", device="cpu")
    consensus = [np.asarray(mapped[:, marker].layers[keys.CONSENSUS]) for marker in mapped.var_names]
    claims = [
        _claims(aligner, "x2", aligner.names_.index(marker), [marker], expected)[0][0]
        for marker, expected in zip(mapped.var_names, consensus)
    ]
    return kept(audited.to_numpy(), np.array(claims))


def _claims(
    aligner: Aligner, to: str, fold: int, markers: Sequence[str], expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The r that the aligner claims for ``expected (n, len(markers))``, and the number of cells; see `claimed`."""
    calibration = cast(Calibration, aligner.calibrations_[to][fold])  # a merge always calibrates
    columns = [aligner.features_[to][fold].index(marker) for marker in markers]
    return claimed(expected, calibration.predicted[:, columns], calibration.measured[:, columns])


def _imputation(
    aligner: Aligner,
    to: str,
    panels: Mapping[str, AnnData],
    names: tuple[str, str],
    lacking: Sequence[str],
    held: tuple[float, float],
) -> PanelImputation:
    """Impute the markers ``lacking`` of the first panel in ``names`` from the second, domain ``to`` of the aligner."""
    panel, source = names
    cells, source_cells = panels[panel], panels[source]
    layers = _mapped(aligner, to, cells, lacking)
    claims, n_calibration = _claims(aligner, to, 0, lacking, layers[keys.EXPECTED])
    agreements = _agreements(aligner, to, cells, source_cells, lacking)
    evidence = pd.DataFrame(
        {
            keys.PANEL: panel,
            keys.MARKER: list(lacking),
            "source": source,
            "n_shared": len(set(cells.var_names) & set(source_cells.var_names)),
            "claimed": claims,
            "n_calibration": n_calibration,
            "kept": held[0],
            "kept_worst": held[1],
            **dict(zip(("seeds", "methods"), agreements)),
            "parts": _parts(aligner, to, lacking),
            "margin": _margins(aligner, to, source_cells, lacking),
        }
    )
    trust = confidence(_units(aligner, SOURCE[to], cells, source_cells), _units(aligner, to, source_cells, cells))
    return PanelImputation(panel, panel_merging_merged_table.Imputed(tuple(lacking), layers), trust, evidence)


def _agreements(
    aligner: Aligner, to: str, cells: AnnData, source_cells: AnnData, markers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Agreement of the seeds on a sample of the cells, and of their consensus with the least agreeing baseline."""
    compared, learnt = _some(cells, COMPARED), _some(source_cells, LEARNT)
    seen = aligner.map(compared, to)[:, list(markers)]
    seeds = np.stack([seen.layers[f"{keys.SEED}_{seed}"] for seed in aligner.good_seeds_])
    # A baseline standardises its query cells by the cells of its first domain.
    like = learnt if _same_units(aligner, to) else compared
    columns = source_cells.var_names.get_indexer(pd.Index(markers))
    witnesses = [BASELINES[name](like, learnt, compared)[:, columns] for name in WITNESSES]
    return agreement(seeds), least_agreement(np.asarray(seen.layers[keys.CONSENSUS]), witnesses)


def _same_units(aligner: Aligner, to: str) -> bool:
    """Whether the shared markers are predicted from as measured, by the scale or by most of the stack's weights."""
    stack = aligner.stacks_[to][0]
    if stack is None:
        return aligner.scale in ALIKE
    return MATCHINGS[int(stack.weights.sum(axis=(0, 1)).argmax())] == "identity"


def _parts(aligner: Aligner, to: str, markers: Sequence[str]) -> list[str]:
    """The weights of each marker in words, the largest first; "network 1" without a stack."""
    stack = aligner.stacks_[to][0]
    if stack is None:
        return ["network 1"] * len(markers)
    columns = [list(stack.columns).index(aligner.features_[to][0].index(marker)) for marker in markers]
    shares = [{part: weights[column] for part, weights in stack.table().items()} for column in columns]
    return [
        ", ".join(f"{part} {share:.2f}" for part, share in sorted(of.items(), key=lambda x: -x[1]) if share >= SHOWN)
        for of in shares
    ]


def _margins(aligner: Aligner, to: str, source_cells: AnnData, markers: Sequence[str]) -> np.ndarray:
    """What intervals get in addition for a batch effect, in sd of each marker; nan where a single marker is shared."""
    features = aligner.features_[to][0]
    shared, calibration = set(aligner.features_[SOURCE[to]][0]) & set(features), aligner.calibrations_[to][0]
    if len(shared) < 2 or calibration is None:
        return np.full(len(markers), np.nan)
    margin = np.broadcast_to(calibration.margin, len(features))[[features.index(marker) for marker in markers]]
    sd = np.asarray(source_cells[:, list(markers)].layers[keys.PREPROCESSED]).std(axis=0)
    return margin / np.where(sd > 0, sd, 1)


def _units(aligner: Aligner, domain: str, cells: AnnData, source_cells: AnnData) -> np.ndarray:
    """The shared markers of ``cells`` on the scale of the networks, ``(n, n_shared)``."""
    features = aligner.features_[domain][0]
    values = torch.from_numpy(np.array(cells[:, features].layers[keys.PREPROCESSED]))
    shared = sorted(set(features) & set(source_cells.var_names))
    return aligner.scalings_[domain][0].scaled(values).numpy()[:, [features.index(marker) for marker in shared]]


def _mapped(aligner: Aligner, to: str, cells: AnnData, markers: Sequence[str]) -> dict[str, np.ndarray]:
    """Map the cells in chunks and return the layers of the merged cells, ``(n, len(markers))`` each."""
    names = {
        keys.EXPECTED: keys.CONSENSUS,
        **{layer: layer for layer in panel_merging_merged_table.IMPUTED if layer != keys.EXPECTED},
    }
    parts = [aligner.map(cells[i : i + CELLS], to)[:, list(markers)].layers for i in range(0, cells.n_obs, CELLS)]
    return {layer: np.concatenate([part[name] for part in parts]) for layer, name in names.items()}


def _some(cells: AnnData, n: int) -> AnnData:
    """At most ``n`` cells, drawn at random with a fixed seed."""
    chosen = np.random.default_rng(0).permutation(cells.n_obs)[:n]
    return cells[np.sort(chosen)].copy()


def _whole(
    adata: AnnData, panels: Mapping[str, AnnData], imputations: Sequence[PanelImputation], by: str
) -> tuple[AnnData, pd.DataFrame]:
    """The merged cells, and a row for every panel and every marker that the panel lacks."""
    whole = panel_merging_merged_table.merge(
        adata,
        {panel: list(part.var_names) for panel, part in panels.items()},
        {panel: [imputation.imputed for imputation in imputations if imputation.panel == panel] for panel in panels},
        by,
    )
    judged = verdicts(pd.concat([imputation.evidence for imputation in imputations], ignore_index=True))
    if keys.TRUTH in adata.layers:
        judged["true"] = _true(whole, adata, judged)
    whole.obs[keys.CONFIDENCE] = 1.0
    for panel in panels:
        rows = (whole.obs[keys.PANEL] == panel).to_numpy()
        lowest = [imputation.confidence for imputation in imputations if imputation.panel == panel]
        cast(pd.DataFrame, whole.obs).loc[rows, keys.CONFIDENCE] = np.min(lowest, axis=0) if lowest else 1.0
        words = judged[judged[keys.PANEL] == panel].set_index(keys.MARKER)["verdict"]
        whole.var[f"{keys.VERDICT}_{panel}"] = words.reindex(whole.var_names).fillna(keys.MEASURED).astype(str)
    return whole, judged


def _true(whole: AnnData, adata: AnnData, judged: pd.DataFrame) -> list[float]:
    """Pearson's r of each imputed marker with the truth, for a data set that contains the truth."""
    found = []
    for panel, marker in zip(judged[keys.PANEL], judged[keys.MARKER]):
        imputed = whole[whole.obs[keys.PANEL] == panel, marker]
        truth = adata[imputed.obs_names, marker].layers[keys.TRUTH]
        found.append(float(pearson(np.asarray(truth), np.asarray(imputed.layers[keys.EXPECTED])[None])[0, 0]))
    return found
