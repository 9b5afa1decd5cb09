"""Prepare a saved model to correct the cells of a batch, in files and in tables in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import __version__, keys, model_file
from magan.batch_mapper import BatchMapper
from magan.cytometry.arcsinh import arcsinh, cofactors, transformed
from magan.cytometry.fcs_read import ROWS, as_slice
from magan.cytometry.fcs_write import finite
from magan.cytometry.marker_names import FUNCTIONAL
from magan.cytometry.write_corrected import raw_corrected
from magan.errors import InputError, among, nearest

if TYPE_CHECKING:
    from magan.aligner import Aligner

CELLS = ROWS  # mapped at a time: the maps of all seeds are held for so many
JUDGED = 100  # fewest cells for a check of their scale
UNJUDGED = "no safety gate has judged this map; files mapped by it carry no verdict"
GATE = "gate"  # key of what the safety gate decided, in the description of a model


@dataclass(frozen=True)
class Correction:
    """A fold and a layer of a saved model, and the markers that they read and correct.

    ``markers`` are the markers of the trained panel. ``both`` are the markers that are corrected: those that the
    reference measures too, but for those that the safety gate put back. ``monotone`` are the markers of ``both`` that
    are corrected by their two scalings only, without the network. ``put_back`` are the markers that the safety gate
    leaves as measured, and ``verdict`` is its sentence, "" for a model that was not judged. ``scales`` has the scale of
    each marker in files that are on another than the cells of the training. ``controls`` says by which controls the
    batch is mapped, "" where the map is not learned from controls, and ``not_stained`` are the markers that these do
    not stain and the map leaves as measured.
    """

    mapper: "Aligner | BatchMapper"
    fold: int
    layer: str
    markers: tuple[str, ...]
    both: tuple[str, ...]
    provenance: dict[str, str]
    monotone: tuple[str, ...] = ()
    scales: Mapping[str, float | str] | None = None
    put_back: tuple[str, ...] = ()
    verdict: str = ""
    controls: str = ""
    not_stained: tuple[str, ...] = ()

    @property
    def leaves(self) -> bool:
        """Whether every cell stays as measured: files are copied."""
        return not self.both or (isinstance(self.mapper, BatchMapper) and self.mapper.leaves(self.fold))

    @property
    def lacking(self) -> tuple[str, ...]:
        """Markers of the trained panel that the reference lacks; they stay as measured."""
        return tuple(marker for marker in self.markers if marker not in (*self.both, *self.put_back))

    @property
    def before(self) -> list[float | str]:
        """Cofactors of ``markers`` in the measured files."""
        scales = self.scales or self.mapper.cofactors_["x1"][self.fold]
        return [scales[marker] for marker in self.markers]

    @property
    def after(self) -> list[float | str]:
        """Cofactors of ``both`` after the map: those of the reference, but "none" for files already transformed."""
        reference = self.mapper.cofactors_["x2"][self.fold]
        source = dict(zip(self.markers, self.before))
        return ["none" if source[marker] == "none" else reference[marker] for marker in self.both]


def correction(model: Path, batch: str | None = None, seed: str = "consensus") -> Correction:
    """Load a saved model to correct files of a batch.

    Parameters
    ----------
    model
        File that `Aligner.save` or `BatchMapper.save` wrote.
    batch
        Name of the fold; a model with a single fold needs no name.
    seed
        "consensus", or a number.

    Raises
    ------
    InputError
        The model cannot be read, does not know the batch or the seed, maps images, or was trained on cells without
        a record of their transformation.
    """
    about, _ = model_file.load(model)
    mapper = load_mapper(model)
    fold = _fold(mapper, model, batch)
    layers = {layer.removeprefix(f"{keys.SEED}_"): layer for layer in mapper.layers_}
    if not layers:
        raise InputError(f"every seed of model {model} failed; train it again")
    if seed not in layers:
        raise InputError(f"model {model} has no seed '{seed}'{among(seed, layers)}")
    markers, reference_markers = (mapper.features_[domain][fold] for domain in ("x1", "x2"))
    both = [marker for marker in markers if marker in reference_markers]
    if not both:
        raise InputError(f"model {model} has no marker that both of its domains measure; there is nothing to correct")
    source, reference = (mapper.cofactors_[domain][fold] for domain in ("x1", "x2"))
    for marker in both:
        if marker not in source or marker not in reference:
            raise InputError(
                f"model {model} was trained on cells without uns['{keys.CYTOF}']['cofactor'] and cannot tell raw "
                "counts from transformed ones; transform its cells with arcsinh and train it again"
            )
        if reference[marker] == "none" != source[marker]:
            raise InputError(
                f"model {model} maps raw counts of '{marker}' to transformed values of an unknown cofactor; "
                "train it on two raw domains"
            )
    provenance = {
        "MAGAN_VERSION": __version__,
        "MAGAN_MODEL": model.name,
        "MAGAN_MODEL_SHA256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "MAGAN_BATCH": mapper.names_[fold],
        "MAGAN_REFERENCE": mapper.reference_,
        "MAGAN_SEED": seed,
        "MAGAN_MARKERS": ",".join(both),
    }
    found = Correction(mapper, fold, layers[seed], tuple(markers), tuple(both), provenance)
    return _obeying(found, about[GATE]) if GATE in about else found


def _obeying(corrector: Correction, gate: Mapping[str, Any]) -> Correction:
    """The correction as the safety gate let it pass, see `decided`; its verdict is on the mean map of all seeds."""
    batch = corrector.provenance["MAGAN_BATCH"]
    for row in gate.get(keys.DESIGN, ()):
        if row[keys.BATCH] == batch:
            ways = f"{row['controls']} ({row['route']})" if row["controls"] else "no control: cells of samples"
            corrector = replace(
                corrector, controls=ways, not_stained=tuple(filter(None, row[keys.NOT_STAINED].split(", ")))
            )
    put_back = tuple(gate["put_back"].get(batch, ()))
    flagged = dict.fromkeys([*put_back, *gate["flagged"].get(batch, ())])
    about = corrector.provenance | {"MAGAN_FLAGGED": ",".join(flagged), "MAGAN_FALLBACK": gate["fallback"]}
    verdict = ""
    if about["MAGAN_SEED"] == keys.CONSENSUS:
        about, verdict = about | {"MAGAN_VERDICT": gate["word"]}, gate["sentence"]
    if gate["fallback"] == "monotone":
        return replace(corrector, provenance=about, monotone=put_back, verdict=verdict)
    both = tuple(marker for marker in corrector.both if marker not in put_back)
    about["MAGAN_MARKERS"] = ",".join(both)
    return replace(corrector, both=both, provenance=about, put_back=put_back, verdict=verdict)


def decided(model: Path, gate: Mapping[str, Any], output: Path, further: Mapping[str, Any] | None = None) -> None:
    """Write a model again with what the safety gate decided, which `correction` obeys.

    Parameters
    ----------
    model
        A trained model; an empty file, of a method that failed, stays empty.
    gate
        ``word`` and ``sentence`` of the verdict, ``fallback``, and batch -> markers in ``put_back``, which the
        fallback treats, and in ``flagged``, which have a flag all the same; ``design``, if known, has the rows of
        `magan.tasks.batch_correction.control_design`.
    output
        The file to write.
    further
        What the description of the model holds besides.
    """
    if not model.stat().st_size:
        output.write_bytes(b"")
        return
    about, arrays = model_file.load(model)
    model_file.save(output, {**about, GATE: gate, **(further or {})}, arrays)


def described(model: Path, corrector: Correction) -> list[str]:
    """Sentences on the markers that a model corrects and leaves, and on the verdict of the safety gate."""
    batch = corrector.provenance["MAGAN_BATCH"]
    if corrector.leaves:
        sentences = [f"{model} corrects nothing in batch {batch}: cells stay as measured, and files are copied"]
    else:
        sentences = [f"{model} corrects {_named(corrector.both)}"]
    if corrector.not_stained:
        sentences.append(f"its control does not stain {_named(corrector.not_stained)}, left as measured")
    if corrector.put_back:
        sentences.append(f"the safety gate leaves {_named(corrector.put_back)} as measured")
    if corrector.monotone:
        sentences.append(
            f"the safety gate maps {_named(corrector.monotone)} without the network, each marker by itself"
        )
    return [*sentences, f"verdict of the safety gate: {corrector.verdict}" if corrector.verdict else UNJUDGED]


def _named(markers: Sequence[str]) -> str:
    return f"{len(markers)} marker{'s' * (len(markers) != 1)}: {', '.join(markers)}"


def load_mapper(model: Path) -> "Aligner | BatchMapper":
    """The aligner or the batch mapper in a file.

    Raises
    ------
    InputError
        The file is missing or holds no model.
    """
    about, _ = model_file.load(model)
    if "batch_mapper" in about:
        return BatchMapper.load(model)
    from magan.aligner import Aligner  # torch is imported where a network maps

    return Aligner.load(model)


def of_model(corrector: Correction, cells: AnnData, file: Path | str) -> AnnData:
    """Select the markers of the model, in the arcsinh units of its training."""
    missing = [marker for marker in corrector.markers if marker not in cells.var_names]
    if missing:
        named = ", ".join(f"'{marker}'{nearest(marker, cells.var_names)}" for marker in missing)
        raise InputError(
            f"{file} lacks {len(missing)} markers of the model: {named}; name its channels in a panel table"
        )
    cells, wanted = cells[:, list(corrector.markers)].copy(), corrector.before
    if keys.PREPROCESSED in cells.layers:
        noted = cofactors(cells)
        for marker, cofactor in zip(cells.var_names, wanted):
            if noted and noted[marker] != cofactor:
                raise InputError(
                    f"{file}: '{marker}' was transformed with cofactor {noted[marker]}, the model knows {cofactor}; "
                    f"leave layers['{keys.PREPROCESSED}'] out of the file"
                )
        return cells
    plain = AnnData(cells.X, obs=cells.obs, var=cells.var)
    alike = len(set(wanted)) == 1
    cofactor = wanted[0] if alike else dict(zip(cells.var_names, wanted))
    try:
        return arcsinh(plain, None if cofactor == "none" else cofactor)
    except InputError as error:
        raise InputError(f"{file} is not measured as the model's cells were: {error}") from None


def mapped_units(corrector: Correction, units: np.ndarray) -> np.ndarray:
    """Map cells by the model's markers to cells by the corrected markers, in arcsinh units: ``(n, M1) -> (n, M)``."""
    reference_markers, values = corrector.mapper.features_["x2"][corrector.fold], np.ascontiguousarray(units)
    mapped = corrector.mapper.map_values(values, fold=corrector.fold)[corrector.layer]
    mapped = mapped[:, as_slice([reference_markers.index(marker) for marker in corrector.both])]
    if corrector.monotone:
        monotone = corrector.mapper.monotone(values, fold=corrector.fold)
        for marker in corrector.monotone:
            mapped[:, corrector.both.index(marker)] = monotone[:, corrector.markers.index(marker)]
    return mapped


