"""Every model there is, by the name configurations use."""

from functools import partial

from magan.models.aae import aae
from magan.models.autoencoder import autoencoder
from magan.models.began import began
from magan.models.cgan import cgan
from magan.models.cyclegan import cyclegan
from magan.models.dcgan import dcgan
from magan.models.discogan import discogan
from magan.models.dragan import dragan
from magan.models.fgan import fgan
from magan.models.gan import gan
from magan.models.infogan import infogan
from magan.models.lapgan import lapgan
from magan.models.magan import magan
from magan.models.next_frame import next_frame
from magan.models.pix2pix import pix2pix
from magan.models.progressive import progressive
from magan.models.srgan import srgan
from magan.models.stackgan import stackgan
from magan.models.stylegan import stylegan
from magan.models.stylegan2 import stylegan2
from magan.models.travelgan import travelgan
from magan.models.vae import vae
from magan.models.wgan import wgan
from magan.models.wgan_gp import wgan_gp

# Of two domains, from shapes {"x1", "x2"}: they map each into the other; pix2pix the first into the second
ALIGNING = {
    "magan": magan,
    "cyclegan": cyclegan,
    "discogan": discogan,
    "travelgan": travelgan,
    "pix2pix": pix2pix,
}

# Of one domain, from shapes {"x"} and, where classes are known, {"label"}: they make samples of it
GENERATING = {
    "gan": gan,
    "mm_gan": partial(gan, adversarial="minimax"),
    "ns_gan": partial(gan, adversarial="non_saturating"),
    "lsgan": partial(gan, adversarial="least_squares"),
    "wgan": wgan,
    "wgan_gp": wgan_gp,
    "dragan": dragan,
    "began": began,
    "fgan": fgan,
    "dcgan": dcgan,
    "cgan": cgan,
    "infogan": infogan,
    "autoencoder": autoencoder,
    "vae": vae,
    "aae": aae,
    "lapgan": lapgan,
    "progressive": progressive,
    "stylegan": stylegan,
    "stylegan2": stylegan2,
    "stackgan": stackgan,
    "srgan": srgan,
    "next_frame": next_frame,
}

MODELS = ALIGNING | GENERATING
