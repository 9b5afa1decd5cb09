"""A user's own images: a folder of files, an .npz of arrays, or MNIST's idx files."""

import gzip
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd
import pooch
from anndata import AnnData

from magan import keys
from magan.config import OwnImages
from magan.errors import InputError, among
from magan.images.arrays import from_images
from magan.images.folders import BYTE, WORD, Form, files_in, formed, read_folder

FOLDER = "folder"  # as labels: an image's sub-folder is its class
UNSIGNED_BYTE = 0x08  # as idx files tell their type
MOST_AXES = 4  # of an idx file: images in colours; labels have 1
MOST_PACKED = 1032  # bytes that deflate makes of a byte, at most


def own_images(
    path: Path | str,
    *,
    array: str | None = None,
    labels: str | None = None,
    paired: bool = False,
    form: Form | None = None,
    name: str = "images",
) -> AnnData:
    """A set of the user's images.

    Parameters
    ----------
    path
        A folder, see `magan.images.folders.read_folder`; an .npz file; or an idx file as MNIST's, also .gz.
    array
        Of an .npz: the name of the images, where it holds several arrays that could be.
        ``(n, H, W)``, ``(n, H, W, C)`` or ``(n, C, H, W)``; uint8, uint16 or floats in [0, 1].
    labels
        Classes: "folder" for a folder whose sub-folders are the classes, the name of an array of an .npz, or the path
        of an idx file of labels.
    paired
        Images at the same place (a folder's files without suffix, else rows) of other sets are the same thing.
    form
        Size, crop and channels, see `magan.images.folders.formed`.
    name
        Of the set, for messages and the record.

    Returns
    -------
    AnnData
        As `magan.images.arrays.from_images`; ``uns["left_out"]`` names a folder's files that are not read.

    Raises
    ------
    InputError
        The path leads nowhere, what is there cannot be read, or labels and images do not fit.
    """
    path, form = Path(path), form or Form()
    if not path.exists():
        raise InputError(f"{name}: {path} does not exist; correct path")
    if path.is_dir():
        folder = read_folder(path, form, name)
        images, names, digest, left_out = folder.images, folder.places, folder.sha256, folder.left_out
        classes = None if labels is None else _subfolders(folder.places, labels, path)
        pairs = [_without_suffix(place) for place in names]
    else:
        images, classes = _npz(path, array, labels) if path.suffix.lower() == ".npz" else _idx(path, labels)
        images = formed(_as_images(images, str(path)), form, str(path))
        names = pairs = [str(i) for i in range(len(images))]
        digest, left_out = pooch.file_hash(str(path)), ()
    if classes is not None and np.shape(classes) != (len(images),):
        shape = " x ".join(map(str, np.shape(classes)))
        raise InputError(f"{name}: {len(images)} images and {shape} labels; give one to each")
    adata = from_images(images, classes, names=names, pairs=pairs if paired else None)
    adata.uns[keys.LEFT_OUT] = pd.DataFrame(
        [("file", str(path / place), reason) for place, reason in left_out],
        columns=["kind", "name", "reason"],
        dtype=str,
    )
    adata.uns[keys.SOURCE] = {"name": name, "files": {path.name: digest}, "licence": "", "citation": ""}
    return adata


def _without_suffix(place: str) -> str:
    """``a/stack.tif#2`` as ``a/stack#2``."""
    file, mark, page = place.partition("#") if Path(place).suffix.partition("#")[2].isdigit() else (place, "", "")
    return str(Path(file).with_suffix("")) + mark + page


def _subfolders(places: Sequence[str], labels: str, path: Path) -> list[str]:
    if labels != FOLDER:
        raise InputError(f"labels of the folder {path} cannot be '{labels}'; give folder, for a sub-folder per class")
    for place in places:
        if "/" not in place:
            raise InputError(f"{path / place} is in no sub-folder, which would be its class; move it into one")
    return [place.split("/")[0] for place in places]