def corrected_table(corrector: Correction, table: pd.DataFrame) -> pd.DataFrame:
    """Correct a table of cells by markers, on the scale of the files that the model was trained on.

    Parameters
    ----------
    corrector
        The model.
    table
        A row per cell and a numeric column per marker of the model; the remaining columns do not change.

    Returns
    -------
    DataFrame
        The same rows and columns, with the values that correcting a file of these cells gives.

    Raises
    ------
    InputError
        A marker is missing or not numeric, a hundred cells or more are not on the scale of the model, or a
        corrected value is not finite.
    """
    missing = [marker for marker in corrector.markers if marker not in table.columns]
    if missing:
        named = ", ".join(f"'{marker}'{nearest(marker, table.columns)}" for marker in missing)
        raise InputError(f"the table lacks {len(missing)} markers of the model: {named}; give each a column")
    try:
        measured = table[list(corrector.markers)].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"the table holds what is no number ({error}); give intensities") from None
    bad = (~np.isfinite(measured)).sum(axis=0)
    if bad.any():
        raise InputError(
            f"marker '{corrector.markers[int(bad.argmax())]}' is not finite in {bad.max()} of {len(table)} rows of the "
            "table; remove these rows"
        )
    var = pd.DataFrame({keys.CHANNEL: corrector.markers, keys.MARKER: corrector.markers, keys.MARKER_TYPE: FUNCTIONAL})
    var.index = list(corrector.markers)
    if len(table) >= JUDGED:
        obs = pd.DataFrame(index=pd.RangeIndex(len(table)).astype(str))
        of_model(corrector, AnnData(measured, obs=obs, var=var), "the table")
    both = as_slice([corrector.markers.index(marker) for marker in corrector.both])
    parts = [measured[start : start + CELLS] for start in range(0, len(measured), CELLS)]
    lowest = measured[:, both].min(axis=0, initial=np.inf)
    done = [
        raw_corrected(x[:, both], mapped_units(corrector, transformed(x, corrector.before)), corrector.after, lowest)
        for x in parts
    ]
    if done:
        finite("the table", np.concatenate(done), var.iloc[both])
        table = table.assign(**dict(zip(corrector.both, np.concatenate(done).T.astype(np.float64))))
    return table


def _fold(mapper: "Aligner | BatchMapper", model: Path, batch: str | None) -> int:
    if not mapper.features_["x1"][0]:
        raise InputError(f"model {model} maps images, not cells; give the model of a batch study")
    known = f"it knows {', '.join(mapper.names_)}"
    if batch is None and len(mapper.names_) > 1:
        raise InputError(f"model {model} has a map for each of {len(mapper.names_)} batches; give the batch, {known}")
    if batch is None:
        return 0
    if batch not in mapper.names_:
        reason = " (the reference needs no map)" if batch == mapper.reference_ else nearest(batch, mapper.names_)
        raise InputError(f"model {model} does not know the batch '{batch}'{reason}; {known}")
    return mapper.names_.index(batch)
