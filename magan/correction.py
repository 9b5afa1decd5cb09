"""A saved model made ready to correct cells of one batch: files, and tables in memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from magan import __version__, keys
from magan.aligner import Aligner
from magan.batch_mapper import BatchMapper
from magan.cytometry.arcsinh import arcsinh, cofactors, transformed
from magan.cytometry.fcs_read import ROWS, as_slice
from magan.cytometry.fcs_write import finite
from magan.cytometry.marker_names import FUNCTIONAL
from magan.cytometry.write_corrected import raw_corrected
from magan.errors import InputError, among, nearest
from magan.training import checkpoint

CELLS = ROWS  # mapped at a time: the maps of all seeds are held for so many
JUDGED = 100  # fewer cells than these say too little of the scale that they are on


@dataclass(frozen=True)
class Correction:
    """One fold and one layer of a saved model, and what they need to know of a file.

    ``markers`` are those of the trained panel, ``both`` those of them that the reference has too, which are corrected,
    and ``monotone`` those of them that are corrected by their two scalings alone, without the network.
    """

    mapper: Aligner | BatchMapper
    fold: int
    layer: str
    markers: tuple[str, ...]
    both: tuple[str, ...]
    provenance: dict[str, str]
    monotone: tuple[str, ...] = ()

    @property
    def before(self) -> list[float | str]:
        """Cofactors of ``markers``, as files are measured."""
        return [self.mapper.cofactors_["x1"][self.fold][marker] for marker in self.markers]

    @property
    def after(self) -> list[float | str]:
        """Cofactors of ``both``, as the map gives them: the reference's, but "none" in files transformed already."""
        own, other = (self.mapper.cofactors_[domain][self.fold] for domain in ("x1", "x2"))
        return ["none" if own[marker] == "none" else other[marker] for marker in self.both]


def correction(model: Path, batch: str | None = None, seed: str = "consensus") -> Correction:
    """A saved model, ready to correct files of one batch.

    Parameters
    ----------
    model
        What `Aligner.save` or `BatchMapper.save` wrote.
    batch
        Name of the fold; a model of one fold needs none.
    seed
        "consensus", or a number.

    Raises
    ------
    InputError
        The model cannot be read, does not know the batch or the seed, maps images, or was trained on cells that did
        not say how they were transformed.
    """
    mapper = load_mapper(model)
    fold = _fold(mapper, model, batch)
    layers = {layer.removeprefix(f"{keys.SEED}_"): layer for layer in mapper.layers_}
    if not layers:
        raise InputError(f"every seed of model {model} failed; train it again")
    if seed not in layers:
        raise InputError(f"model {model} has no seed '{seed}'{among(seed, layers)}")
    markers, other = (mapper.features_[domain][fold] for domain in ("x1", "x2"))
    both = [marker for marker in markers if marker in other]
    if not both:
        raise InputError(f"model {model} has no marker that both of its domains measure; there is nothing to correct")
    own, reference = (mapper.cofactors_[domain][fold] for domain in ("x1", "x2"))
    for marker in both:
        if marker not in own or marker not in reference:
            raise InputError(
                f"model {model} was trained on cells without uns['{keys.CYTOF}']['cofactor'] and cannot tell raw "
                "counts from transformed ones; transform its cells with arcsinh and train it again"
            )
        if reference[marker] == "none" != own[marker]:
            raise InputError(
                f"model {model} maps raw counts of '{marker}' to transformed values of an unknown cofactor; "
                "train it on two raw domains"
            )
    about = {
        "MAGAN_VERSION": __version__,
        "MAGAN_MODEL": model.name,
        "MAGAN_MODEL_SHA256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "MAGAN_BATCH": mapper.names_[fold],
        "MAGAN_REFERENCE": mapper.reference_,
        "MAGAN_SEED": seed,
        "MAGAN_MARKERS": ",".join(both),
    }
    return Correction(mapper, fold, layers[seed], tuple(markers), tuple(both), about)


def load_mapper(model: Path) -> Aligner | BatchMapper:
    """The aligner or the batch mapper in a file.

    Raises
    ------
    InputError
        The file is missing, or holds neither.
    """
    about, _ = checkpoint.load(model)
    return BatchMapper.load(model) if "batch_mapper" in about else Aligner.load(model)


