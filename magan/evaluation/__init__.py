"""Scores of maps: arrays in, tidy tables out, whatever model made the map."""

from magan.evaluation import batch, controls, digits, heldout, pairing

SCORES = {"heldout": heldout.score, "batch": batch.score, "digits": digits.score, "matching": pairing.score}
FLOORS = {"heldout": heldout.ceiling, "batch": batch.floor, "digits": digits.floor, "matching": pairing.floor}
CONTROLS = {"batch": controls.controls}
