"""Build the files of data sets from the files that their authors published."""

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from magan.errors import InputError
from magan.images.load import idx_array

CIFAR_CLASSES = ("horse", "deer", "automobile", "truck")
N_CIFAR = 2500  # images of each class: the first
CIFAR_NAME = re.compile(rf"[^/]+/(train/({'|'.join(CIFAR_CLASSES)})/(\d{{4}})\.jpg)")
SPRITE, PIECE, ROWS = 30, 28, 3  # pieces along a side of the sprite, pixels of a piece, rows of each kind of clothing
EMOJI = pd.read_csv(Path(__file__).with_name("emoji.tsv"), sep="\t", index_col="code", dtype={"code": str})
DRAWN, SIDE = 128, 64  # pixels of an emoji as it is drawn, and as it is stored
BRIGHTER = 2.0  # of 255: how far the mean of an emoji may be from the known mean; renderers smooth edges differently
FX_NAME = re.compile(r"[^/]+/svgs/FirefoxEmoji/u([0-9A-F]+)-[^./]*\.svg")
# As the authors' annotation lists them; 0 is a cell without a type, or with two.
HUIMM_LABELS = (
    *("unknown", "naive B", "memory B", "classical mono", "transitional mono", "non-classical mono", "basophil"),
    *("early NK", "late NK", "pDC", "mDC", "CD8 naive", "CD8 CM", "CD8 EM", "CD8 TE"),
    *("CD4 naive", "CD4 CM", "CD4 EM", "CD4 TE", "CD4- MAIT/NKT", "gd T"),
)


def mnist(paths: Mapping[str, Path], out: Path) -> None:
    """Pack the four idx files of MNIST into an .npz file with x_train, y_train, x_test and y_test."""
    names = {"train-images-idx3": "x_train", "train-labels-idx1": "y_train"}
    names |= {"t10k-images-idx3": "x_test", "t10k-labels-idx1": "y_test"}
    np.savez_compressed(out, **{key: idx_array(paths[f"{name}-ubyte.gz"]) for name, key in names.items()})


