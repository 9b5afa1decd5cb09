"""A made-up study with every piece a real one has: two tasks on cells, one on images, failures among them."""

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys

SEEDS = (0, 1, 2, 3, 4)
MARKERS = ("CD4", "CD8", "CD45RA", "HLA-DR")
BETTER = {name: better for name, (_, better) in keys.SCORES.items()}


def metrics() -> pd.DataFrame:
    """Tidy scores; ``travelgan`` failed whole on data set day_2, seed 3 of ``cyclegan`` failed everywhere."""
    tasks = [heldout(), batch(), digits(), translation(), generation(), matching()]
    return pd.concat(tasks, ignore_index=True)[list(keys.METRICS)]


def heldout() -> pd.DataFrame:
    draw, rows = np.random.default_rng(0), []
    levels = {"CD4": 0.82, "CD8": 0.86, "CD45RA": 0.61, "HLA-DR": 0.93}
    arms = {("magan", "magan"): -0.04, ("magan", "magan_alone"): -0.3, ("cyclegan", "cyclegan"): -0.2}
    baselines = {"ridge": -0.15, "knn": 0.0, "boosting": 0.02}
    for dataset in ("control_1", "day_2"):
        for (method, arm), shift in arms.items():
            for seed in (*SEEDS, "consensus"):
                values = {m: r + shift + 0.05 * draw.normal() * (seed != "consensus") for m, r in levels.items()}
                rows += _scored("heldout", dataset, method, arm, seed, "pearson", values)
                rows += _scored("heldout", dataset, method, arm, seed, "wasserstein", {m: 0.08 for m in levels})
        rows += [("heldout", dataset, "travelgan", "travelgan", s, "all", "all", "failed", 1.0) for s in SEEDS]
        for method, shift in baselines.items():
            values = {m: r + shift for m, r in levels.items()}
            rows += _scored("heldout", dataset, method, "baseline", "", "pearson", values)
            rows += _scored("heldout", dataset, method, "baseline", "", "wasserstein", {m: 0.11 for m in levels})
    return _table(rows)


def batch() -> pd.DataFrame:
    draw, rows = np.random.default_rng(1), []
    levels = {
        "emd": {"magan": 0.056, "magan_alone": 0.126, "identity": 0.527, "quantile": 0.054, "floor": 0.066},
        "mmd": {"magan": 0.0076, "magan_alone": 0.0065, "identity": 0.400, "quantile": 0.0100, "floor": 0.011},
        "label_transfer": {"magan": 0.975, "magan_alone": 0.862, "identity": 0.974, "quantile": 0.974, "floor": 0.985},
        "rank_kept": {"magan": 0.968, "magan_alone": 0.352, "identity": 1.0, "quantile": 0.989},
        "emd_reduction": {"magan": 0.89, "magan_alone": 0.76, "identity": 0.0, "quantile": 0.90},
        "mad": {"magan": 0.02, "magan_alone": 0.11, "identity": 0.0, "quantile": 0.03},
    }
    for metric, of in levels.items():
        for name, value in of.items():
            arm = name if name.startswith("magan") else "floor" if name == "floor" else "baseline"
            method = name.split("_")[0]
            for seed in (*SEEDS, "consensus") if arm == name and name != "floor" else ("",):
                noise = 1 + 0.04 * draw.normal() * isinstance(seed, int)
                rows.append(("batch", "person_2", method, arm, seed, "all", "all", metric, value * noise))
    rows += [("batch", "person_2", "cyclegan", "cyclegan", s, "all", "all", "failed", 1.0) for s in SEEDS]
    rows += [("batch", "person_2", "harmony", "baseline", "", "all", "all", "failed", 1.0)]
    return _table(rows)


def digits(n: int = 20) -> pd.DataFrame:
    draw, rows = np.random.default_rng(2), []
    for arm, odds in {"magan": (0.95, 0.0), "magan_alone": (0.5, 0.25)}.items():
        for seed in range(n):
            u = draw.random()
            outcome = "right" if u < odds[0] else "flipped" if u < sum(odds) else "mixed"
            accuracy = {"right": 0.97, "flipped": 0.03, "mixed": 0.5}[outcome] + 0.02 * draw.random()
            values = {"identity_accuracy": accuracy, "nearest_accuracy": accuracy - 0.01}
            values |= {name: float(name == outcome) for name in ("right", "flipped", "mixed")}
            rows += [("digits", "threes_sevens", "magan", arm, seed, "all", "all", m, v) for m, v in values.items()]
            rows.append(("digits", "threes_sevens", "magan", arm, seed, "all", "all", "failed", 0.0))
    rows += [("digits", "threes_sevens", "discogan", "discogan", s, "all", "all", "failed", 1.0) for s in range(n)]
    return _table(rows)


