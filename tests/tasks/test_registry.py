"""What a task is without: parts that its folder does not have."""

import pytest

from magan.tasks.registry import MERGING, TASKS

WITHOUT = {
    "heldout": ("controls", "inputs", "sentences"),
    "batch": ("shown", "sentences"),
    "digits": ("controls", "inputs", "shown"),
    "translation": ("controls", "inputs"),
    "generation": ("controls", "inputs"),
    "matching": ("controls", "inputs", "shown", "sentences"),
    "panels": ("controls", "inputs", "shown", "sentences"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_part_that_a_task_lacks_is_none_and_sentences_are_no_sentences(name):
    task = {**TASKS, "panels": MERGING}[name]
    parts = {part: getattr(task, part) for part in ("controls", "inputs", "shown", "sentences")}
    assert {part for part, value in parts.items() if not value} == set(WITHOUT[name])
    assert all(parts[part] == (() if part == "sentences" else None) for part in WITHOUT[name])


def test_which_tasks_make_samples_or_map_back():
    assert [name for name, task in TASKS.items() if task.makes_samples] == ["generation"]
    assert [name for name, task in TASKS.items() if task.maps_back] == ["digits"]
