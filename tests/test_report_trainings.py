import pandas as pd
import pytest

from magan.report.trainings import trainings
from magan.stages.training_cost import costs
from magan.study import parse
from magan.tracking import EventLog

HEALTH = ["seed", "sign", "term", "step", "lasted"]
RUN = {"name": "a", "model": "gan", "settings": {}, "steps": 5000, "seeds": 5, "health": pd.DataFrame(columns=HEALTH)}


def line(**parts) -> dict[str, str]:
    (one,) = trainings([RUN | parts])
    return one


def test_a_training_without_trouble_says_so():
    assert line()["health"] == "nothing found"


def test_seeds_in_which_something_went_wrong_are_counted_once():
    rows = [
        (0, "mode collapse", "health/diversity_12", 300, False),
        (0, "mode collapse", "health/diversity_21", 200, True),
        (3, "mode collapse", "health/diversity_12", 1500, False),
        (3, "discriminator wins", "discriminator/adversarial", 900, True),
    ]
    assert line(health=pd.DataFrame(rows, columns=HEALTH))["health"] == (
        "discriminator wins in 1 of 5 seeds, first at step 900; "
        "mode collapse in 2 of 5 seeds, first at step 200, over by the end in 1"
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.6, "5 s (cpu)"), (150, "2 min (cpu)"), (5999, "100 min (cpu)"), (9000, "2.5 h (cpu)")]
)
def test_time_is_told_in_a_unit_that_one_can_read(seconds, words):
    assert line(seconds=seconds, device="cpu")["time"] == words


def test_what_failed_has_no_time():
    assert (line()["time"], line()["per_sample"]) == ("–", "–")
    assert line(per_sample=0.00123)["per_sample"] == "1.2 ms"


def test_settings_are_what_differs_from_the_defaults():
    assert line()["settings"] == "defaults"
    assert line(settings={"width": 8, "learning_rate": 1e-3})["settings"] == "width 8, learning_rate 0.001"


def test_costs_come_from_the_study_and_the_logs(tmp_path):
    arm = {"model": "gan", "options": {"width": 8}, "techniques": {"label_smoothing": {}}, "training": {"average": 0.9}}
    study = parse(
        {
            "name": "one",
            "title": "One",
            "seeds": 2,
            "training": {"steps": 70},
            "generation": {
                "digits": {"images": "digits", "deploy": "smooth", "arms": {"smooth": arm, "broken": {"model": "gan"}}}
            },
        }
    )
    log = EventLog(tmp_path / "generation/digits/smooth/events.jsonl", [0, 1])
    log.health(1, "mode collapse", "health/diversity", 30, True)
    log.end(seconds=3.0, steps=70, replicates=2, device="cpu", per_sample=0.5)
    EventLog(tmp_path / "generation/digits/broken/events.jsonl", [0, 1]).error("by nothing")
    smooth, broken = trainings(costs(study, str(tmp_path), "generation", "digits"))
    assert smooth == {
        "name": "smooth",
        "model": "GAN",
        "settings": "width 8, label_smoothing, average 0.9",
        "steps": "70",
        "seeds": "2",
        "time": "3 s (cpu)",
        "per_sample": "5e+02 ms",
        "health": "mode collapse in 1 of 2 seeds, first at step 30",
    }
    assert broken["settings"] == "defaults" and broken["time"] == "–"
