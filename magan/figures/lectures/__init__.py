"""Figures of the lecture experiments, drawn from their points and numbers."""

from magan.figures.drawing import Drawing
from magan.figures.lectures.samples import (
    adversarial_examples,
    digit_map,
    infogan_codes,
    latent_arithmetic,
    mode_collapse,
    progressive_growing,
)
from magan.figures.lectures.theory import (
    f_divergences,
    js_against_wasserstein,
    optimal_discriminator,
    vanishing_gradient,
)

OF_LECTURE = {
    "optimal_discriminator": Drawing(
        optimal_discriminator,
        "The best discriminator",
        "Above: the densities of real and of generated samples. Below: the output of trained discriminators (one line "
        "per seed), and the share of real samples at each point, which is the output of the optimal discriminator. "
        "The value of the optimal discriminator gives the Jensen-Shannon divergence of both densities.",
        "svg",
    ),
    "vanishing_gradient": Drawing(
        vanishing_gradient,
        "The vanishing gradient",
        "A generator is frozen after some epochs, and a new discriminator is trained against it. The discriminator's "
        "error falls and its accuracy goes to 1. The generator's gradient of log(1 - D) falls with the error; the "
        "gradient of -log D does not.",
        "svg",
    ),
    "js_against_wasserstein": Drawing(
        js_against_wasserstein,
        "Jensen-Shannon against Wasserstein",
        "A distribution and the same distribution moved by a distance. If both do not overlap, their Jensen-Shannon "
        "divergence is log 2 at any distance, so its slope, which a generator would follow, is 0. The Wasserstein "
        "distance equals the distance. Dots are estimates by trained networks, one per seed.",
        "svg",
    ),
    "mode_collapse": Drawing(
        mode_collapse,
        "Mode collapse",
        "Samples of the first seed. All models have the same networks, learning rates and number of generator updates. "
        "A mode (in the spiral: one of 20 pieces) is covered if at least a tenth of its expected samples lies within "
        "three standard deviations of it. Quality is the share of samples within three standard deviations of a mode.",
        "png",
    ),
    "f_divergences": Drawing(
        f_divergences,
        "What each divergence fits",
        "A single Gaussian cannot fit a mixture of two Gaussians. Which part it fits depends on the divergence that "
        "trains it: KL covers both components, reverse KL prefers one of them. Each Gaussian scores best by the "
        "divergence that trained it, which is the diagonal of the table.",
        "svg",
    ),
    "infogan_codes": Drawing(
        infogan_codes,
        "InfoGAN's codes",
        "Rows are values of the categorical code, columns are noise vectors. The last two rows are sweeps of a "
        "continuous code from -1 to 1. The plain GAN has the same networks and inputs but no loss that rewards their "
        "use. Named: the share of samples whose class, by a classifier, matches their category in the best matching.",
        "png",
    ),
    "progressive_growing": Drawing(
        progressive_growing,
        "Progressive growing",
        "Distance between samples and real images on a classifier's features (lower is better), for networks that grow "
        "from 4 pixels and for the same networks at full size. Thin lines are seeds, bold lines are their mean. Below: "
        "the last samples of the first seed.",
        "png",
    ),
    "digit_map": Drawing(
        digit_map,
        "Digits on a page",
        "Test digits, placed by t-SNE of an autoencoder's codes and by the first two principal components of their "
        "pixels. The autoencoder trained without labels. Colours and numbers are the true classes.",
        "png",
    ),
    "adversarial_examples": Drawing(
        adversarial_examples,
        "Adversarial examples",
        "Every pixel changes by at most the size: by random signs, by the sign of the loss's gradient (FGSM), or in "
        "steps towards another class (targeted: the next digit). The number below an image is the class that the "
        "classifier gives it.",
        "png",
    ),
    "latent_arithmetic": Drawing(
        latent_arithmetic,
        "Arithmetic and paths of codes",
        "Left: paths between test digits along a line of a variational autoencoder's codes, and below along a line of "
        "pixels (a cross-fade). Right: distance of the points of a path to the nearest training image. Codes can also "
        "be added: the step from thin to bold, computed from one class, makes digits of all remaining classes bold.",
        "png",
    ),
}
