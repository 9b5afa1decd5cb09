"""The classifier of images: trained on real images and frozen before anything is scored."""

from pathlib import Path

import anndata
import torch
from anndata import AnnData

from magan import classifier as image_classifier
from magan import keys
from magan.images.arrays import pixels
from magan.stages.atomic_files import atomic_write


def classifier(truth: str, train: str, threads: int, output: str) -> None:
    """Rule `classifier`: learn the classes of the real training images of the target; maps are never shown to it.

    Where the target has fewer than two classes, the classifier learns to distinguish its images from those of the
    source. Where there is neither, the file is empty and nothing is scored by it.
    """
    torch.set_num_threads(threads)
    real = anndata.read_h5ad(truth)
    lesson = _lesson(real[(real.obs[keys.DOMAIN] == "2") & (real.obs[keys.SPLIT] == "train")], Path(train))
    with atomic_write(output) as part:
        if lesson:
            image_classifier.save(part, image_classifier.fit(lesson[0], of=lesson[1]))


def _lesson(real: AnnData, train: Path) -> tuple[AnnData, str] | None:
    """Images and the obs column of what is to be learnt of them."""
    if len(image_classifier.classes_of(real.obs[keys.CELL_TYPE])) > 1:
        return real, keys.CELL_TYPE
    sources = [
        anndata.read_h5ad(path) for path in sorted(train.glob("*/x1.h5ad")) if path.with_name("x2.h5ad").exists()
    ]
    if not sources:
        return None
    for source in sources:
        source.X = pixels(source)
        source.obs[keys.DOMAIN] = "1"
    both = anndata.concat([real, *sources], join="inner")
    both.uns[keys.IMAGE] = dict(real.uns[keys.IMAGE])
    return both, keys.DOMAIN
