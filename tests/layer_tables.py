"""What a network is made of, to be set beside the table that a paper prints."""

import torch
from torch import nn


def layer_table(build, *shapes: tuple[int, ...]) -> list[tuple]:
    """Kind, maps and side of what every layer with weights puts out, in their order; sizes alone are computed."""
    rows = []

    def note(module, _, out):
        rows.append((type(module).__name__, *out.shape[1:3]))

    with torch.device("meta"):
        network = build()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                module.register_forward_hook(note)
        network(*(torch.empty(2, *shape) for shape in shapes))
    return rows


def n_weights(build) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())


def down(*rows: tuple[int, int]) -> list[tuple]:
    return [("Conv2d", n, side) for n, side in rows]


def up(*rows: tuple[int, int]) -> list[tuple]:
    return [("ConvTranspose2d", n, side) for n, side in rows]
