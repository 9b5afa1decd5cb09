"""Scores of maps: arrays in, tidy tables out, whatever model made the map."""

from magan.evaluation import batch, digits, heldout

SCORES = {"heldout": heldout.score, "batch": batch.score, "digits": digits.score}
FLOORS = {"heldout": heldout.floor, "batch": batch.floor, "digits": digits.floor}