def translation() -> pd.DataFrame:
    """MAGAN finds partners, CycleGAN does hardly better than no map, TraVeLGAN failed."""
    draw, rows = np.random.default_rng(8), []
    for (method, arm), level in {
        ("magan", "magan"): 0.6,
        ("cyclegan", "cyclegan"): 0.3,
        ("identity", "baseline"): 0.28,
    }.items():
        for seed in ("",) if arm == "baseline" else (*SEEDS, "consensus"):
            first = level + 0.05 * draw.random() * (arm != "baseline")
            about = ("translation", "emoji", method, arm, seed)
            rows += [(*about, f"first {k}", "all", "retrieved", min(first * k**0.3, 1)) for k in (1, 2, 5, 10)]
            whole = {"retrieved": first, "l1": 0.3 - first / 4, "frechet": 40 - 30 * first, "density": 0.8}
            rows += [(*about, "all", "all", metric, value) for metric, value in whole.items()]
    rows += [("translation", "emoji", "travelgan", "travelgan", s, "all", "all", "failed", 1.0) for s in SEEDS]
    rows.append(("translation", "emoji", "floor", "floor", "", "all", "all", "frechet", 9.7))
    return _table(rows)


def generation() -> pd.DataFrame:
    """Of three arms one drops the "3" in three of five seeds, and one was told classes; a fourth failed."""
    draw, rows = np.random.default_rng(9), []
    for arm, level in {"wgan_gp": 5.0, "mm_gan": 12.0, "cgan": 4.0}.items():
        for seed in SEEDS:
            dropped = arm == "mm_gan" and seed < 3
            about = ("generation", "mnist", arm, arm, seed)
            whole = {"frechet": level + draw.random(), "kid": level / 10, "modes": 2.0 - dropped}
            whole |= {"class_divergence": 0.7 * dropped, "recall": 0.6}
            whole |= {"class_accuracy": 0.97} if arm == "cgan" else {}
            rows += [(*about, "all", "all", metric, value) for metric, value in whole.items()]
            rows += [
                (*about, "3", "all", "class_share", 1.0 - dropped),
                (*about, "7", "all", "class_share", 1.0 + dropped),
            ]
    rows += [("generation", "mnist", "began", "began", s, "all", "all", "failed", 1.0) for s in SEEDS]
    for metric, value in {"frechet": 0.7, "modes": 2.0, "classifier_accuracy": 0.995}.items():
        rows.append(("generation", "mnist", "floor", "floor", "", "all", "all", metric, value))
    return _table(rows)


