"""Correspondences by name: build a loss from marker names, labels or known pairs.

A builder ``(x1, x2, seeds, **options)`` gets one domain pair per replicate and
returns the loss for a recipe, and the tables of pairs and labels that the loss reads.
``x1[r]`` and ``x2[r]`` belong to replicate r; all replicates share one layout
of columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from magan import keys, recipe
from magan.domains.domain import Domain
from magan.domains.minibatches import Table
from magan.errors import InputError, among
from magan.losses import correspondence as losses
from magan.losses import pictures
from magan.losses.reconstruction import squared_error
from magan.option_types import Count, FeatureName, Weight

Domains = Sequence[Domain]


@dataclass(frozen=True)
class CorrespondenceTerms:
    """The loss on both maps, None where no property is constrained, and the tables it reads."""

    loss: recipe.CorrespondenceLoss | None = None
    tables: tuple[Table, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)  # label -> its number in the sampler's "label1", "label2"


def none(x1: Domains, x2: Domains, seeds: Sequence[int]) -> CorrespondenceTerms:
    """No correspondence: only the game and the cycle, the control for MAGAN."""
    return CorrespondenceTerms()


def shared_markers(
    x1: Domains,
    x2: Domains,
    seeds: Sequence[int],
    *,
    without: Sequence[str] = (),
    shuffled: bool = False,
    summed: bool = False,
    rebuild: Weight = 0.0,
) -> CorrespondenceTerms:
    """Shared markers must not change, by squared error (Amodio & Krishnaswamy 2018).

    The mean over the K shared markers or, if ``summed``, their sum.

    Parameters
    ----------
    x1, x2, seeds
        Domains and seed of each replicate.
    without
        Shared markers left free.
    shuffled
        Tie each marker to the column of the next marker, a control that must do worse.
    summed
        Sum over the shared markers, as the authors' code does, K times the mean.
    rebuild
        Weight of a second use of the shared markers, not in the paper: each
        generator must also rebuild a cell of its target panel from that cell's
        shared markers alone, by squared error. A generator that must fool a
        discriminator draws a sample; this term also teaches it the mean.
    """
    loss = losses.shared_markers_summed if summed else losses.shared_markers
    return CorrespondenceTerms(_on_columns(loss, x1, x2, without, shuffled, rebuild))


def correlation(
    x1: Domains,
    x2: Domains,
    seeds: Sequence[int],
    *,
    without: Sequence[str] = (),
    shuffled: bool = False,
    rebuild: Weight = 0.0,
) -> CorrespondenceTerms:
    """Shared markers must stay correlated with themselves; offset and scale are free.

    The MAGAN lecture describes this loss; the authors' code does not contain it. Options as for `shared_markers`;
    always the mean.
    """
    return CorrespondenceTerms(_on_columns(losses.correlation, x1, x2, without, shuffled, rebuild))


def pairs(
    x1: Domains,
    x2: Domains,
    seeds: Sequence[int],
    *,
    per_label: Count | None = None,
    shuffled: bool = False,
    landmarks: Weight = 0.0,
) -> CorrespondenceTerms:
    """A few samples known in both domains must map onto their partners, by squared error.

    Samples of the two domains with the same word in ``obs["pair"]`` are a pair.
    With ``per_label``, each seed trains on this number of pairs of every label, drawn by
    the seed, so that the spread over seeds includes the luck of the draw.
    ``shuffled`` ties each sample to the next pair's, a control that must do worse.

    A network can memorise single pairs and map their neighbours arbitrarily.
    ``landmarks`` weights a second use of the pairs, not in the papers: a sample
    must be mapped near the partners of its near known samples and far from the
    partners of its far known samples, see `magan.losses.correspondence.landmarks`.

    Raises
    ------
    InputError
        There is no pair, a label has fewer than ``per_label``, or folds have different numbers of them.
    """
    blocks_1, blocks_2, rows, start = [], [], [], 0
    for a, b, seed in zip(x1, x2, seeds):
        rows_1, rows_2 = _known_pairs(a, b)
        if per_label is not None:
            drawn = _draw(a, rows_1, per_label, seed)
            rows_1, rows_2 = rows_1[drawn], rows_2[drawn]
        rows_2 = np.roll(rows_2, 1) if shuffled else rows_2
        blocks_1.append(a.values[rows_1])
        blocks_2.append(b.values[rows_2])
        rows.append(torch.arange(start, start + len(rows_1)))
        start += len(rows_1)
    numbers = sorted({len(pair_rows) for pair_rows in rows})
    if len(numbers) > 1:
        raise InputError(f"folds have different numbers of known pairs, {numbers}; give correspondence.per_label")
    table = Table({"pair1": torch.cat(blocks_1), "pair2": torch.cat(blocks_2)}, tuple(rows))

    def loss(G12, G21, batch):
        p1, p2 = batch["pair1"], batch["pair2"]
        total = squared_error(G12(p1), p2) + squared_error(G21(p2), p1)
        if landmarks:
            drawn = losses.landmarks(batch["x1"], p1, batch["x12"], p2) + losses.landmarks(
                batch["x2"], p2, batch["x21"], p1
            )
            total = total + landmarks * drawn
        return total

    return CorrespondenceTerms(loss, (table,))


def labels(x1: Domains, x2: Domains, seeds: Sequence[int]) -> CorrespondenceTerms:
    """Each known label's mean must map onto the mean of the same label.

    Labels are ``obs["cell_type"]``. A label of a single domain, and words that name
    no label (``keys.UNLABELLED``), are ignored.

    Raises
    ------
    InputError
        A domain has no labels, or the two domains share no label.
    """
    for domain in (*x1, *x2):
        if domain.labels is None:
            raise InputError(f"domain '{domain.name}' has no obs['cell_type']; give labels or another correspondence")
    common = set()  # to any pair of domains: a fold must not lose a label because its neighbour lacks it
    for a, b in zip(x1, x2):
        known = {word for word in {*(a.labels or ())} & {*(b.labels or ())} if word.lower() not in keys.UNLABELLED}
        if not known:
            raise InputError(f"domains '{a.name}' and '{b.name}' share no label; use another correspondence")
        common |= known
    numbers = {label: i for i, label in enumerate(sorted(common))}

    def loss(G12, G21, batch):
        l1, l2, n = batch["label1"], batch["label2"], len(numbers)
        return losses.class_means(batch["x12"], l1, batch["x2"], l2, n) + losses.class_means(
            batch["x21"], l2, batch["x1"], l1, n
        )

    return CorrespondenceTerms(loss, labels=numbers)


def transformation(
    x1: Domains,
    x2: Domains,
    seeds: Sequence[int],
    *,
    degrees: float = 0.0,
    mirrored: bool = False,
    size: Count | None = None,
) -> CorrespondenceTerms:
    """An image must map onto what a known transformation makes of it, by squared error, and back.

    Parameters
    ----------
    x1, x2, seeds
        Domains and seed of each replicate.
    degrees, mirrored
        Domain 2 is domain 1 turned counter-clockwise, and before that mirrored left to right.
    size
        Compare means over ``size`` x ``size`` fields; None compares pixel by pixel.

    Raises
    ------
    InputError
        A domain is not of images, or the two domains differ in their numbers of channels.
    """
    _pictures(x1, x2, "transformation")

    def loss(G12, G21, batch):
        there, back = (
            pictures.turned(batch["x1"], degrees, mirrored),
            pictures.turned_back(batch["x2"], degrees, mirrored),
        )
        ties = ((batch["x12"], there), (batch["x21"], back))
        first, second = (squared_error(*(pictures.thumbnail(x, size) for x in tie)) for tie in ties)
        return first + second

    return CorrespondenceTerms(loss)


def feature(
    x1: Domains, x2: Domains, seeds: Sequence[int], *, feature: FeatureName = "thumbnail", size: Count = 4
) -> CorrespondenceTerms:
    """A feature of an image, a key of `magan.losses.pictures.FEATURES`, must not change, by squared error.

    "thumbnail" is the image as ``size`` x ``size`` means, "lightness" the thumbnail without colour, "colour" the mean
    of each channel.

    Raises
    ------
    InputError
        The feature is unknown, a domain is not of images, or the two domains differ in their numbers of channels.
    """
    if feature not in pictures.FEATURES:
        raise InputError(f"correspondence.feature: '{feature}' is unknown{among(feature, pictures.FEATURES)}")
    of = pictures.FEATURES[feature]
    _pictures(x1, x2, "feature", same_channels=feature != "lightness")

    def loss(G12, G21, batch):
        ties = ((batch["x1"], batch["x12"]), (batch["x2"], batch["x21"]))
        first, second = (squared_error(*(of(x, size) for x in tie)) for tie in ties)
        return first + second

    return CorrespondenceTerms(loss)


def shared(x1: Domain, x2: Domain, without: Sequence[str] = ()) -> list[str]:
    """Markers of both domains, in the order of the first.

    Raises
    ------
    InputError
        No marker is shared, or ``without`` names a marker that is not shared.
    """
    markers = [m for m in x1.features if m in x2.features]
    for m in without:
        if m not in markers:
            raise InputError(f"correspondence.without: '{m}' is not a marker of both domains{among(m, markers)}")
    markers = [m for m in markers if m not in without]
    if not markers:
        raise InputError(
            f"domains '{x1.name}' and '{x2.name}' share no marker; name them alike in the panel table, "
            "or use the correspondence pairs, labels or none"
        )
    return markers


def _on_columns(
    loss: Callable[[Tensor, Tensor], Tensor],
    x1: Domains,
    x2: Domains,
    without: Sequence[str],
    shuffled: bool,
    rebuild: float,
) -> recipe.CorrespondenceLoss:
    columns_1, columns_2 = [], []
    for a, b in zip(x1, x2):
        markers = shared(a, b, without)
        columns_1.append([a.features.index(m) for m in markers])
        partners = markers[1:] + markers[:1] if shuffled else markers
        columns_2.append([b.features.index(m) for m in partners])
    device = x1[0].values.device
    index_1, index_2 = torch.tensor(columns_1, device=device), torch.tensor(columns_2, device=device)  # (R, K)

    def column_loss(G12, G21, batch):
        x1, x2, x12, x21 = (batch[name] for name in ("x1", "x2", "x12", "x21"))
        total = loss(_take(x1, index_1), _take(x12, index_2)) + loss(_take(x2, index_2), _take(x21, index_1))
        if rebuild:
            seen_1 = _put(_take(x2, index_2), index_1, x1)  # cells of domain 2 by the markers of panel 1
            seen_2 = _put(_take(x1, index_1), index_2, x2)
            total = total + rebuild * (squared_error(G12(seen_1), x2) + squared_error(G21(seen_2), x1))
        return total

    return column_loss


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Select different columns in each replicate: ``(R, B, M), (R, K) -> (R, B, K)``."""
    return x.gather(2, index[:, None, :].expand(-1, x.shape[1], -1))


