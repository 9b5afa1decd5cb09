"""Settings and training costs of the arms of a data set, from the study and the logs."""

from pathlib import Path
from typing import Any

from magan import tracking
from magan.study import Study


def costs(study: Study, root: str, task: str, dataset: str) -> list[dict[str, Any]]:
    """The arguments of `magan.report.trainings.trainings`, arm by arm."""
    settings = study.find(task, dataset)
    runs = []
    for name, arm in settings.arms.items():
        training = study.training_of(settings, arm)
        changed = training.model_dump(exclude_defaults=True, exclude={"steps", "at_once"})
        events = tracking.read_events(Path(root, task, dataset, name, "events.jsonl"))
        runs.append(
            {
                "name": name,
                "model": arm.model,
                "settings": {**arm.options, **{key: "" for key in arm.techniques}, **changed},
                "steps": training.steps,
                "seeds": len(study.seeds_of(settings)),
                "health": events.health,
                **{key: events.end[key] for key in ("seconds", "device", "per_sample") if key in events.end},
            }
        )
    return runs