def of_model(one: Correction, cells: AnnData, file: Path) -> AnnData:
    """The markers that the model knows, in the arcsinh units that it was trained in."""
    missing = [marker for marker in one.markers if marker not in cells.var_names]
    if missing:
        named = ", ".join(f"'{marker}'{nearest(marker, cells.var_names)}" for marker in missing)
        raise InputError(f"{file} lacks {len(missing)} markers of the model: {named}; name its channels with --panel")
    cells, wanted = cells[:, list(one.markers)].copy(), one.before
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


def mapped_units(one: Correction, units: np.ndarray) -> np.ndarray:
    """Cells by the model's markers to cells by those that are corrected, in arcsinh units: ``(n, M1) -> (n, M)``."""
    other, values = one.mapper.features_["x2"][one.fold], torch.from_numpy(np.ascontiguousarray(units))
    mapped = one.mapper.map_values(values, fold=one.fold)[one.layer]
    mapped = mapped[:, as_slice([other.index(marker) for marker in one.both])]
    if one.monotone:
        alone = one.mapper.monotone(values, fold=one.fold)
        for marker in one.monotone:
            mapped[:, one.both.index(marker)] = alone[:, one.markers.index(marker)]
    return mapped


def corrected_table(one: Correction, table: pd.DataFrame) -> pd.DataFrame:
    """A table of cells by markers, on the scale of the files the model was trained on, corrected.

    Parameters
    ----------
    one
        The model.
    table
        A row per cell and a numeric column per marker of the model; other columns stay as they are.

    Returns
    -------
    DataFrame
        The same rows and columns; the values are those that the file of these cells would be given.

    Raises
    ------
    InputError
        A marker is missing or no number, a hundred cells or more are on another scale than the model's, or a
        corrected value is not finite.
    """
    missing = [marker for marker in one.markers if marker not in table.columns]
    if missing:
        named = ", ".join(f"'{marker}'{nearest(marker, table.columns)}" for marker in missing)
        raise InputError(f"the table lacks {len(missing)} markers of the model: {named}; give each a column")
    try:
        measured = table[list(one.markers)].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"the table holds what is no number ({error}); give intensities") from None
    bad = (~np.isfinite(measured)).sum(axis=0)
    if bad.any():
        raise InputError(
            f"marker '{one.markers[int(bad.argmax())]}' is not finite in {bad.max()} of {len(table)} rows of the "
            "table; remove these rows"
        )
    var = pd.DataFrame({keys.CHANNEL: one.markers, keys.MARKER: one.markers, keys.MARKER_TYPE: FUNCTIONAL})
    var.index = list(one.markers)
    if len(table) >= JUDGED:
        obs = pd.DataFrame(index=pd.RangeIndex(len(table)).astype(str))
        of_model(one, AnnData(measured, obs=obs, var=var), "the table")
    both = as_slice([one.markers.index(marker) for marker in one.both])
    parts = [measured[start : start + CELLS] for start in range(0, len(measured), CELLS)]
    lowest = measured[:, both].min(axis=0, initial=np.inf)
    done = [raw_corrected(x[:, both], mapped_units(one, transformed(x, one.before)), one.after, lowest) for x in parts]
    if done:
        finite("the table", np.concatenate(done), var.iloc[both])
        table = table.assign(**dict(zip(one.both, np.concatenate(done).T.astype(np.float64))))
    return table


def _fold(mapper: Aligner | BatchMapper, model: Path, batch: str | None) -> int:
    if not mapper.features_["x1"][0]:
        raise InputError(f"model {model} maps images, not cells; give the model of a batch study")
    known = f"it knows {', '.join(mapper.names_)}"
    if batch is None and len(mapper.names_) > 1:
        raise InputError(f"model {model} has a map for each of {len(mapper.names_)} batches; give --batch, {known}")
    if batch is None:
        return 0
    if batch not in mapper.names_:
        reason = " (the reference needs no map)" if batch == mapper.reference_ else nearest(batch, mapper.names_)
        raise InputError(f"model {model} does not know the batch '{batch}'{reason}; {known}")
    return mapper.names_.index(batch)
