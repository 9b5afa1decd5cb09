"""A trained model on files that arrive later: each is written again, corrected."""

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anndata import AnnData

from magan import keys
from magan.aligner import Aligner
from magan.data import corrected
from magan.data.cytof import Panel, arcsinh, cofactors
from magan.data.read import read
from magan.errors import InputError, among, nearest
from magan.stages.files import beside

CELLS = 32768  # mapped at a time: the maps of all seeds are held for so many


@dataclass(frozen=True)
class Correction:
    """One fold and one layer of a trained model, and what they need to know of a file.

    ``markers`` are those of the trained panel, ``both`` those of them that the reference has too, which are corrected.
    """

    aligner: Aligner
    fold: int
    layer: str
    markers: tuple[str, ...]
    both: tuple[str, ...]
    provenance: dict[str, str]

    @property
    def before(self) -> list[float | str]:
        """Cofactors of ``markers``, as files are measured."""
        return [self.aligner.cofactors_["x1"][self.fold][marker] for marker in self.markers]

    @property
    def after(self) -> list[float | str]:
        """Cofactors of ``both``, as the map gives them: the reference's, but "none" in files transformed already."""
        own, other = (self.aligner.cofactors_[domain][self.fold] for domain in ("x1", "x2"))
        return ["none" if own[marker] == "none" else other[marker] for marker in self.both]


def correction(model: Path, batch: str | None = None, seed: str = "consensus") -> Correction:
    """A saved model, ready to correct files of one batch.

    Parameters
    ----------
    model
        What `Aligner.save` wrote.
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
    aligner = Aligner.load(model)
    fold = _fold(aligner, model, batch)
    layers = {keys.CONSENSUS: keys.CONSENSUS, **{str(s): f"{keys.SEED}_{s}" for s in aligner.good_seeds_}}
    if not aligner.good_seeds_:
        raise InputError(f"every seed of model {model} failed; train it again")
    if seed not in layers:
        raise InputError(f"model {model} has no seed '{seed}'{among(seed, layers)}")
    markers, other = (aligner.features_[domain][fold] for domain in ("x1", "x2"))
    both = [marker for marker in markers if marker in other]
    if not both:
        raise InputError(f"model {model} has no marker that both of its domains measure; there is nothing to correct")
    own, reference = (aligner.cofactors_[domain][fold] for domain in ("x1", "x2"))
    for marker in both:
        if marker not in own or marker not in reference:
            raise InputError(
                f"model {model} was trained on cells without uns['{keys.CYTOF}']['cofactor'] and cannot tell raw "
                "counts from transformed ones; transform its cells with magan.data.cytof.arcsinh and train it again"
            )
        if reference[marker] == "none" != own[marker]:
            raise InputError(
                f"model {model} maps raw counts of '{marker}' to transformed values of an unknown cofactor; "
                "train it on two raw domains"
            )
    about = {
        "MAGAN_VERSION": importlib.metadata.version("magan"),
        "MAGAN_MODEL": model.name,
        "MAGAN_MODEL_SHA256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "MAGAN_BATCH": aligner.names_[fold],
        "MAGAN_REFERENCE": aligner.reference_,
        "MAGAN_SEED": seed,
        "MAGAN_MARKERS": ",".join(both),
    }
    return Correction(aligner, fold, layers[seed], tuple(markers), tuple(both), about)


def destinations(files: Sequence[Path], folder: Path) -> list[Path]:
    """``folder/<name>`` of every file.

    Raises
    ------
    InputError
        One of them is a file that is given, or two are the same.
    """
    places = [folder / file.name for file in files]
    for file, place in zip(files, places):
        if place.exists() and any(other.exists() and place.samefile(other) for other in files):
            raise InputError(f"{place} is one of the files to correct; choose another output folder")
        if places.count(place) > 1:
            raise InputError(f"{places.count(place)} files are called {file.name}; correct them into folders apart")
    return places


def correct(one: Correction, file: Path, place: Path, panel: Panel | None = None) -> int:
    """Write a file again, corrected, and return its number of events.

    Raises
    ------
    InputError
        The file cannot be read, lacks a marker of the model, is raw where the model knows transformed values or the
        other way round, or would have a value that is not finite.
    """
    cells = read(file, panel=panel)
    missing = [marker for marker in one.markers if marker not in cells.var_names]
    if missing:
        named = ", ".join(f"'{marker}'{nearest(marker, cells.var_names)}" for marker in missing)
        raise InputError(f"{file} lacks {len(missing)} markers of the model: {named}; name its channels with --panel")
    cells = _transformed(cells[:, list(one.markers)].copy(), one.before, file)
    mapped = np.concatenate([_mapped(one, cells[start : start + CELLS]) for start in range(0, cells.n_obs, CELLS)])
    out = cells[:, list(one.both)].copy()
    out.X = corrected.raw_corrected(np.asarray(out.X), mapped, one.after)
    out.layers[keys.INTEGRATED] = mapped
    with beside(place) as part:
        corrected.write(file, out, part, provenance={**one.provenance, "MAGAN_SOURCE": file.name})
    return out.n_obs


def _fold(aligner: Aligner, model: Path, batch: str | None) -> int:
    if not aligner.features_["x1"][0]:
        raise InputError(f"model {model} maps images, not cells; give the model of a batch study")
    known = f"it knows {', '.join(aligner.names_)}"
    if batch is None and len(aligner.names_) > 1:
        raise InputError(f"model {model} has a map for each of {len(aligner.names_)} batches; give --batch, {known}")
    if batch is None:
        return 0
    if batch not in aligner.names_:
        reason = " (the reference needs no map)" if batch == aligner.reference_ else nearest(batch, aligner.names_)
        raise InputError(f"model {model} does not know the batch '{batch}'{reason}; {known}")
    return aligner.names_.index(batch)


def _transformed(cells: AnnData, wanted: Sequence[float | str], file: Path) -> AnnData:
    """The cells in the arcsinh units that the model was trained in."""
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


def _mapped(one: Correction, cells: AnnData) -> np.ndarray:
    """``(n, M)`` in arcsinh units of the reference."""
    mapped = one.aligner.map(cells, fold=one.fold)[:, list(one.both)]
    return np.asarray(mapped.layers[one.layer])
