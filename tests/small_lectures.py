"""Settings with which every lecture experiment ends in a second or two."""

SMALL = {
    "optimal_discriminator": {"steps": 4, "batch_size": 16, "hidden": (4,)},
    "vanishing_gradient": {"n_train": 64, "epochs": (1, 2), "steps": 20, "batch_size": 16, "width": 2},
    "js_against_wasserstein": {"distances": (0.0, 1.0, 2.0), "steps": 4, "batch_size": 16, "hidden": (4,)},
    "mode_collapse": {"steps": 3, "batch_size": 16, "width": 1},
    "f_divergences": {"steps": 4, "batch_size": 16, "hidden": (4,)},
    "infogan_codes": {"n_train": 64, "n_test": 40, "steps": 3, "batch_size": 16, "width": 2},
    "progressive_growing": {"n_train": 64, "n_judged": 80, "steps": 6, "batch_size": 8, "width": 2, "n_noise": 4},
    "digit_map": {"n_train": 64, "n_test": 60, "steps": 3, "batch_size": 16, "hidden": (8,), "n_code": 4},
    "adversarial_examples": {"n_train": 200, "n_test": 100, "sizes": (0.0, 0.3)},
    "latent_arithmetic": {"n_train": 100, "n_test": 100, "steps": 3, "batch_size": 16, "hidden": (8,), "n_code": 4},
}
