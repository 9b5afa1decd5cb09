"""How each file of a training was read, in the model's file: the same file, mapped again, is read in the same way.

Aliases, panel tables, scales of single files and compensation stand in a study; a model must do without the study.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pooch
from anndata import AnnData

from magan import keys, model_file
from magan.config import OwnData
from magan.cytometry.choose_scales import scales_of_file
from magan.cytometry.fcs_read import FcsOptions, fcs_options
from magan.cytometry.harmonise_names import PATH
from magan.cytometry.load import rows_of
from magan.cytometry.panel import Panel
from magan.errors import InputError

FILES = "files"  # key in the description of a model


@dataclass(frozen=True)
class TrainingFile:
    """The names of a file's channels, its scales where they are not those of its batch, and how an FCS file is read."""

    panel: Panel
    scales: dict[str, float | str] | None
    fcs: FcsOptions


def panel_of(cells: AnnData, path: Path) -> Panel:
    """The names of the channels of a file, as its data set was read."""
    names = cells.uns[keys.NAMES]
    of_file = names[(names[PATH] == str(path)) & names["kept"]]
    return Panel(
        tuple(of_file[keys.CHANNEL]),
        tuple(of_file[keys.MARKER]),
        tuple(cells.var[keys.MARKER_TYPE][of_file[keys.MARKER]]),
    )


def training_files(own: Mapping[str, Any], cells: AnnData) -> dict[str, Any]:
    """Sha256 of each file of a user's data set that was read -> how, as JSON."""
    found = {}
    for row in rows_of(OwnData.model_validate(own)):
        path = Path(str(row[PATH]))
        panel = panel_of(cells, path)
        if panel.channels and path.is_file():
            scales = scales_of_file(cells.uns[keys.CYTOF], str(path))
            found[pooch.file_hash(str(path))] = asdict(TrainingFile(panel, scales, fcs_options(row)))
    return found


def training_file(model: Path, file: Path) -> TrainingFile | None:
    """How a file was read when the model was trained; None where it was no file of the training, to the byte.

    Raises
    ------
    InputError
        The model cannot be read.
    """
    known = model_file.load(model)[0].get(FILES, {})
    if not known or not file.is_file():
        return None
    found = known.get(pooch.file_hash(str(file)))
    if found is None:
        return None
    panel = Panel(**{name: tuple(value) for name, value in found["panel"].items()})
    try:
        return TrainingFile(panel, found["scales"], FcsOptions(**found["fcs"]))
    except (TypeError, InputError) as error:
        raise InputError(f"model {model} does not say how {file} was read ({error}); train it again") from None
