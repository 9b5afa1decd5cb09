"""Apply the safety gate to the cells as written to files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.batch_maps import MAPS
from magan.correction import decided, load_mapper
from magan.cytometry.gating import otsu
from magan.metrics.donor_effects import DESIGN, EFFECTS, INVENTED, LOST, PRESERVED, donor_effects
from magan.metrics.group_effects import confounded
from magan.stages.atomic_files import atomic_write, write, write_table
from magan.stages.method import fitted, read_folds, with_unstained
from magan.stages.training_files import FILES, training_files
from magan.tasks.batch_correction import safety_gate as gates

SIMPLE = ("identity", "zscore", "quantile")  # maps that a correction must not be behind
BEHIND = 1.02  # times the distance of the best simple map; above this the sentence mentions that map


def judge(
    files: Mapping[str, str], folders: Mapping[str, str], fallback: str, own: Mapping[str, Any] | None = None
) -> None:
    """Rule `judge`: compare each marker of a batch before and after correction, in the cells as written.

    Parameters
    ----------
    files
        ``truth``, ``mapped`` and ``trained``, the model of the deployed method, and with ``own`` ``cells``; ``gate``,
        ``groups``, ``verdict``, ``written`` and ``model``, which is the trained model with the decisions of the gate
        and with how the user's files were read, are outputs. Model and verdict also hold the table of
        `magan.tasks.batch_correction.control_design`, where maps learn from controls.
    folders
        ``train`` and ``query``.
    fallback
        Treatment of a flagged marker: "none" leaves the map, "input" restores the measured marker, "monotone" uses the
        monotone map of that marker. Gate and verdict describe the cells after this treatment.
    own
        How the user's files are read; None for a named data set.
    """
    cells, after = anndata.read_h5ad(files["truth"]), anndata.read_h5ad(files["mapped"])
    method, error = _name(after), str(after.uns[keys.ERROR])
    both = confounded(cells.obs[keys.BATCH], cells.obs[keys.GROUP]) if keys.GROUP in cells.obs else ""
    put_back: dict[str, list[str]] = {}
    effects = pd.DataFrame(columns=list(EFFECTS))
    if error or not np.isfinite(after.X).all():
        table = pd.DataFrame(columns=list(keys.GATE))
        sentence = f"Do not use this correction: {method} failed ({error or 'every seed'})."
        found = gates.Verdict("do not use", sentence, ())
    else:
        table = gates.gate(cells, after)
        if fallback != "none":
            put_back = flagged_by_batch(table)
            after = with_fallback(cells, after, put_back, Path(files["trained"]), fallback)
            table = gates.gate(cells, after)
        effects = group_effects(cells, after)
        found = _verdict(cells, after, table, both, folders)
        found = found._replace(sentence=f"{found.sentence} {_survived(effects)}".rstrip())
    write_table(table, files["gate"])
    write_table(effects, files["groups"])
    write(written(after, method), files["written"])
    about = {"arm": method, **found._asdict(), "fallback": fallback, "put_back": put_back}
    if keys.DESIGN in cells.uns:
        about[keys.DESIGN] = cells.uns[keys.DESIGN].to_dict("records")
    Path(files["verdict"]).write_text(json.dumps(about, indent=2) + "\n")
    read = {FILES: training_files(own, anndata.read_h5ad(files["cells"], backed="r"))} if own else {}
    with atomic_write(files["model"]) as part:
        decided(Path(files["trained"]), {**about, "flagged": flagged_by_batch(table)}, part, read)


def flagged_by_batch(table: pd.DataFrame) -> dict[str, list[str]]:
    """Map each batch to its flagged markers, in the order of the table."""
    flagged = table[table[keys.FLAG] != ""]
    return {
        str(batch): list(dict.fromkeys(rows[keys.MARKER])) for batch, rows in flagged.groupby(keys.BATCH, sort=False)
    }


def with_fallback(
    truth: AnnData, mapped: AnnData, put_back: Mapping[str, list[str]], model: Path, fallback: str
) -> AnnData:
    """The mapped cells with some markers of some batches as measured ("input") or by their monotone map."""
    after = AnnData(np.array(mapped.X), obs=mapped.obs, var=mapped.var, uns=dict(mapped.uns))
    measured = truth[after.obs_names, after.var_names]
    batches = measured.obs[keys.BATCH].astype(str).to_numpy()
    mapper = load_mapper(model) if fallback == "monotone" else None
    for batch, markers in put_back.items():
        rows, columns = np.flatnonzero(batches == batch), after.var_names.get_indexer(pd.Index(markers))
        if mapper is None:
            values = np.asarray(measured.layers[keys.PREPROCESSED])[np.ix_(rows, columns)]
        else:
            fold = mapper.names_.index(batch)
            source = mapper.features_["x1"][fold]
            units = np.asarray(measured[rows, source].layers[keys.PREPROCESSED], dtype=np.float32)
            carried = mapper.monotone(units, fold=fold)
            values = carried[:, [source.index(marker) for marker in markers]]
        after.X[np.ix_(rows, columns)] = values
    return after


def group_effects(truth: AnnData, mapped: AnnData) -> pd.DataFrame:
    """The differences between groups of donors before and after, `magan.metrics.donor_effects.donor_effects`.

    Held-out cells of all batches take part. A cell is positive for a marker above Otsu's threshold: before the map that
    of its batch, after it that of the reference. A sample counts as a donor where donors are not named; without
    groups the table has no row.
    """
    if keys.GROUP not in truth.obs:
        return pd.DataFrame(columns=list(EFFECTS))
    cells = truth[:, mapped.var_names]
    before = np.array(cells.layers[keys.PREPROCESSED])
    after = before.copy()
    after[cells.obs_names.get_indexer(mapped.obs_names)] = np.asarray(mapped.X)
    batches = cells.obs[keys.BATCH].astype(str).to_numpy()
    threshold = {name: np.array([otsu(column) for column in before[batches == name].T]) for name in np.unique(batches)}
    positive = np.empty(before.shape, bool)
    for name, limit in threshold.items():
        positive[batches == name] = before[batches == name] > limit
    design = pd.DataFrame({name: cells.obs.get(name, "") for name in DESIGN}, index=cells.obs_names)
    if keys.DONOR not in cells.obs:
        design[keys.DONOR] = cells.obs.get(keys.SAMPLE, batches)
    also = after > threshold[str(truth.uns[keys.REFERENCE])]
    return donor_effects(design, (before, after), (positive, also), list(mapped.var_names))


def _survived(effects: pd.DataFrame) -> str:
    """How many differences between groups survived, as a sentence; "" where there is none to tell of."""
    n = effects["status"].value_counts()
    preserved, lost, invented = (int(n.get(status, 0)) for status in (PRESERVED, LOST, INVENTED))
    if not preserved + lost + invented:
        return "" if effects.empty else "Donors prove no difference between groups, before or after."
    return (
        f"Of {preserved + lost} differences between groups that donors prove before, {preserved} are proven after, "
        f"{lost} are lost and {invented} are new (groups.tsv)."
    )


def written(mapped: AnnData, method: str) -> AnnData:
    """The cells as they are written, in the shape of a method's maps, so that they are scored like every method."""
    values = np.asarray(mapped.X)
    out = AnnData(values, obs=mapped.obs, var=mapped.var, layers={keys.BASELINE: values}, uns=dict(mapped.uns))
    out.uns |= {keys.METHOD: f"{method} as written", keys.ARM: keys.WRITTEN}
    out.uns |= {keys.SEEDS: np.array([], dtype=int), keys.FAILED: np.array([], dtype=int)}
    return out


