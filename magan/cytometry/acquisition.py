"""Trouble of an acquisition as a flag on its events: clogs and surges of the flow, shifts and drifts of intensities.

The three questions are those of flowAI (Monaco et al., Bioinformatics 2016) and PeacoQC (Emmaneel et al., Cytometry A
2022): is the flow even, do stretches of events differ from the rest, do values change all along? Events are only
flagged, never left out.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from magan.cytometry.marker_names import TIME, role

FLOW, SHIFT, DRIFT = 1, 2, 4  # bits of a flag
STRETCH, MOST, FEWEST = 200, 100, 10  # fewest events of a stretch, most and fewest stretches
EFFECT = 0.5  # smallest difference that counts, in standard deviations within a stretch
RISK = 0.001  # of a false flag in a file, for each of the three questions
SLOW, USUAL = 4.0, 30  # a flow so many times slower or faster; fewest events of the usual slice of time
UNORDERED = 0.1  # share of events before whose clock goes back, from which a file is not in the order of acquisition


class Acquisition(NamedTuple):
    """``flags`` ``(n,)`` uint8: the sum of FLOW, SHIFT and DRIFT for each event; a sentence for each trouble."""

    flags: np.ndarray
    sentences: tuple[str, ...]


def acquisition(values: np.ndarray, markers: Sequence[str], time: np.ndarray | None) -> Acquisition:
    """What is unlike the rest of the acquisition.

    Parameters
    ----------
    values
        ``(n, M)`` in the units of the comparison, such as arcsinh units; events in the order of the file.
    markers
        Names of the M columns.
    time
        ``(n,)``, in any unit; None where the file has no clock. Then its events may be in any order, and have no flag.

    Notes
    -----
    Stretches are of equal numbers of events, at least 200. The mean of a stretch has the standard error
    ``s / sqrt(events)``, with s the standard deviation within stretches. A marker drifts if the rank correlation of
    mean and order, and a change of at least s / 2 along the median of slopes (Theil-Sen), cannot be chance. A stretch
    shifts if its mean differs from the median stretch, less the drift, by s / 2 and more than chance. The flow is slow
    or fast in slices of equal time with less than a quarter, or more than four times, of the events of the median
    slice. A file of few events, or one that is not in the order of its clock, has no flags of these kinds.
    """
    if time is None:
        return Acquisition(np.zeros(len(values), np.uint8), ())
    return acquisition_in_parts([(values, time)], len(values), markers)


def acquisition_in_parts(parts: Iterable[tuple[np.ndarray, np.ndarray]], n: int, markers: Sequence[str]) -> Acquisition:
    """`acquisition` of ``n`` events, of which values ``(k, M)`` and times ``(k,)`` come in parts."""
    n_stretches = min(MOST, n // STRETCH)
    is_long = n_stretches >= FEWEST and len(markers) > 0
    sums, squares = (np.zeros((n_stretches, len(markers))) for _ in range(2))
    clocks, first = [], 0
    for values, times in parts:
        stop = first + len(times)
        clocks.append(times)
        if is_long:
            which = np.arange(first, stop) * n_stretches // n
            found, starts = np.unique(which, return_index=True)
            x = values.astype(np.float64)
            sums[found] += np.add.reduceat(x, starts)
            squares[found] += np.add.reduceat(x**2, starts)
        first = stop
    flags, sentences, time = np.zeros(n, np.uint8), [], np.concatenate(clocks)
    if not np.isfinite(time).all():
        return Acquisition(flags, ())
    uneven, sentence = _flow(time)
    flags[uneven] |= FLOW
    sentences += [sentence] if sentence else []
    in_order = np.count_nonzero(np.diff(time) < 0) < UNORDERED * n
    if in_order and is_long:
        which = np.arange(n) * n_stretches // n
        size = np.bincount(which, minlength=n_stretches)[:, None]
        for bit, stretches, sentence in _intensities(sums / size, squares / size, size, markers):
            flags[stretches[which]] |= bit
            sentences.append(sentence)
    return Acquisition(flags, tuple(sentences))


def troubles(table: pd.DataFrame) -> list[str]:
    """A sentence for each file with trouble, from a table of path, events, flagged and trouble."""
    return [
        f"{row.path} was not acquired evenly: {row.trouble}; {row.flagged:,} of its events are flagged, and all stay."
        for row in table[table["trouble"] != ""].itertuples()
    ]


def clock(channels: Sequence[str], markers: Sequence[str]) -> int | None:
    """The column that holds the time of acquisition; None where there is none."""
    found = [i for i, (channel, marker) in enumerate(zip(channels, markers)) if role(channel, marker)[1] == TIME]
    named = [i for i in found if channels[i].strip().lower() in ("time", "hdr-t")]
    return next(iter([*named, *found]), None)


def _flow(time: np.ndarray) -> tuple[np.ndarray, str]:
    """Events in slices of time with an uneven flow, ``(n,)`` booleans, and a sentence."""
    n_slices = min(MOST, len(time) // USUAL)
    first, last = float(time.min()), float(time.max())
    if n_slices < FEWEST or not last > first:
        return np.zeros(len(time), bool), ""
    which = np.minimum(((time - first) / (last - first) * n_slices).astype(int), n_slices - 1)
    counts = np.bincount(which, minlength=n_slices)
    usual = float(np.median(counts))
    slow, fast = counts < usual / SLOW, counts > usual * SLOW
    if usual < USUAL or not (slow | fast).any():
        return np.zeros(len(time), bool), ""
    words = [
        f"{word} in {part.mean():.0%} of the time" for word, part in (("slow", slow), ("fast", fast)) if part.any()
    ]
    return (slow | fast)[which], f"the flow is {' and '.join(words)} (a clog, a bubble or a pause)"


def _intensities(
    means: np.ndarray, squares: np.ndarray, size: np.ndarray, markers: Sequence[str]
) -> list[tuple[int, np.ndarray, str]]:
    """Bit, stretches ``(B,)`` booleans and sentence of drifts and of shifts.

    ``means`` and ``squares`` are the means of values and of their squares in each stretch ``(B, M)``, ``size`` its
    number of events ``(B, 1)``.
    """
    n_stretches = len(means)
    spread = np.sqrt(np.mean(squares - means**2, axis=0).clip(0))
    varies = spread > 0
    means, spread = means[:, varies] / spread[varies], spread[varies]
    names = [marker for marker, it in zip(markers, varies) if it]
    if not names:
        return []
    place, found = np.arange(n_stretches) / (n_stretches - 1), []
    lines = np.zeros_like(means)
    for i in range(len(names)):
        if stats.spearmanr(place, means[:, i]).pvalue < RISK / len(names):
            slope = float(np.asarray(stats.theilslopes(means[:, i], place)[0]))
            lines[:, i] = slope * (place - 0.5) * (abs(slope) > EFFECT)
    drifts = lines.any(axis=0)
    if drifts.any():
        changes = np.ptp(lines, axis=0)
        away = (np.abs(lines) > EFFECT / 2).any(axis=1)
        found.append((DRIFT, away, f"{_worst(names, changes, drifts)} from start to end"))
    rest = means - lines
    off = rest - np.median(rest, axis=0)
    critical = stats.norm.isf(RISK / 2 / off.size) / np.sqrt(size)
    shifted = (np.abs(off) > np.maximum(critical, EFFECT)) & (np.abs(off) > EFFECT)
    if shifted.any():
        stretches, of = shifted.any(axis=1), shifted.any(axis=0)
        sentence = f"{_worst(names, np.abs(off).max(axis=0), of)} in {stretches.mean():.0%} of the events"
        found.append((SHIFT, stretches, sentence))
    return found


def _worst(names: Sequence[str], size: np.ndarray, chosen: np.ndarray) -> str:
    """ "CD3 and 2 more markers change by up to 1.3 standard deviations" """
    order = [i for i in np.argsort(-size, kind="stable") if chosen[i]]
    more = f" and {len(order) - 1} more marker{'s' * (len(order) > 2)}" if len(order) > 1 else ""
    change = "changes" if len(order) == 1 else "change"
    return f"{names[order[0]]}{more} {change} by up to {size[order[0]]:.1f} standard deviations"
