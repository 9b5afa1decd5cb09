"""Scores of maps: arrays in, tidy tables out, whatever model made the map."""

from magan.evaluation import batch, controls, digits, generation, heldout, pairing, translation

SCORES = {
    "heldout": heldout.score,
    "batch": batch.score,
    "digits": digits.score,
    "translation": translation.score,
    "generation": generation.score,
    "matching": pairing.score,
}
FLOORS = {
    "heldout": heldout.ceiling,
    "batch": batch.floor,
    "digits": digits.floor,
    "translation": translation.floor,
    "generation": generation.floor,
    "matching": pairing.floor,
}
CONTROLS = {"batch": controls.controls}
