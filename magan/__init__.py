"""Align single-cell panels, batches and images with GANs that keep a correspondence."""

__version__ = "0.1.0"
