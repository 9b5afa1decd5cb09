"""Classifier of real images: a small network, frozen before it scores mapped images.

It is trained on the real training images of a target domain and never on a map, so
that no model can adapt to it. Its features and class probabilities of an image are
stored with the image (`annotate`); scores need nothing else.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, pad

from magan import keys
from magan.errors import InputError
from magan.training import checkpoint

SMALL = 16  # pixels: images with sides up to this get twice the channels, at little cost
WIDTH = 16  # channels of the first layer for larger images; each layer doubles them, up to `WIDEST`
WIDEST = 64
N_FEATURES = 64
LEAST_BLOCKS, SMALLEST = 3, 4  # convolutions; side of the last maps in pixels
BATCH, RATE = 128, 4e-3
EPOCHS, STEPS = 30, (200, 1600)  # passes over the images, within these numbers of steps
SHIFT = 14  # an image is moved by up to a 14th of its side
ROWS = 1000  # images seen at a time; bounds memory, changes nothing


class ImageClassifier(nn.Module):
    """``(B, C, H, W)`` in [0, 1] ``->`` features ``(B, 64)`` and scores of the classes ``(B, K)``.

    Blocks of a 3 x 3 convolution, batch normalisation, ReLU and, while a side is
    longer than 4 pixels, a maximum over 2 x 2; at least three of them. A dense
    layer gives the features; a second dense layer, with no activation between, gives the scores.
    """

    def __init__(self, shape: Sequence[int], n_classes: int):
        super().__init__()
        channels, height, width = shape
        side, sides = max(height, width), [(height, width)]
        first = 2 * WIDTH if side <= SMALL else WIDTH
        self.convolutions, self.norms, self.pooled = nn.ModuleList(), nn.ModuleList(), []
        while len(self.pooled) < LEAST_BLOCKS or side > SMALLEST:
            out = min(first * 2 ** len(self.pooled), WIDEST)
            self.convolutions.append(nn.Conv2d(channels, out, 3, padding=1, bias=False))
            self.norms.append(nn.BatchNorm2d(out))
            self.pooled.append(side > SMALLEST)
            if self.pooled[-1]:
                height, width = math.ceil(height / 2), math.ceil(width / 2)
                sides.append((height, width))
            channels, side = out, max(sides[-1])
        self.features = nn.Linear(channels * math.prod(sides[-1]), N_FEATURES, bias=False)
        self.feature_norm = nn.BatchNorm1d(N_FEATURES)
        self.scores = nn.Linear(N_FEATURES, n_classes)
        self.mean: Tensor
        self.sd: Tensor
        self.register_buffer("mean", torch.zeros(shape[0], 1, 1))
        self.register_buffer("sd", torch.ones(shape[0], 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = (x - self.mean) / self.sd
        for convolution, norm, pooled in zip(self.convolutions, self.norms, self.pooled):
            x = norm(convolution(x)).relu()
            x = max_pool2d(x, 2, ceil_mode=True) if pooled else x
        features = self.feature_norm(self.features(x.flatten(1))).relu()
        return features, self.scores(features)


@dataclass(frozen=True)
class Classifier:
    """A trained `ImageClassifier` and the classes that it predicts."""

    network: ImageClassifier
    classes: tuple[str, ...]  # in the order of the scores
    shape: tuple[int, ...]  # of an image, (C, H, W)
    of: str = keys.CELL_TYPE  # the obs column of the classes


def fit(images: AnnData, *, of: str = keys.CELL_TYPE, seed: int = 0) -> Classifier:
    """Learn the classes of images: about a minute on one core for MNIST, less for fewer or smaller images.

    Adam on the cross-entropy, minibatches of 128 without replacement, each image
    moved by up to a 14th of its side (its border repeated); the rate rises to 0.004
    over a tenth of the steps and falls along a cosine to 0. Images without a class
    (``keys.UNLABELLED``) are passed over. The same images and seed give the same weights.

    Parameters
    ----------
    images
        ``X`` ``(n, C*H*W)`` in [0, 1] and ``uns["image"]["shape"]``.
    of
        The obs column that names the class of each image.
    seed
        Of the first weights, the order of images and their moves.

    Raises
    ------
    InputError
        Fewer than two classes.
    """
    shape = tuple(int(n) for n in images.uns[keys.IMAGE]["shape"])
    words = images.obs[of].astype(str)
    classes = classes_of(words)
    if len(classes) < 2:
        raise InputError(f"a classifier needs images of two classes, not {len(classes)}; name them in obs['{of}']")
    known = words.isin(classes).to_numpy()
    x = torch.from_numpy(np.asarray(images.X, dtype=np.float32)[known]).reshape(-1, *shape)
    labels = torch.from_numpy(np.searchsorted(classes, words[known].to_numpy().astype(str)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ImageClassifier(shape, len(classes))
    network.mean.copy_(x.mean((0, 2, 3))[:, None, None])
    network.sd.copy_(x.std((0, 2, 3), correction=0)[:, None, None].clamp_min(1e-3))
    _train(network, x, labels, torch.Generator().manual_seed(seed))
    return Classifier(network.eval().requires_grad_(False), tuple(classes), shape, of)


def classes_of(words: Iterable[str]) -> list[str]:
    """The named classes, sorted."""
    return sorted({word for word in map(str, words) if word.lower() not in keys.UNLABELLED})


def _train(network: ImageClassifier, x: Tensor, labels: Tensor, random: torch.Generator) -> None:
    size = min(BATCH, len(x))
    steps = min(max(EPOCHS * len(x) // size, STEPS[0]), STEPS[1])
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    network.train()
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(x), generator=random)
        rows, order = order[:size], order[size:]
        loss = cross_entropy(network(_moved(x[rows], random))[1], labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _moved(x: Tensor, random: torch.Generator) -> Tensor:
    """Shift each image in a random direction by whole pixels, and repeat its border."""
    height, width = x.shape[2:]
    most = max(1, max(height, width) // SHIFT)
    wide = pad(x, (most,) * 4, mode="replicate")
    down, right = torch.randint(2 * most + 1, (2, len(x), 1), generator=random)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    return wide[torch.arange(len(x))[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def save(path: str | Path, classifier: Classifier) -> None:
    """Write the weights, without code, to a safetensors file."""
    about = {"classifier": {"classes": classifier.classes, "shape": classifier.shape, "of": classifier.of}}
    checkpoint.save(path, about, {"network": classifier.network.state_dict()})


def load(path: str | Path) -> Classifier:
    """The classifier that `save` wrote; `InputError` if it did not."""
    about, tensors = checkpoint.load(path, kind="classifier")
    with checkpoint.described_by(path):
        classes, shape = tuple(about["classifier"]["classes"]), tuple(about["classifier"]["shape"])
        network = ImageClassifier(shape, len(classes))
        network.load_state_dict(tensors["network"])
    return Classifier(network.eval().requires_grad_(False), classes, shape, about["classifier"]["of"])


def digest(classifier: Classifier) -> str:
    """SHA-256 of the classes and of all weights, name by name."""
    sha = hashlib.sha256(repr((classifier.classes, classifier.shape)).encode())
    for name, value in sorted(classifier.network.state_dict().items()):
        sha.update(name.encode() + value.contiguous().numpy().tobytes())
    return sha.hexdigest()


def predict(classifier: Classifier, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and probabilities of the classes, ``(n, C*H*W)`` in [0, 1] ``-> (n, 64), (n, K)``.

    Pixels outside [0, 1] are taken as its ends; an image with a nan is nan throughout.
    """
    features = np.full((len(pixels), N_FEATURES), np.nan, np.float32)
    probabilities = np.full((len(pixels), len(classifier.classes)), np.nan, np.float32)
    whole = np.flatnonzero(np.isfinite(pixels).all(axis=1))
    for start in range(0, len(whole), ROWS):
        rows = whole[start : start + ROWS]
        x = torch.from_numpy(np.asarray(pixels[rows], dtype=np.float32).clip(0, 1))
        seen, scores = classifier.network(x.reshape(-1, *classifier.shape))
        features[rows], probabilities[rows] = seen.numpy(), scores.softmax(1).numpy()
    return features, probabilities


