"""Registries of models, by the names that studies use."""

from magan.registry import Entry, Registry

# Models of two domains, from shapes {"x1", "x2"}. Each maps both ways; pix2pix maps the first into the second.
ALIGNING = Registry(
    magan=Entry("magan.models.magan:magan"),
    cyclegan=Entry("magan.models.cyclegan:cyclegan"),
    discogan=Entry("magan.models.discogan:discogan"),
    travelgan=Entry("magan.models.travelgan:travelgan"),
    pix2pix=Entry("magan.models.pix2pix:pix2pix"),
)

# Models of one domain, from shapes {"x"} and, where classes are known, {"label"}. They make samples of it.
GENERATING = Registry(
    gan=Entry("magan.models.gan:gan"),
    mm_gan=Entry("magan.models.gan:gan", options={"adversarial": "minimax"}),
    ns_gan=Entry("magan.models.gan:gan", options={"adversarial": "non_saturating"}),
    lsgan=Entry("magan.models.gan:gan", options={"adversarial": "least_squares"}),
    wgan=Entry("magan.models.wgan:wgan"),
    wgan_gp=Entry("magan.models.wgan_gp:wgan_gp"),
    dragan=Entry("magan.models.dragan:dragan"),
    began=Entry("magan.models.began:began"),
    fgan=Entry("magan.models.fgan:fgan"),
    dcgan=Entry("magan.models.dcgan:dcgan"),
    cgan=Entry("magan.models.cgan:cgan"),
    infogan=Entry("magan.models.infogan:infogan"),
    autoencoder=Entry("magan.models.autoencoder:autoencoder"),
    vae=Entry("magan.models.vae:vae"),
    aae=Entry("magan.models.aae:aae"),
    lapgan=Entry("magan.models.lapgan:lapgan"),
    progressive=Entry("magan.models.progressive:progressive"),
    stylegan=Entry("magan.models.stylegan:stylegan"),
    stylegan2=Entry("magan.models.stylegan2:stylegan2"),
    stackgan=Entry("magan.models.stackgan:stackgan"),
    srgan=Entry("magan.models.srgan:srgan"),
    next_frame=Entry("magan.models.next_frame:next_frame"),
)

MODELS = Registry(**ALIGNING.entries, **GENERATING.entries)
