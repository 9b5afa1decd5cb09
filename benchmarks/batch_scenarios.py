"""Batches where the right answer is known: is the answer of ``method: auto`` right? A part for each question."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from batch_cells import Pair, cells, drawn, labels, of, pair, samples, shifted, values, without
from batch_daily import corrected, figures, series

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.batch_maps import MAPS
from magan.batch_maps.choose import choose
from magan.batch_maps.samples import sample_test
from magan.metrics import batch_distance
from magan.metrics.donor_effects import donor_effects
from magan.metrics.group_effects import confounded
from magan.tasks.batch_correction import safety_gate

SEEDS = 20  # of the negative controls
SPLITS = 3  # divisions into training and held-out cells of a depleted population, and seeds of a planted effect
SMALL = 10  # seeds of each number of cells
SIMPLE = ("identity", "zscore", "quantile")
USEFUL = ("safe", "safe but")


class Row(NamedTuple):
    """The outcome of a scenario."""

    scenario: str
    demand: str
    found: str
    right: bool


def auto(sample: Pair) -> tuple[str, np.ndarray]:
    """The name of the chosen map, and the held-out cells mapped by it."""
    choice = choose(values(sample.x1), values(sample.x2))
    return choice.name, MAPS[choice.name].apply(choice.state, values(sample.query))


def simple(name: str, sample: Pair) -> np.ndarray:
    """The held-out cells mapped by a map that is named."""
    state = MAPS[name].fit(values(sample.x1), values(sample.x2))
    return MAPS[name].apply(state, values(sample.query))


def word(sample: Pair, mapped: np.ndarray, confounding: str = "") -> str:
    """The verdict on the mapped cells, as rule `judge` gives it."""
    if np.array_equal(mapped, values(sample.query)):
        return "not needed"
    parts = [sample.query.copy(), sample.target.copy()]
    for part, batch in zip(parts, ("1", "2")):
        part.obs = pd.DataFrame(
            {keys.BATCH: batch, keys.CELL_TYPE: labels(part)}, index=[f"{batch}_{i}" for i in range(part.n_obs)]
        )
    both = np.concatenate([values(part) for part in parts])
    truth = AnnData(both, pd.concat([part.obs for part in parts]), layers={keys.PREPROCESSED: both})
    truth.var_names, truth.uns = sample.query.var_names, {keys.REFERENCE: "2"}
    after = truth[: parts[0].n_obs].copy()
    after.X, after.uns = mapped, {keys.ARM: "auto", keys.ERROR: ""}
    return safety_gate.verdict(safety_gate.gate(truth, after), safety_gate.transfer(truth, after), confounding).word


def within(mapped: np.ndarray, sample: Pair) -> float:
    """Mean EMD over markers and populations, in arcsinh units."""
    pairs = batch_distance.by_population(labels(sample.query), labels(sample.target))
    return float(np.mean([batch_distance.emd(mapped[None, i], values(sample.target)[j]).mean() for i, j in pairs]))


def transfer(mapped: np.ndarray, names: np.ndarray, sample: Pair) -> float:
    target = values(sample.target), labels(sample.target)
    return float(batch_distance.label_transfer(mapped[None], names, *target)[0])


def listed(words: list[str]) -> str:
    """Words with their numbers, "safe 2, safe but 1"."""
    return ", ".join(f"{name} {words.count(name)}" for name in dict.fromkeys(words))


def verdicts(mirror: Path) -> Iterator[Row]:
    blood = cells("shaham_p1", mirror)
    days = pair("", of(blood, batch="day1"), of(blood, batch="day2"))
    _, mapped = auto(days)
    found = word(days, mapped)
    yield Row("two days of a person", "safe, or safe but", found, found in USEFUL)
    few = Pair("", days.x1, days.x2, days.query[:150].copy(), days.target)
    found = word(few, mapped[:150])
    yield Row("the same, 150 held-out cells", "too few cells", found, found == "too few cells")
    torn = mapped.copy()
    torn[:, :12] = np.random.default_rng(0).permutation(torn[:, :12])
    found = word(days, torn)
    yield Row("half of the markers shuffled among cells", "do not use", found, found == "do not use")


def halves(mirror: Path) -> Iterator[Row]:
    """Two halves of one sample or batch, whose difference is chance."""
    blood, controls = cells("shaham_p1", mirror), cells("cytonorm", mirror)
    wholes = {
        "HuImm": drawn(cells("huimm", mirror), 6000, 0),
        "a day of a person": of(blood, batch="day2"),
        "a control": of(controls, batch="PTLG021", sample="control_1"),
    }
    for name, whole in wholes.items():
        changes = []
        for seed in range(SEEDS):
            some = drawn(whole, min(whole.n_obs, 1600), seed)
            half = some.n_obs // 2
            sample = pair("", some[:half].copy(), some[half:].copy(), seed)
            _, mapped = auto(sample)
            changes.append(np.abs(mapped - values(sample.query)).mean())
        yield _alone(f"two halves of {name}, {half} cells each", changes)


def donors(mirror: Path) -> Iterator[Row]:
    """Donors of one run dealt to two batches. Cells are mapped only where the test of samples finds a difference."""
    whole = cells("krieg_panel3", mirror)
    for batch in ("Data29", "Data23"):
        run = of(whole, batch=batch)
        names, x = samples(run), values(run)
        large = np.array([name for name in np.unique(names) if (names == name).sum() >= 300])
        changes = []
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(large)
            sides = [np.isin(names, part) for part in (order[: len(large) // 2], order[len(large) // 2 :])]
            first, second = (x[s] for s in sides)
            of_first, of_second = (names[s] for s in sides)
            test = sample_test(first, second, of_first, of_second, seed=seed)
            change = 0.0
            if test is None or test.differs:
                choice = choose(first, second, samples_1=of_first, samples_2=of_second, seed=seed)
                change = float(np.abs(MAPS[choice.name].apply(choice.state, first) - first).mean())
            changes.append(change)
        yield _alone(f"{len(large)} donors of one run ({batch}) dealt to two batches", changes)


def _alone(name: str, changes: list[float]) -> Row:
    n = int((np.array(changes) == 0).sum())
    found = f"{n} of {SEEDS} not needed; change {np.median(changes):.3f}, largest {max(changes):.3f}"
    return Row(name, "not needed, median change below .02", found, n >= SEEDS - 1 and bool(np.median(changes) < 0.02))


def depleted(mirror: Path) -> Iterator[Row]:
    """A population nearly absent from a side. A perfect map is known to score what the reference scores on itself."""
    blood, controls = cells("shaham_p1", mirror), cells("cytonorm", mirror)
    sides = {
        "CD8 of the two days": (of(blood, batch="day1"), of(blood, batch="day2"), "CD8"),
        "neutrophils of the controls": (of(controls, batch="PTLG028"), of(controls, batch="PTLG021"), "neutrophil"),
    }
    for name, (first, second, population) in sides.items():
        for side in ("batch", "reference"):
            scores, chosen, words = [], [], []
            for seed in range(SPLITS):
                lacks = (without(first, population, seed), second)
                lacks = lacks if side == "batch" else (first, without(second, population, seed))
                sample = pair(name, *lacks, seed)
                method, mapped = auto(sample)
                chosen.append(method)
                words.append(word(sample, mapped))
                names, q = labels(sample.query), values(sample.query)
                rights = [transfer(m, names, sample) for m in (mapped, q, simple("zscore", sample))]
                itself = transfer(values(sample.x2), labels(sample.x2), sample)
                emds = [within(m, sample) for m in (mapped, simple("quantile", sample))]
                scores.append([*emds, *rights, itself])
            a, b, *right, itself = np.mean(scores, axis=0)
            opening = f"80 % of {name} left out of the {side}"
            found = f"{listed(chosen)}: {a:.3f} ({b:.3f})"
            yield Row(opening, "EMD within populations below the quantile map's", found, a < b)
            found = f"{right[0]:.3f} ({right[1]:.3f}); z-score {right[2]:.3f}, the reference on itself {itself:.3f}"
            yield Row(opening, "label transfer within .01 of identity's", found, right[0] > right[1] - 0.01)
            yield Row(opening, "safe, or safe but", listed(words), set(words) <= set(USEFUL))


def six(mirror: Path) -> Iterator[Row]:
    """Five made effects and the reference. The cells before the effect are known, and are what a perfect map gives."""
    whole = drawn(cells("huimm", mirror), 6000, 0)
    parts = [whole[1000 * k : 1000 * (k + 1)].copy() for k in range(6)]
    batches = [parts[0], *(shifted(part, seed, 0.2 * seed) for seed, part in enumerate(parts[1:], 1))]
    quantiles = np.stack([np.quantile(values(b), np.linspace(0.01, 0.99, 50), axis=0) for b in batches])
    median = int(np.argmin([np.abs(quantiles - q).mean() for q in quantiles]))
    rows, words = [], []
    for k in (k for k in range(6) if k != median):
        sample = pair("", batches[k], batches[median], 0)
        _, mapped = auto(sample)
        words.append(word(sample, mapped))
        # The reference has an effect too, so its halves and not the unchanged cells are the floor.
        floor = Pair("", sample.x1, sample.x2, sample.x2, sample.target)
        rows.append([*(within(m, sample) for m in (mapped, *(simple(s, sample) for s in SIMPLE)))])
        rows[-1].append(within(values(sample.x2), floor))
    after, before, zscore, quantile, itself = np.mean(rows, axis=0)
    found = f"{before:.3f} to {after:.3f}; z-score {zscore:.3f}, quantile {quantile:.3f}, the reference on itself "
    demand = "EMD within populations at most 1.02 times the best simple map's, more than half of what can go gone"
    right = after <= 1.02 * min(before, zscore, quantile) and after - itself < (before - itself) / 2
    yield Row("six batches to the median", demand, f"{found}{itself:.3f}", right)
    yield Row("six batches to the median", "safe, or safe but", listed(words), set(words) <= set(USEFUL))


def planted(mirror: Path) -> Iterator[Row]:
    """Donors in two batches with an effect in one dim marker, groups in equal and in unequal shares of the batches."""
    demand = "within 20 %, at most 5 % of nulls hit"
    for name, share in (("groups half in either batch", 0.5), ("groups three quarters in one batch", 0.75)):
        found = [_planted(mirror, share, seed) for seed in range(SPLITS)]
        effect, hit = np.mean([f[:2] for f in found], axis=0)
        answer = f"{listed([f[2] for f in found])}: {effect:.2f} of it, {hit:.1%} of nulls"
        yield Row(f"planted effect of .8 sd, {name}", demand, answer, abs(effect - 1) < 0.2 and hit <= 0.05)


def _planted(mirror: Path, share: float, seed: int) -> tuple[float, float, str]:
    """How much of the effect is found, the share of nulls hit, and the chosen map.

    Sixteen donors are made of HuImm's cells; in CD4 T cells of eight CD38 rises by .8 sd. ``share`` of the ill are in
    the second batch, and of the well in the first.
    """
    whole = drawn(cells("huimm", mirror), 8000, 1 + seed)
    random = np.random.default_rng(seed)
    donor = random.permutation(np.arange(whole.n_obs) % 16)
    ill = donor < 8
    second = np.where(ill, donor < 8 * share, donor >= 8 + 8 * share)
    x, kinds = values(whole).copy(), labels(whole)
    inside, marker = np.char.startswith(kinds, "CD4"), "CD38"
    column = list(whole.var_names).index(marker)
    x += random.normal(0, 0.05, (16, whole.n_vars))[donor]
    size = 0.8 * x[inside, column].std()
    x[inside & ill, column] += size
    x[second] += random.uniform(0.3, 0.7, whole.n_vars)
    choice = choose(x[second], x[~second], samples_1=donor[second], samples_2=donor[~second])
    after = x.copy()
    after[second] = MAPS[choice.name].apply(choice.state, x[second])
    kind = np.where(inside, "CD4 T", "rest")
    design = {"batch": second, "donor": donor, "group": np.where(ill, "ill", "well"), "cell_type": kind}
    positive = tuple(side > np.median(side, axis=0) for side in (x, after))
    table = donor_effects(pd.DataFrame(design).astype(str), (x, after), positive, list(whole.var_names))
    means = table[(table["measure"] == "mean") & (table["population"] != keys.ALL)]
    there = (means["population"] == "CD4 T") & (means["marker"] == marker)
    effect, hit = -means.loc[there, "effect_after"].iloc[0] / size, (means.loc[~there, "q_after"] < 0.05).mean()
    return float(effect), float(hit), choice.name


def confounding(mirror: Path) -> Iterator[Row]:
    """Groups that are never in the same batch."""
    blood = cells("shaham_p1", mirror)
    days = pair("", of(blood, batch="day1"), of(blood, batch="day2"))
    _, mapped = auto(days)
    found = word(days, mapped, confounded(["1", "1", "2", "2"], ["ill", "ill", "well", "well"]))
    yield Row("ill in one day and well in the other", "do not use", found, found == "do not use")
    found = word(days, mapped, confounded(["1", "1", "2", "2"], ["ill", "well", "ill", "well"]))
    yield Row("ill and well on both days", "safe, or safe but", found, found in USEFUL)
    whole = drawn(cells("huimm", mirror), 4000, 0)
    donor = np.arange(whole.n_obs) % 8
    design = {"batch": donor < 4, "donor": donor, "group": donor < 4, "cell_type": "all"}
    sides = values(whole), values(whole)
    positive = tuple(side > np.median(side, axis=0) for side in sides)
    table = donor_effects(pd.DataFrame(design).astype(str), sides, positive, list(whole.var_names))
    n = len(table)
    yield Row("differences between such groups of donors", "none is estimated", f"{n} estimated", not n)


def few(mirror: Path) -> Iterator[Row]:
    """Few training cells, with a made effect and without."""
    whole = cells("huimm", mirror)
    tiny = drawn(whole, 80, 0)
    mapper = BatchMapper().fit([tiny[:40].copy()], [tiny[40:].copy()])
    found = f"{mapper.methods_[0]}: {mapper.choices_[0].reason}"
    yield Row(
        "40 training cells of a batch", "left as measured, and said so", found, found.startswith("identity: Too few")
    )
    for n in (100, 200, 400):
        changes, scores, chosen = [], [], []
        for seed in range(SMALL):
            some = drawn(whole, 2 * (n + 1000), seed)
            half = some.n_obs // 2
            first, second = some[:half].copy(), some[half:].copy()
            sample = pair("", first, second, seed, n, 1000)
            _, mapped = auto(sample)
            changes.append(float(np.abs(mapped - values(sample.query)).mean()))
            sample = pair("", shifted(first, seed), second, seed, n, 1000)
            name, mapped = auto(sample)
            chosen.append(name)
            scores.append([within(m, sample) for m in (mapped, *(simple(s, sample) for s in SIMPLE))])
        alone = int((np.array(changes) == 0).sum())
        answer = f"{alone} of {SMALL}; median change {np.median(changes):.3f}"
        yield Row(f"{n} training cells, two halves", "not needed", answer, alone >= SMALL - 1)
        emd, before, zscore, quantile = np.mean(scores, axis=0)
        demand = "EMD within populations at most 1.02 times the best simple map's"
        answer = f"{listed(chosen)}: {emd:.3f}; as measured {before:.3f}, z-score {zscore:.3f}, quantile {quantile:.3f}"
        right = emd <= 1.02 * min(before, zscore, quantile)
        yield Row(f"{n} training cells, a made effect", demand, answer, right)


def daily(mirror: Path) -> Iterator[Row]:
    """Sixty made days without controls; the number of neighbours was chosen on seeds 0 to 2."""
    for donors in (1, 2):
        days = series(donors, seed=10)
        held, after, taken = corrected(days, "auto", neighbours=4)
        clean, before, now = (
            figures(held, np.asarray(x)) for x in (held.layers["clean"], held.layers[keys.PREPROCESSED], after)
        )
        alone = figures(held, corrected(days, "monotone", neighbours=0)[1])
        answer = (
            f"{', '.join(f'{name} {n}' for name, n in taken.most_common())}: drift {before[0]:.3f} to {now[0]:.3f}, "
            f"effect {before[1]:.2f} to {now[1]:.2f}, without drift {clean[1]:.2f} "
            f"(monotone maps of a day alone: {alone[0]:.3f}, {alone[1]:.2f})"
        )
        right = now[0] < before[0] / 2 and abs(now[1] / clean[1] - 1) < 0.2
        noun = "donor" if donors == 1 else "donors"
        yield Row(f"60 days of {donors} {noun}, neighbours: 4", "drift halved, effect within 20 %", answer, right)


def timing(mirror: Path) -> Iterator[Row]:
    random = np.random.default_rng(0)
    centres = random.choice([0.0, 2.0, 4.0], (12, 30), p=[0.5, 0.3, 0.2])
    x = np.maximum(centres[random.choice(12, 40_000)] + random.normal(0, 0.6, (40_000, 30)), 0)
    start = time.process_time()
    choose(1.1 * x[:20_000] + 0.2, x[20_000:])
    spent = time.process_time() - start
    name = "20,000 cells of 30 markers a batch, with cross-fitting"
    yield Row(name, "below 60 s of a core", f"{spent:.0f} s", spent < 60)


SCENARIOS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "verdicts": verdicts,
    "confounded": confounding,
    "depleted": depleted,
    "halves": halves,
    "donors": donors,
    "few": few,
    "planted": planted,
    "six": six,
    "daily": daily,
    "timing": timing,
}
