"""Sentences on the results of image studies: quality, missing classes, and the accuracy of the classifier."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from magan import keys
from magan.report.phrasing import interval, number, trained
from magan.tasks.registry import TASKS

SURE = 0.99  # least accuracy of the classifier on real images
DROPPED = 0.1  # ratio of generated to real share below which a class counts as dropped
PLAIN = "ns_gan"  # the non-saturating game, the reference of the improved games
TOLD = 6  # most arms that the ranking names


def judge(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """The accuracy of the classifier on real images, with a caution where it is low."""
    known = _whole(rows[rows["arm"] == keys.FLOOR], "classifier_accuracy")
    if known.empty:
        return ""
    right = float(known["mean"].iloc[0])
    caution = "" if right >= SURE else f", less than {number(SURE)}: what it says of maps is no surer than that"
    return (
        f"The classifier that judges is right about {number(right)} of real images that it did not learn from{caution}."
    )


def renamed(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """The identity accuracy after the best renaming of classes, where it is higher."""
    scores = {score: _whole(rows[rows["arm"] == arm], score) for score in ("identity_accuracy", "permuted_accuracy")}
    if any(found.empty for found in scores.values()):
        return ""
    identity, best = (scores[score].iloc[0] for score in scores)
    if best["mean"] - identity["mean"] < 0.01:
        return ""
    return f"Up to a renaming of the classes the share kept is {number(best['mean'])}{interval(best)}."


def partners(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """How often the true partner is the nearest image, by each distance, and the distance to it."""
    of_arm = rows[rows["arm"] == arm]
    by = {
        "pixels": "retrieved",
        "SSIM": "retrieved_ssim",
        "outlines": "retrieved_outlines",
        "features": "retrieved_features",
    }
    found_by = [
        f"{number(found['mean'].iloc[0])} by {eye}" for eye, score in by.items() if len(found := _whole(of_arm, score))
    ]
    if not found_by:
        return "No true partner is known, so it is sets of images that are compared."
    text = (
        f"Of a hundred real images the true partner is the nearest for a share of {', '.join(found_by)}; chance is .01."
    )
    unlike = _whole(of_arm, "l1")
    return text + f" Pixels differ from the partner's by {number(unlike['mean'].iloc[0])} on average."


def order(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """Rank the arms by their median seed, with their best seed; arms that are conditioned on images are left out."""
    score, copies = TASKS["generation"].question.answer(set(_whole(rows)["metric"])), _copies(rows)
    found = {name: values for name, values in _seeds(metrics, rows, score).items() if name not in copies}
    if len(found) < 2:
        return ""
    ordered = sorted(found, key=lambda name: np.median(found[name]))
    listed = [f"{name} {number(np.median(found[name]))} ({number(found[name].min())})" for name in ordered[:TOLD]]
    rest = f" and {len(ordered) - TOLD} more" if len(ordered) > TOLD else ""
    name = keys.SCORES[score][0].split(" (")[0]
    text = f"By the {name} of their median seed (in brackets the best) the arms come as {', '.join(listed)}{rest}."
    left = f" Left out, as they are given part of a test image: {', '.join(copies)}." if copies else ""
    return text + left


def collapse(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """The classes that each arm drops in its median seed."""
    found = {name: _dropped(metrics, rows, name) for _, name in trained(rows)}
    known = {name: classes for name, classes in found.items() if classes is not None}
    if not known:
        return ""
    lost = {name: classes for name, classes in known.items() if classes}
    if not lost and len(known) == 1:
        return "Its median seed makes every class."
    if not lost:
        return f"In their median seed all {len(known)} arms make every class."
    drops = "; ".join(f"{name} drops {', '.join(classes)}" for name, classes in lost.items())
    n_full = len(known) - len(lost)
    every = f"; {'the other' if n_full == 1 else f'the other {n_full}'} make{'s' if n_full == 1 else ''} every class"
    return f"Collapse, in the median seed: {drops}{every if n_full else ''}."


def asked(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """How often conditional arms generate the requested class, directly and after the best renaming of classes."""
    listed = []
    for _, name in trained(rows):
        direct, best = (_whole(rows[rows["arm"] == name], score) for score in ("class_accuracy", "permuted_accuracy"))
        if direct.empty:
            continue
        text = f"{name} {number(direct['mean'].iloc[0])}{interval(direct.iloc[0])}"
        if len(best) and best["mean"].iloc[0] - direct["mean"].iloc[0] > 0.01:
            reached = _seeds(metrics, rows, "permuted_accuracy").get(name, np.array([np.nan])).max()
            text += f" (after renaming {number(best['mean'].iloc[0])}, best seed {number(reached)})"
        listed.append(text)
    return f"Share of samples that are of the class asked for: {'; '.join(listed)}." if listed else ""


def published(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """The arms that are better than the non-saturating game, by disjoint intervals."""
    plain = [name for method, name in trained(rows) if method == PLAIN]
    here = _whole(rows, "frechet").set_index("arm")
    name = PLAIN if PLAIN in plain else (plain or [""])[0]
    if name not in here.index:
        return ""
    reference = here.loc[name]
    compared = here[~here.index.isin([*keys.SEEDLESS, name, *_copies(rows)])].dropna(subset=["low", "high"])
    better = list(compared.index[compared["high"] < reference["low"]])
    worse = list(compared.index[compared["low"] > reference["high"]])
    level = len(compared) - len(better) - len(worse)
    parts = [f"{', '.join(better)} better" if better else "no arm is better"]
    parts += [f"{', '.join(worse)} worse"] if worse else []
    parts += [f"{level} not told apart from it"] if level else []
    return (
        f"Against the non-saturating GAN ({name}) at the settings of this study, by intervals that lie apart: "
        f"{'; '.join(parts)}. Lucic et al. (2018) found that with enough search none is consistently better."
    )


def _copies(rows: pd.DataFrame) -> list[str]:
    """Arms conditioned on each test image, whose samples are therefore compared with that image."""
    return list(dict.fromkeys(_whole(rows, "l1")["arm"]))


def _whole(rows: pd.DataFrame, score: str = "") -> pd.DataFrame:
    """Rows over all images with a value."""
    here = rows[(rows["group"] == keys.ALL) & (rows["feature"] == keys.ALL) & rows["mean"].notna()]
    return here[here["metric"] == score] if score else here


def _of_seeds(metrics: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of single seeds in the data set of ``rows``, with their number."""
    task, dataset = rows["task"].iloc[0], rows["dataset"].iloc[0]
    here = metrics[(metrics["task"] == task) & (metrics["dataset"] == dataset)]
    return here.assign(number=pd.to_numeric(here["seed"], errors="coerce")).dropna(subset=["number", "value"])


def _seeds(metrics: pd.DataFrame, rows: pd.DataFrame, score: str) -> Mapping[str, np.ndarray]:
    """Arm -> the value of every seed."""
    here = _of_seeds(metrics, rows)
    here = here[(here["metric"] == score) & (here["group"] == keys.ALL)]
    return {name: of["value"].to_numpy() for name, of in here.groupby("arm", sort=False)}


def _dropped(metrics: pd.DataFrame, rows: pd.DataFrame, arm: str) -> list[str] | None:
    """Classes dropped by the median seed, ranked by classes covered, then by divergence; None if unknown."""
    here = _of_seeds(metrics, rows)
    here = here[here["arm"] == arm]
    ranks = here[here["group"] == keys.ALL].pivot_table(index="number", columns="metric", values="value")
    if not {"modes", "class_divergence"} <= set(ranks.columns):
        return None
    ordered = ranks.sort_values(["modes", "class_divergence"], ascending=[False, True], kind="stable").index
    shares = here[(here["number"] == ordered[len(ordered) // 2]) & (here["metric"] == "class_share")]
    return sorted(shares.loc[shares["value"] < DROPPED, "group"])
