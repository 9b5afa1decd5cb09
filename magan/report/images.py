"""What a study on images found, in sentences: who made what, which classes are missing, and how good the judge is."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from magan import keys
from magan.report.phrasing import interval, number, trained
from magan.tasks.registry import TASKS

SURE = 0.99  # what a judge of identity should be right on, of real images
DROPPED = 0.1  # share of a class, made over real, below which it counts as dropped
PLAIN = "ns_gan"  # the non-saturating game, which the others were made to improve on
TOLD = 6  # arms that are named in the order of their scores


def judge(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """How often the classifier is right about real images, with a word of caution where that is too little."""
    known = _whole(rows[rows["arm"] == keys.FLOOR], "classifier_accuracy")
    if known.empty:
        return ""
    right = float(known["mean"].iloc[0])
    caution = "" if right >= SURE else f", less than {number(SURE)}: what it says of maps is no surer than that"
    return (
        f"The classifier that judges is right about {number(right)} of real images that it did not learn from{caution}."
    )


def renamed(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """What is kept up to a renaming of the classes, where that is more."""
    own = {score: _whole(rows[rows["arm"] == arm], score) for score in ("identity_accuracy", "permuted_accuracy")}
    if any(found.empty for found in own.values()):
        return ""
    kept, best = (own[score].iloc[0] for score in own)
    if best["mean"] - kept["mean"] < 0.01:
        return ""
    return f"Up to a renaming of the classes the share kept is {number(best['mean'])}{interval(best)}."


def partners(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """By which eye the true partner comes first, and how unlike it an image is."""
    mine = rows[rows["arm"] == arm]
    by = {
        "pixels": "retrieved",
        "SSIM": "retrieved_ssim",
        "outlines": "retrieved_outlines",
        "features": "retrieved_features",
    }
    told = [
        f"{number(found['mean'].iloc[0])} by {eye}" for eye, score in by.items() if len(found := _whole(mine, score))
    ]
    if not told:
        return "No true partner is known, so it is sets of images that are compared."
    text = f"Of a hundred real images the true partner is the nearest for a share of {', '.join(told)}; chance is .01."
    unlike = _whole(mine, "l1")
    return text + f" Pixels differ from the partner's by {number(unlike['mean'].iloc[0])} on average."


def order(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """All arms by their median seed, with their best; not those that are given images."""
    score, copies = TASKS["generation"].question.answer(set(_whole(rows)["metric"])), _copies(rows)
    found = {name: values for name, values in _seeds(metrics, rows, score).items() if name not in copies}
    if len(found) < 2:
        return ""
    ordered = sorted(found, key=lambda name: np.median(found[name]))
    told = [f"{name} {number(np.median(found[name]))} ({number(found[name].min())})" for name in ordered[:TOLD]]
    rest = f" and {len(ordered) - TOLD} more" if len(ordered) > TOLD else ""
    name = keys.SCORES[score][0].split(" (")[0]
    text = f"By the {name} of their median seed (in brackets the best) the arms come as {', '.join(told)}{rest}."
    left = f" Left out, as they are given part of a test image: {', '.join(copies)}." if copies else ""
    return text + left


def collapse(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """Which arms drop which classes in their median seed."""
    found = {name: _dropped(metrics, rows, name) for _, name in trained(rows)}
    known = {name: classes for name, classes in found.items() if classes is not None}
    if not known:
        return ""
    lost = {name: classes for name, classes in known.items() if classes}
    if not lost and len(known) == 1:
        return "Its median seed makes every class."
    if not lost:
        return f"In their median seed all {len(known)} arms make every class."
    told = "; ".join(f"{name} drops {', '.join(classes)}" for name, classes in lost.items())
    others = len(known) - len(lost)
    every = f"; {'the other' if others == 1 else f'the other {others}'} make{'s' if others == 1 else ''} every class"
    return f"Collapse, in the median seed: {told}{every if others else ''}."


def asked(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """How often arms that were told a class make it, or, after a renaming, a class of their own for it."""
    told = []
    for _, name in trained(rows):
        own, best = (_whole(rows[rows["arm"] == name], score) for score in ("class_accuracy", "permuted_accuracy"))
        if own.empty:
            continue
        text = f"{name} {number(own['mean'].iloc[0])}{interval(own.iloc[0])}"
        if len(best) and best["mean"].iloc[0] - own["mean"].iloc[0] > 0.01:
            reached = _seeds(metrics, rows, "permuted_accuracy").get(name, np.array([np.nan])).max()
            text += f" (after renaming {number(best['mean'].iloc[0])}, best seed {number(reached)})"
        told.append(text)
    return f"Share of samples that are of the class asked for: {'; '.join(told)}." if told else ""


def published(rows: pd.DataFrame, metrics: pd.DataFrame, arm: str) -> str:
    """Which arms are better than the plain non-saturating game, by intervals that lie apart."""
    plain = [name for method, name in trained(rows) if method == PLAIN]
    here = _whole(rows, "frechet").set_index("arm")
    name = PLAIN if PLAIN in plain else (plain or [""])[0]
    if name not in here.index:
        return ""
    reference = here.loc[name]
    others = here[~here.index.isin([*keys.SEEDLESS, name, *_copies(rows)])].dropna(subset=["low", "high"])
    better = list(others.index[others["high"] < reference["low"]])
    worse = list(others.index[others["low"] > reference["high"]])
    level = len(others) - len(better) - len(worse)
    parts = [f"{', '.join(better)} better" if better else "no arm is better"]
    parts += [f"{', '.join(worse)} worse"] if worse else []
    parts += [f"{level} not told apart from it"] if level else []
    return (
        f"Against the non-saturating GAN ({name}) at the settings of this study, by intervals that lie apart: "
        f"{'; '.join(parts)}. Lucic et al. (2018) found that with enough search none is consistently better."
    )


def _copies(rows: pd.DataFrame) -> list[str]:
    """Arms that are given something of each test image, whose samples are therefore compared with it."""
    return list(dict.fromkeys(_whole(rows, "l1")["arm"]))


def _whole(rows: pd.DataFrame, score: str = "") -> pd.DataFrame:
    """Rows over all images that have a value."""
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
    """Classes that the median seed, by classes covered and then by their divergence, drops; None if not known."""
    here = _of_seeds(metrics, rows)
    here = here[here["arm"] == arm]
    ranks = here[here["group"] == keys.ALL].pivot_table(index="number", columns="metric", values="value")
    if not {"modes", "class_divergence"} <= set(ranks.columns):
        return None
    ordered = ranks.sort_values(["modes", "class_divergence"], ascending=[False, True], kind="stable").index
    shares = here[(here["number"] == ordered[len(ordered) // 2]) & (here["metric"] == "class_share")]
    return sorted(shares.loc[shares["value"] < DROPPED, "group"])