def _put(x: Tensor, index: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_take`: put columns in place and fill with 0, the mean of a standardised marker."""
    blank = like.new_zeros(*x.shape[:2], like.shape[2])
    return blank.scatter(2, index[:, None, :].expand(-1, x.shape[1], -1), x)


def _pictures(x1: Domains, x2: Domains, name: str, same_channels: bool = True) -> None:
    for domain in (*x1, *x2):
        if len(domain.shape) != 3:
            raise InputError(
                f"domain '{domain.name}' is not of images, which '{name}' compares; use another correspondence"
            )
    for a, b in zip(x1, x2):
        if same_channels and a.shape[0] != b.shape[0]:
            raise InputError(
                f"domains '{a.name}' and '{b.name}' have {a.shape[0]} and {b.shape[0]} channels; read them alike, "
                "or use the correspondence feature: lightness"
            )


def _known_pairs(x1: Domain, x2: Domain) -> tuple[np.ndarray, np.ndarray]:
    of_1 = {word: i for i, word in enumerate(x1.pairs or ()) if word not in ("", "nan")}
    of_2 = {word: i for i, word in enumerate(x2.pairs or ())}
    known = [(i, of_2[word]) for word, i in of_1.items() if word in of_2]
    if not known:
        raise InputError(
            f"domains '{x1.name}' and '{x2.name}' have no known pair; give rows of both the same word in obs['pair']"
        )
    rows_1, rows_2 = np.array(known).T
    return rows_1, rows_2


def _draw(x1: Domain, rows: np.ndarray, per_label: int, seed: int) -> np.ndarray:
    """Positions in ``rows`` of ``per_label`` pairs of each label."""
    if x1.labels is None:
        raise InputError(f"domain '{x1.name}' has no obs['cell_type'], which pairs.per_label counts by; leave it out")
    words = np.array(x1.labels)[rows]
    random, chosen = np.random.default_rng(seed), []
    for label in np.unique(words):
        of_label = np.flatnonzero(words == label)
        if len(of_label) < per_label:
            raise InputError(
                f"domain '{x1.name}': label {label} has {len(of_label)} known pairs, not {per_label}; "
                "lower correspondence.per_label"
            )
        chosen.append(np.sort(random.choice(of_label, per_label, replace=False)))
    return np.concatenate(chosen)
