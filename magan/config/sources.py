"""Where data come from: the user's own files and images, a mirror of the named ones."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from magan.config.arms import Strict
from magan.errors import InputError

Cofactor = PositiveFloat | Literal["none", "null"]


class OwnFile(Strict):
    """One file of the user's: FCS, .csv, .tsv or .h5ad, with what is known of it."""

    path: str
    batch: str = "1"
    sample: str | None = None
    panel: str | None = Field(default=None, pattern=r"^[^/\\]+$")  # which staining, where the data set has several
    donor: str | None = None
    group: str | None = None
    is_control: bool | None = None
    cell_type: str | None = None  # a column of the file, or a file with one label per cell
    compensation: str | None = None  # of an FCS file: file, none, or the path of a matrix
    trust: str | None = None  # of an FCS file: header, where its keywords say another place of the data
    data_set: PositiveInt | Literal[""] | None = None  # of an FCS file with several: the number of one
    cofactor: str | None = None  # of this file's arcsinh, none where it is transformed already
    transform: str | None = None  # arcsinh, logicle, hyperlog or none; parameters in brackets, or estimated


class SheetRow(OwnFile):
    """One row of a sample sheet; columns of any other name describe the sample too."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: str = Field(description="file of cells, from the sheet's folder or from where the workflow runs")
    batch: str = Field(pattern=r"^[^/\\]+$")
    sample: str = Field(pattern=r"^[^/\\]+$", description="no other row's")


class OwnData(Strict):
    """A data set of the user's files, listed here or in a sample sheet.

    Files of a sheet that cannot be used are left out by name; a list of files is all or nothing. ``aliases`` (name in
    a file -> marker) may also be given for each panel, ``cofactor`` for each marker or each panel.
    Maps are trained and scored on ``cells_per_file`` random cells of each file, "all", or by default ("auto") as many
    as keep the data set below 500,000 cells; every cell of every file is corrected.
    """

    files: tuple[OwnFile, ...] = ()
    sheet: str | None = None
    panel: str | dict[str, str] | None = None  # table of channel, marker, kind; or one for each panel
    aliases: str | dict[str, str | dict[str, str]] = {}  # or a YAML file of them
    counts: tuple[str, ...] | bool = ()  # panels that are counts of RNA
    cofactor: Cofactor | dict[str, Cofactor | None] | None = 5.0  # null or none where they are transformed already
    transform: str | dict[str, str | None] | None = None  # another scale than arcsinh: logicle, hyperlog(w=0.8), none
    compensation: str | None = None  # of files whose row says none: file, none, or the path of a matrix
    trust: Literal["header"] | None = None  # of files whose row says none
    data_set: PositiveInt | None = None  # of files whose row says none
    cells_per_file: PositiveInt | Literal["auto", "all"] = "auto"  # that take part in training and scores
    gates: dict[str, str] | str = {}  # population -> "CD3+ CD19-"; or a FlowJo workspace or Gating-ML file

    @model_validator(mode="after")
    def _listed_once(self) -> Self:
        if bool(self.files) == bool(self.sheet):
            raise ValueError("give one of files and sheet")
        return self


class OwnImages(Strict):
    """A data set of the user's images: a folder with all its sub-folders, an .npz file, or an idx file as MNIST's.

    With a ``size``, images become squares of that side: cut from the middle, or (crop "none") out of proportion.
    ``paired`` says that images at the same place of another such set, a folder's files without suffix or rows, show
    the same thing.
    """

    path: str
    array: str | None = None  # of an .npz with several: the images
    labels: str | None = None  # "folder": sub-folders are classes; an .npz's array; an idx file
    paired: bool = False
    size: PositiveInt | None = None  # default: as they are, all of one size
    crop: Literal["centre", "none"] = "centre"
    channels: Literal[1, 3] | None = None  # default: as they are, all alike


class Data(Strict):
    """Where named data sets come from: a mirror (folder or URL), else their published URL, stored in ``cache``."""

    mirror: str | None = None
    cache: str = "data"


def sheet_row(values: Mapping[str, str]) -> SheetRow:
    """A checked row of a sample sheet.

    Raises
    ------
    InputError
        The first column with a wrong value.
    """
    try:
        return SheetRow.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = first["loc"][0]
        remedies = {"is_control": "write true or false", "data_set": "write a number, from 1"}
        remedy = remedies.get(str(column), "leave slashes out")
        raise InputError(f"{column} is {first['input']!r}; {remedy}") from None
