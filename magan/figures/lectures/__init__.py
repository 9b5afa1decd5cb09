"""Figures of the lecture experiments, each drawn from its points and its numbers."""

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
        "Above, the densities of real and of generated samples; below, what a discriminator trained on samples of both "
        "says, a line a seed, on the share of real samples at each point, which no discriminator can improve upon. "
        "Its value then tells the Jensen-Shannon divergence of the two.",
        "svg",
    ),
    "vanishing_gradient": Drawing(
        vanishing_gradient,
        "The vanishing gradient",
        "A generator is frozen after some epochs and a new discriminator trained against it. Its error falls and its "
        "accuracy goes to 1; the gradient of log(1 - D) that the generator would learn from dies with the error, "
        "that of -log D does not.",
        "svg",
    ),
    "js_against_wasserstein": Drawing(
        js_against_wasserstein,
        "Jensen-Shannon against Wasserstein",
        "A distribution and itself, moved. Once the two no longer overlap their Jensen-Shannon divergence is log 2, "
        "however far apart they are, and its slope, which a generator would follow, is 0; the Wasserstein distance "
        "is the distance. Dots are what trained networks tell, one a seed.",
        "svg",
    ),
    "mode_collapse": Drawing(
        mode_collapse,
        "Mode collapse",
        "Samples of the first seed. All models have the same networks, rates and updates of the generator. A mode (of "
        "the spiral: one of 20 pieces) is covered if a tenth of its fair share of the samples lies within three "
        "standard deviations of it; the quality is the share of all samples that does.",
        "png",
    ),
    "f_divergences": Drawing(
        f_divergences,
        "What each divergence fits",
        "A Gaussian cannot be a mixture of two, and what it gives up depends on the divergence it is trained by: KL "
        "covers both parts, reverse KL leans to one. Each is best by its own measure: the diagonal of the table.",
        "svg",
    ),
    "infogan_codes": Drawing(
        infogan_codes,
        "InfoGAN's codes",
        "Rows are values of the categorical code, columns noises, the last two rows sweeps of a continuous code from "
        "-1 to 1. The plain GAN has the same networks and inputs and no reason to use them. Named: the share of "
        "samples that show the class of their category, by a classifier and the best matching.",
        "png",
    ),
    "progressive_growing": Drawing(
        progressive_growing,
        "Progressive growing",
        "Distance between samples and real images on a classifier's features, lower is better, for networks that grow "
        "from 4 pixels and for the same networks at full size. Thin lines are seeds, bold ones their mean; below, "
        "the first seed's last samples.",
        "png",
    ),
    "digit_map": Drawing(
        digit_map,
        "Digits on a page",
        "Test digits placed by t-SNE of an autoencoder's codes, which saw no label, and by the first two principal "
        "components of their pixels. Colours and numbers are the true classes.",
        "png",
    ),
    "adversarial_examples": Drawing(
        adversarial_examples,
        "Adversarial examples",
        "Every pixel is changed by at most the size: by random signs, by the sign of the loss's slope (FGSM), or step "
        "by step towards another class (targeted: the next digit). The number below an image is what the classifier "
        "takes it for.",
        "png",
    ),
    "latent_arithmetic": Drawing(
        latent_arithmetic,
        "Arithmetic and paths of codes",
        "Left, test digits joined by a line of a variational autoencoder's codes, and below by a line of pixels. "
        "Right, how far what lies between is from the nearest training image: a cross-fade is no digit. Codes also "
        "add: the step from thin to bold, learnt from one class, makes the others bold.",
        "png",
    ),
}