def cifar(paths: Mapping[str, Path], out: Path) -> None:
    """Take the first 2,500 JPEG files of four classes out of the archive of a repository, into a tar.

    Raises
    ------
    InputError
        The archive cannot be read, or lacks an image.
    """
    (path,) = paths.values()
    images: dict[tuple[int, int], tuple[str, bytes]] = {}
    for name, content in _members(path):
        found = CIFAR_NAME.fullmatch(name)
        if found and int(found[3]) < N_CIFAR:
            images[CIFAR_CLASSES.index(found[2]), int(found[3])] = found[1], content
    n = N_CIFAR * len(CIFAR_CLASSES)
    if len(images) < n:
        raise InputError(f"{path} holds {len(images)} of {n} images; delete it, and it is downloaded again")
    with tarfile.open(out, "w") as tar:
        for _, (name, content) in sorted(images.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def fashion(paths: Mapping[str, Path], out: Path) -> None:
    """Cut the picture of Fashion-MNIST's page into its 900 pieces of clothing, and label them by their row.

    Raises
    ------
    InputError
        The picture has another size.
    """
    (path,) = paths.values()
    with Image.open(path) as picture:
        sprite = np.asarray(picture.convert("L"))
    side = SPRITE * PIECE
    if sprite.shape != (side, side):
        raise InputError(f"{path} has {sprite.shape[1]} x {sprite.shape[0]} pixels, not {side} x {side}; replace it")
    pieces = sprite.reshape(SPRITE, PIECE, SPRITE, PIECE).swapaxes(1, 2).reshape(-1, PIECE, PIECE)
    np.savez_compressed(out, x=pieces, y=np.repeat(np.arange(SPRITE // ROWS, dtype=np.uint8), ROWS * SPRITE))


def huimm_labels(paths: Mapping[str, Path], out: Path) -> None:
    """Write the cell type of each cell, from the numbers that the authors saved in R.

    Raises
    ------
    InputError
        The package rdata is missing, or the file has no numbers from 0 to 20.
    """
    try:
        import rdata  # here: no other file needs it
    except ImportError:
        raise InputError("files of R need the package rdata; run pip install magan[originals]") from None
    (path,) = paths.values()
    numbers = [
        np.asarray(part.value)
        for part in _nodes(rdata.parser.parse_file(path).object)
        if part.info.type in (rdata.parser.RObjectType.INT, rdata.parser.RObjectType.REAL)
    ]
    if not numbers or not np.isin(numbers[0], np.arange(len(HUIMM_LABELS))).all():
        raise InputError(
            f"{path} holds no numbers from 0 to {len(HUIMM_LABELS) - 1}; delete it, and it is downloaded again"
        )
    labels = np.array(HUIMM_LABELS)[numbers[0].astype(int)]
    out.write_bytes(b"".join(f"{label}\n".encode() for label in ("label", *labels)))


def emoji(paths: Mapping[str, Path], out: Path) -> None:
    """Draw the 700 emoji of two makers on white, 64 x 64: Noto's from its PNG files, Firefox's from its SVG files.

    Where Firefox has several drawings of a code point, it is the drawing whose brightness is known.

    Raises
    ------
    InputError
        The package cairosvg or its library is missing, or an emoji is.
    """
    try:
        import cairosvg  # here: no other file needs it
    except (ImportError, OSError) as error:  # OSError: the package is there, and the library cairo is not
        raise InputError(
            f"SVG files need cairosvg and the library cairo ({error}); run pip install magan[originals], "
            "and install cairo (libcairo2)"
        ) from None
    archive = paths["fxemoji.tar.gz"]
    drawn: dict[str, np.ndarray] = {}
    for name, content in _members(archive):
        found = FX_NAME.fullmatch(name)
        code = found[1].lower() if found else ""
        if code in EMOJI.index:
            png = bytes(cairosvg.svg2png(bytestring=content, output_width=DRAWN, output_height=DRAWN) or b"")
            image, known = _on_white(png), EMOJI.at[code, "fx"]
            if code not in drawn or abs(image.mean() - known) < abs(drawn[code].mean() - known):
                drawn[code] = image
    lacking = [code for code in EMOJI.index if code not in drawn]
    if lacking:
        raise InputError(
            f"{archive} holds no emoji of {', '.join(lacking[:5])} ({len(lacking)} in all); "
            "delete it, and it is downloaded again"
        )
    np.savez_compressed(
        out,
        noto=np.stack([_on_white(paths[noto_name(code)].read_bytes()) for code in EMOJI.index]),
        fx=np.stack([drawn[code] for code in EMOJI.index]),
        codepoints=EMOJI.index.to_numpy(str),
    )


def noto_name(code: str) -> str:
    """Return the name of Noto's file of a code point, which is in lower hexadecimal digits."""
    return f"emoji_u{code}.png"


def compare_emoji(path: Path) -> str:
    """Compare emoji with the known emoji: the code points, and the mean of each image within `BRIGHTER` of 255."""
    try:
        with np.load(path) as packed:
            found = {name: packed[name] for name in ("noto", "fx", "codepoints")}
    except (KeyError, ValueError, OSError, EOFError) as error:
        return f"no readable arrays ({error})"
    if list(found["codepoints"]) != list(EMOJI.index):
        return "other code points"
    for maker in ("noto", "fx"):
        images = found[maker]
        if images.dtype != np.uint8 or images.shape != (len(EMOJI), SIDE, SIDE, 3):
            return f"images of {maker} that are {images.dtype} {images.shape}"
        far = np.abs(images.mean(axis=(1, 2, 3)) - EMOJI[maker].to_numpy()) > BRIGHTER
        if far.any():
            return f"{far.sum()} emoji of {maker} that are brighter or darker, first {EMOJI.index[far][0]}"
    return ""


def _on_white(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file of an archive."""
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked ({error}); delete it, and it is downloaded again") from error


def _nodes(part) -> Iterator:
    """Yield every object in a list of R's, in order: a saved file is a chain of named objects."""
    while part is not None and isinstance(part.value, tuple):
        yield part.value[0]
        part = part.value[1]
