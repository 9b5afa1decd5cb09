"""Named data sets of images, and functions that read their files into AnnData."""

from collections.abc import Callable
from pathlib import Path

from anndata import AnnData

from magan.datasets import emoji_cifar_fashion, mnist
from magan.datasets.dataset import DataSet
from magan.datasets.download import File
from magan.images import arrays

MNIST = File("mnist.npz", "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64")
EMOJI = File("emoji_pairs_64.npz", "0a5ce020935bb26c79461d16b639358d5fedef5c167775a5f6b80f6ba32fc054")
CIFAR = File(
    "cifar10_train_horse_deer_automobile_truck_first2500.tar",
    "e8b88e05e2f63bdc243fb1de3a383dbe96a4f81e0c480e45c74db96824c6749f",
)
FASHION = File("fashion_sprite_900.npz", "2ad6f3acbf9e01e33e4aebe0b6ea53c0123786960b2103e55e96f26e8c99e446")


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
