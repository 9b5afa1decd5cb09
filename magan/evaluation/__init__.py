"""Scores of maps: arrays in, tidy tables out, whatever model made the map."""

from magan.tasks.batch_correction import controls as batch_correction_controls
from magan.tasks.batch_correction import score as batch_correction_score
from magan.tasks.cell_matching import score as cell_matching_score
from magan.tasks.heldout_markers import score as heldout_markers_score
from magan.tasks.image_generation import score as image_generation_score
from magan.tasks.image_translation import score as image_translation_score
from magan.tasks.rotated_digits import score as rotated_digits_score

SCORES = {
    "heldout": heldout_markers_score.score,
    "batch": batch_correction_score.score,
    "digits": rotated_digits_score.score,
    "translation": image_translation_score.score,
    "generation": image_generation_score.score,
    "matching": cell_matching_score.score,
}
FLOORS = {
    "heldout": heldout_markers_score.ceiling,
    "batch": batch_correction_score.floor,
    "digits": rotated_digits_score.floor,
    "translation": image_translation_score.floor,
    "generation": image_generation_score.floor,
    "matching": cell_matching_score.floor,
}
CONTROLS = {"batch": batch_correction_controls.controls}