def matching() -> pd.DataFrame:
    """Two draws of the told pairs; the shuffled arm is at chance, one baseline failed."""
    draw, rows = np.random.default_rng(6), []
    levels = {("magan", "magan"): 0.15, ("magan", "magan_shuffled"): 0.5, ("pair_ridge", "baseline"): 0.16}
    for (method, arm), level in levels.items():
        for seed in ("",) if arm == "baseline" else (*SEEDS, "consensus"):
            values = {group: level + 0.02 * draw.random() for group in ("draw_1", "draw_2")}
            values[keys.ALL] = np.mean(list(values.values()))
            for group, value in values.items():
                for metric, of in {"foscttm": value, "label_accuracy": 1 - value / 2}.items():
                    rows.append(("matching", "snare", method, arm, seed, group, "all", metric, of))
    rows.append(("matching", "snare", "floor", "floor", "", "all", "all", "label_accuracy", 0.945))
    rows.append(("matching", "snare", "gromov", "baseline", "", "all", "all", "failed", 1.0))
    return _table(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """The summary of a tidy table, written here anew: two standard errors stand in for the bootstrap."""
    best, rows = {}, []
    where = ["task", "dataset", "group", "feature", "metric"]
    for place, rows_of in table[table["arm"] == keys.BASELINE].groupby(where):
        sign = -1 if BETTER.get(place[-1]) == "lower" else 1
        top = max(rows_of.itertuples(), key=lambda row, sign=sign: sign * row.value)
        best[place] = (top.method, top.value)
    fallen = table[table["metric"] == keys.FAILED].groupby(["task", "dataset", "method", "arm"])["value"].sum()
    for place, of in table.groupby(["task", "dataset", "method", "arm", *where[2:]], sort=False):
        seeds = pd.to_numeric(of["seed"], errors="coerce").notna()
        values, consensus = of.loc[seeds, "value"], of.loc[of["seed"] == keys.CONSENSUS, "value"]
        values = values if seeds.any() else of["value"]
        width = 2 * values.std() / np.sqrt(len(values))
        name, value = best.get((place[0], place[1], *place[4:]), ("", np.nan))
        row = dict(zip(["task", "dataset", "method", "arm", *where[2:]], place))
        row |= {"n_seeds": len(values), "n_failed": int(fallen.get(place[:4], 0)), "mean": values.mean()}
        row |= {"sd": values.std(), "low": values.mean() - width, "high": values.mean() + width}
        row |= {"consensus": consensus.iloc[0] if len(consensus) else np.nan}
        trained = place[3] not in (keys.BASELINE, keys.FLOOR)
        compared = (name, value, 0.0625) if trained and name else ("", np.nan, np.nan)
        row |= dict(zip(("best_baseline", "best_baseline_value", "p_value"), compared))
        rows.append(row)
    return pd.DataFrame(rows)


def heldout_cells(n: int = 600) -> tuple[AnnData, AnnData, AnnData]:
    """Truth, the predictions of an arm and those of a baseline."""
    draw = np.random.default_rng(3)
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(n)])
    high = draw.random((n, len(MARKERS))) < 0.5
    values = np.where(high, draw.normal(4, 0.6, high.shape), np.abs(draw.normal(0, 0.5, high.shape))).astype(np.float32)
    truth = AnnData(values, obs=obs, var=pd.DataFrame(index=list(MARKERS)), layers={keys.PREPROCESSED: values})
    arm = AnnData((values + draw.normal(0, 1, values.shape)).astype(np.float32), obs=obs, var=truth.var)
    arm.uns |= {"task": "heldout", "dataset": "control_1", "method": "magan", "arm": "magan", "error": ""}
    arm.uns |= {"seeds": np.array(SEEDS), "failed": np.array([], int)}
    baseline = AnnData((0.7 * values + 1).astype(np.float32), obs=obs, var=truth.var)
    baseline.uns |= {"task": "heldout", "dataset": "control_1", "method": "knn", "arm": "baseline", "error": ""}
    return truth, arm, baseline