def _verdict(
    cells: AnnData, after: AnnData, table: pd.DataFrame, both: str, folders: Mapping[str, str]
) -> gates.Verdict:
    before = cells[after.obs_names, after.var_names].layers[keys.PREPROCESSED]
    if np.array_equal(np.asarray(before, np.float32), np.asarray(after.X, np.float32)):
        reasons = _reasons(after.uns[keys.CHOICE]) if keys.CHOICE in after.uns else []
        return gates.Verdict("not needed", " ".join(["Cells are written as measured.", *reasons]), ())
    found = gates.verdict(table, gates.transfer(cells, after), both)
    return found._replace(sentence=f"{found.sentence} {_against_simple(cells, after, folders)}")


def _reasons(choice: pd.DataFrame) -> list[str]:
    """Why each batch is as measured; with the batch's name where reasons differ."""
    reasons = choice.groupby(keys.BATCH, observed=True)["reason"].first()
    return sorted(set(reasons)) if reasons.nunique() == 1 else [f"{batch}: {why}" for batch, why in reasons.items()]


def _against_simple(cells: AnnData, after: AnnData, folders: Mapping[str, str]) -> str:
    """What the best simple map would have reached on the same cells."""
    data = read_folds(folders["train"], folders["query"])
    reached = {}
    for name in SIMPLE:
        mapper = fitted(BatchMapper(name), data)
        maps = [
            with_unstained(mapper.map(x, number), x, data.domains[fold][0])
            for number, (fold, x) in enumerate(data.queries.items())
        ]
        reached[name] = gates.mean_emd(cells, anndata.concat(maps)[after.obs_names, after.var_names])
    best = min(reached, key=lambda name: reached[name])
    here, there = gates.mean_emd(cells, after), reached[best]
    if here <= BEHIND * there:
        return (
            f"Within populations the EMD is {here:.3f}; the best simple map ({MAPS[best].title}) reaches {there:.3f}."
        )
    return (
        f"A simpler map is nearer: within populations the {MAPS[best].title} reaches {there:.3f}, this map {here:.3f}."
    )


def _name(mapped: AnnData) -> str:
    """The name by which a study knows a method."""
    baseline = str(mapped.uns[keys.ARM]) == keys.BASELINE
    return str(mapped.uns[keys.METHOD if baseline else keys.ARM])