def annotate(classifier: Classifier, images: AnnData) -> AnnData:
    """Add the classifier's features and probabilities of ``X`` and of every layer that holds a map or the truth.

    ``X`` gives ``obsm["features"]`` and ``obsm["probabilities"]``, a layer gives
    ``obsm["features_<layer>"]`` and ``obsm["probabilities_<layer>"]``.
    ``uns["classifier"]`` holds the classes, their obs column and the digest of the
    weights. Pixels are shared with ``images``, not copied.
    """
    layers = {name: images.layers[name] for name in images.layers if name}  # anndata 0.13 lists X as None
    obsm = dict(images.obsm)
    for name, values in {"": images.X, **{name: layers[name] for name in layers if _is_seen(name)}}.items():
        end = f"_{name}" if name else ""
        obsm[keys.FEATURES + end], obsm[keys.PROBABILITIES + end] = predict(classifier, np.asarray(values))
    about = {"classes": list(classifier.classes), "of": classifier.of, "sha256": digest(classifier)}
    uns = {**images.uns, keys.CLASSIFIER: about}
    return AnnData(images.X, obs=images.obs, var=images.var, uns=uns, layers=layers, obsm=obsm)


def _is_seen(layer: str) -> bool:
    return layer.startswith(f"{keys.SEED}_") or layer in (keys.TRUTH, keys.CONSENSUS, keys.BASELINE)