def verdicts(truth: bool = True) -> pd.DataFrame:
    """What was found of the markers that two panels lack; of one nothing is known."""
    columns = ["panel", "marker", "source", "n_shared", "claimed", "kept", "kept_worst", "seeds", "methods"]
    columns += ["expected", "judged", "lower", "verdict", "reason", "true"]
    rows = [
        (
            "A",
            "CD45RO",
            "B",
            9,
            0.75,
            0.9,
            0.8,
            0.97,
            0.95,
            0.675,
            0.66,
            0.6,
            "as a trend",
            "the r that can be counted on is .66",
            0.7,
        ),
        ("A", "CD197", "B", 9, 0.95, 0.95, 0.9, 0.99, 0.97, 0.9025, 0.89, 0.855, "usable", "", 0.91),
        (
            "B",
            "CD27",
            "A",
            1,
            0.4,
            0.9,
            0.8,
            0.6,
            0.5,
            0.36,
            0.35,
            0.32,
            "not usable",
            "the r that can be counted on is .35",
            0.3,
        ),
        ("B", "CD38", "A", 1, *[np.nan] * 3, 0.9, 0.9, *[np.nan] * 3, "not usable", "judged unknown", 0.65),
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table if truth else table.drop(columns="true")


def audits(n: int = 600) -> dict[str, tuple[AnnData, AnnData]]:
    """Truth and map of two audits: one whose intervals hold, one that failed."""
    truth, arm, _ = heldout_cells(n)
    told = np.asarray(arm.X)
    arm.layers.update({keys.CONSENSUS: told, keys.LOW: told - 1.645, keys.HIGH: told + 1.645})
    return {
        "A given markers of B": (truth, arm),
        "B given markers of A": (truth, AnnData(told, obs=arm.obs, var=arm.var)),
    }


def merged_cells(n: int = 120) -> AnnData:
    """Merged cells of two panels and two populations."""
    truth, _, _ = heldout_cells(n)
    obs = {keys.PANEL: np.where(np.arange(n) % 2, "A", "B"), keys.CELL_TYPE: np.where(np.arange(n) % 3, "T", "unknown")}
    merged = AnnData(
        truth.X, obs=pd.DataFrame(obs, index=truth.obs_names), var=truth.var, layers={keys.SAMPLED: truth.X}
    )
    merged.obs[keys.CONFIDENCE] = np.linspace(0, 1, n)
    merged.uns[keys.DATASET] = "mine"
    return merged


def batch_cells(n: int = 900, n_markers: int = 14, populations: bool = True) -> tuple[AnnData, AnnData]:
    """Truth and the map of an arm: two batches of three populations, the second shifted."""
    draw = np.random.default_rng(4)
    population = draw.choice(["T cells", "B cells", "NK cells"], n)
    centres = {name: draw.choice([0.3, 3.5], n_markers) for name in ("T cells", "B cells", "NK cells")}
    clean = np.stack([centres[name] for name in population]) + draw.normal(0, 0.4, (n, n_markers))
    second = np.arange(n) >= n // 2
    shift = np.linspace(0, 1.5, n_markers) * second[:, None]
    obs = pd.DataFrame({keys.BATCH: np.where(second, "day_2", "day_1")}, index=[f"cell_{i}" for i in range(n)])
    if populations:
        obs[keys.CELL_TYPE] = population
    var = pd.DataFrame(index=[f"CD{i}" for i in range(n_markers)])
    values = (clean + shift).astype(np.float32)
    truth = AnnData(values, obs=obs, var=var, layers={keys.PREPROCESSED: values}, uns={"reference": "day_1"})
    mapped = AnnData((clean + 0.1).astype(np.float32)[second], obs=obs[second][[keys.BATCH]], var=var)
    mapped.uns |= {"task": "batch", "dataset": "person_2", "method": "magan", "arm": "magan", "error": ""}
    mapped.uns |= {"seeds": np.array(SEEDS), "failed": np.array([], int)}
    return truth, mapped


def matching_cells(n: int = 60) -> tuple[AnnData, AnnData]:
    """Truth and the map of an arm: two populations, three told pairs in each of two draws."""
    draw = np.random.default_rng(7)
    own = np.where(np.arange(n) % 2, 2.0, -2.0)[:, None] + draw.normal(0, 0.5, (n, 5))
    obs = pd.DataFrame(
        {
            keys.DOMAIN: np.repeat(["1", "1", "2"], n),
            keys.FOLD: np.repeat(["draw_1", "draw_2", ""], n),
            keys.KNOWN_PAIR: np.concatenate([np.arange(n) < 3, np.arange(n) >= n - 3, np.zeros(n, bool)]),
            keys.CELL_TYPE: np.tile(np.where(np.arange(n) % 2, "H1", "GM"), 3),
        },
        index=[f"cell_{i}" for i in range(3 * n)],
    )
    values = np.tile(own, (3, 1)).astype(np.float32)
    truth = AnnData(values, obs=obs, layers={keys.PREPROCESSED: values})
    mapped = AnnData(values[: 2 * n] + 0.3, obs=obs[: 2 * n][[keys.FOLD]])
    mapped.uns |= {"task": "matching", "dataset": "snare", "method": "magan", "arm": "magan", "error": ""}
    mapped.uns |= {"seeds": np.array(SEEDS), "failed": np.array([], int)}
    return truth, mapped


def digit_images(side: int = 14, n: int = 40, n_seeds: int = 20) -> tuple[AnnData, AnnData]:
    """Truth and the map of an arm: bars for digits, which the map turns on their side."""
    digit = np.where(np.arange(n) % 2, "7", "3")
    images = np.zeros((n, side, side), np.float32)
    images[:, side // 2 - 2 : side // 2 + 1, 2:-2] = 1.0
    images[digit == "7", side // 2 + 1 :, -5:-3] = 1.0
    turned = images.transpose(0, 2, 1).reshape(n, -1)
    flat = images.reshape(n, -1)
    obs = pd.DataFrame({keys.CELL_TYPE: digit, "domain": "1"}, index=[f"image_{i}" for i in range(n)])
    uns = {keys.IMAGE: {"shape": [1, side, side]}}
    truth = AnnData(flat, obs=obs, layers={keys.TRUTH: turned}, uns=uns)
    mapped = AnnData(turned, obs=obs[[]].copy())
    for seed in range(n_seeds):
        mapped.layers[f"seed_{seed}"], mapped.layers[f"back_{seed}"] = turned, flat
    mapped.uns |= {"task": "digits", "dataset": "threes_sevens", "method": "magan", "arm": "magan", "error": ""}
    mapped.uns |= {"seeds": np.arange(n_seeds), "failed": np.array([], int)}
    return truth, mapped


def translated_images(n: int = 24, side: int = 8) -> tuple[AnnData, dict[str, AnnData]]:
    """Truth and the maps of two arms: colours that are turned to grey; every second partner is unknown."""
    draw = np.random.default_rng(10)
    images = draw.random((n, 3, side, side)).astype(np.float32)
    grey = np.repeat(images.mean(axis=1, keepdims=True), 3, axis=1).reshape(n, -1)
    obs = pd.DataFrame({keys.CELL_TYPE: "", keys.DOMAIN: "1"}, index=[f"image_{i}" for i in range(n)])
    answers = np.where((np.arange(n) % 2 == 0)[:, None], grey, np.nan)
    truth = AnnData(images.reshape(n, -1), obs=obs, layers={keys.TRUTH: answers})
    truth.uns[keys.IMAGE] = {"shape": [3, side, side]}
    mapped = {}
    for arm in ("magan", "cyclegan"):
        layers = {f"seed_{seed}": (grey + 0.02 * seed * draw.random(grey.shape)).astype(np.float32) for seed in SEEDS}
        mapped[arm] = AnnData(grey, obs=obs[[]].copy(), layers=layers)
        mapped[arm].uns |= {"task": "translation", "dataset": "emoji", "method": arm, "arm": arm, "error": ""}
        mapped[arm].uns |= {"seeds": np.array(SEEDS), "failed": np.array([], int)}
    return truth, mapped


def made_images(n: int = 60) -> tuple[AnnData, dict[str, AnnData]]:
    """Truth and the samples of four arms: two made from nothing, one told classes; all seeds of the last failed."""
    truth, _ = digit_images(side=14, n=n)
    truth.obs[keys.DOMAIN] = "1"
    draw, mapped = np.random.default_rng(11), {}
    for arm in ("wgan_gp", "mm_gan", "cgan", "began"):
        layers = {f"seed_{s}": (truth.X * draw.random((n, 1))).astype(np.float32) for s in SEEDS if arm != "began"}
        mapped[arm] = AnnData(truth.X, obs=truth.obs[[keys.CELL_TYPE]].copy(), layers=layers)
        mapped[arm].uns |= {"task": "generation", "dataset": "mnist", "method": arm, "arm": arm, "error": ""}
        mapped[arm].uns |= {
            "seeds": np.array(SEEDS),
            keys.GIVEN: np.array(["label"] if arm == "cgan" else [], dtype=str),
        }
    return truth, mapped


def curves(n_steps: int = 30) -> dict[str, pd.DataFrame]:
    """Curves of two arms; one seed of the first stops being finite."""
    draw, tables = np.random.default_rng(5), {}
    for arm, level in {"magan": 1.0, "magan_alone": 1.6}.items():
        rows = [
            (100 * i, seed, term, level * np.exp(-i / 10) + 0.2 * draw.random())
            for i in range(n_steps)
            for seed in SEEDS
            for term in ("generator/adversarial", "generator/cycle", "generator/correspondence", "discriminator/1")
        ]
        tables[arm] = pd.DataFrame(rows, columns=["step", "seed", "term", "value"])
    broken = (tables["magan"]["seed"] == 3) & (tables["magan"]["step"] > 1000)
    tables["magan"].loc[broken, "value"] = np.nan
    return tables


def _scored(task, dataset, method, arm, seed, metric, values) -> list[tuple]:
    rows = [(task, dataset, method, arm, seed, "all", marker, metric, value) for marker, value in values.items()]
    return [*rows, (task, dataset, method, arm, seed, "all", "all", metric, float(np.mean(list(values.values()))))]


def _table(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(keys.METRICS))
