"""Readable titles of the methods that tables and figures name."""

# Method -> its title. A method without an entry is called by its name, with spaces and the capitals of `CAPITALS`.
TITLES = {
    "identity": "no correction",
    "auto": "automatically chosen map",
    "zscore": "mean and spread",
    "quantile": "quantile map",
    "monotone": "monotone map",
    "monotone_balanced": "monotone map, balanced",
    "population_monotone": "monotone map by population",
    "flow": "normalizing flow",
    "ridge": "ridge regression",
    "knn": "nearest cells (kNN)",
    "knn_draw": "random nearest cell",
    "boosting": "gradient boosting",
    "gromov": "Gromov-Wasserstein",
    "gromov_pairs": "Gromov-Wasserstein with pairs",
    "pair_ridge": "ridge regression on pairs",
    "pair_knn": "nearest known pair",
    "pair_landmarks": "distances to landmarks",
    "pair_ridge_shuffled": "ridge regression on shuffled pairs",
    "no_correction": "control: cells as measured",
    "perfect": "control: cells of the reference",
    "shuffled_within_batch": "control: cells shuffled within the batch",
    "shuffled_within_population": "control: cells shuffled within populations",
    "shuffled_globally": "control: values shuffled",
    "floor": "real against real",
    "ceiling": "regression on the truth",
}
CAPITALS = {
    **{"magan": "MAGAN", "cyclegan": "CycleGAN", "discogan": "DiscoGAN", "travelgan": "TraVeLGAN", "gan": "GAN"},
    **{"combat": "ComBat", "harmony": "Harmony", "cytonorm": "CytoNorm", "scanorama": "Scanorama", "cytovi": "CytoVI"},
    "cycombine": "cyCombine",
    **{"wgan": "WGAN", "gp": "GP", "dcgan": "DCGAN", "began": "BEGAN", "cgan": "cGAN", "infogan": "InfoGAN"},
    **{"dragan": "DRAGAN", "lapgan": "LAPGAN", "stylegan": "StyleGAN", "stylegan2": "StyleGAN2", "srgan": "SRGAN"},
    **{"stackgan": "StackGAN", "vae": "VAE", "aae": "AAE", "fgan": "f-GAN", "ns": "NS", "ls": "LS", "mm": "MM"},
}
AS_WRITTEN = " as written"  # ends the method of cells as they are written to files


def title(name: str) -> str:
    """Return the readable title of a method, an arm or a control."""
    if name.endswith(AS_WRITTEN):
        return f"{title(name.removesuffix(AS_WRITTEN))}, as written"
    return TITLES.get(name) or " ".join(CAPITALS.get(word, word) for word in name.split("_"))