def _npz(path: Path, array: str | None, labels: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The images as they are in the file, and the labels."""
    try:
        with zipfile.ZipFile(path) as packed:
            shapes = _shapes(packed, path)
        for key in (array, labels):
            if key is not None and key not in shapes:
                raise InputError(f"{path} has no array '{key}'{among(key, shapes)}")
        likely = [key for key, shape in shapes.items() if len(shape) in (3, 4)] if array is None else [array]
        if len(likely) != 1:
            found = "no array" if not likely else f"{len(likely)} arrays, {', '.join(likely)},"
            raise InputError(f"{path} has {found} that could be images; name the one with array")
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[likely[0]], None if labels is None else arrays[labels]
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a broken .npz makes zipfile, zlib and numpy raise whatever they like
        raise InputError(f"{path} cannot be read ({error}); save it again with numpy.savez") from None


def _shapes(packed: zipfile.ZipFile, path: Path) -> Mapping[str, tuple[int, ...]]:
    """The shape of every array, by its header alone; the file must be large enough to hold what headers claim."""
    shapes = {}
    for member in packed.infolist():
        if not member.filename.endswith(".npy"):
            continue
        with packed.open(member) as file:
            shape, _, kind = _header(file)
            claimed = file.tell() + math.prod(shape) * kind.itemsize
        possible = min(member.file_size, member.compress_size * MOST_PACKED)
        if claimed > possible or member.compress_size > path.stat().st_size or min(shape, default=0) < 0:
            raise InputError(
                f"{path}: array '{member.filename[:-4]}' of shape {' x '.join(map(str, shape))} does not fit in the "
                "file; save it again with numpy.savez"
            )
        shapes[member.filename.removesuffix(".npy")] = shape
    return shapes


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _idx(path: Path, labels: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """As LeCun's page of MNIST describes: two zeros, the type, the number of axes, and their lengths."""
    if labels is not None and not Path(labels).is_file():
        raise InputError(f"labels of {path}: {labels} does not exist; give the path of an idx file of labels")
    return idx_array(path), None if labels is None else idx_array(Path(labels))


def idx_array(path: Path) -> np.ndarray:
    """Read the bytes of an idx file, packed by gzip or not, with the shape that its header states.

    Raises
    ------
    InputError
        The file cannot be read, is no idx file of bytes, or has more or fewer bytes than its header states.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        possible = path.stat().st_size * (MOST_PACKED if is_packed else 1)
        with gzip.open(path) if is_packed else path.open("rb") as file:
            shape = _idx_shape(cast(IO[bytes], file), path)
            n = math.prod(shape)
            if n > possible:
                raise InputError(f"{path} cannot hold {' x '.join(map(str, shape))} bytes; replace it")
            content = file.read(n + 1)  # never more than the header claims, however much the file unpacks to
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked ({error}); replace it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check path") from None
    if len(content) != n:
        found = "more" if len(content) > n else str(len(content))
        raise InputError(f"{path} has {found} bytes for {' x '.join(map(str, shape))}; replace it")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _idx_shape(file: IO[bytes], path: Path) -> tuple[int, ...]:
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != UNSIGNED_BYTE:
        raise InputError(f"{path} is no folder, no .npz file and no idx file of bytes; correct path")
    n_axes = start[3]
    if not 1 <= n_axes <= MOST_AXES:
        raise InputError(f"{path} claims {n_axes} axes; give an idx file of 1 (labels) to {MOST_AXES} axes")
    lengths = file.read(4 * n_axes)
    if len(lengths) < 4 * n_axes:
        raise InputError(f"{path} is cut off within its header; replace it")
    return tuple(int(n) for n in np.frombuffer(lengths, ">u4"))


def _as_images(values: np.ndarray, what: str) -> np.ndarray:
    """Arrays of any of the usual layouts as ``(n, C, H, W)``, uint8 or float32 in [0, 1]."""
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4 and values.shape[-1] in (1, 3, 4):
        values = values.transpose(0, 3, 1, 2)
    if values.ndim == 4 and values.shape[1] == 4 and (values[:, 3] == _opaque(values.dtype)).all():
        values = values[:, :3]
    if values.ndim != 4 or values.shape[1] not in (1, 3) or not values.size:
        shape = " x ".join(map(str, values.shape))
        raise InputError(f"{what}: images of shape {shape} are not of 1 or 3 channels; give n x H x W or n x H x W x C")
    if values.dtype == bool:
        return values.astype(np.uint8) * BYTE
    if values.dtype == np.uint16:
        return values / np.float32(WORD)
    if values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        return values.astype(np.float32)
    if values.dtype != np.uint8:
        raise InputError(
            f"{what}: pixels are {values.dtype} from {values.min()} to {values.max()}; give uint8, uint16 or floats "
            "in [0, 1]"
        )
    return values


def _opaque(kind: np.dtype) -> float:
    """The alpha of a pixel without transparency."""
    return float(np.iinfo(kind).max) if kind.kind == "u" else 1.0


def own_pictures(settings: OwnImages, name: str) -> AnnData:
    """The user's images as the study says."""
    asked = settings.model_dump(include={"array", "labels", "paired"})
    form = Form(settings.size, settings.crop, settings.channels)
    return own_images(settings.path, **asked, form=form, name=name)


def source_files(settings: OwnImages) -> list[str]:
    """The user's images and labels that exist; when one of them changes, the data set is made anew."""
    path, labels = Path(settings.path), Path(settings.labels or "")
    paths = sorted(files_in(path)) if path.is_dir() else [path]
    return [str(file) for file in (*paths, labels) if file.is_file()]
