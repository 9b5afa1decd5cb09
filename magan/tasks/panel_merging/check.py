"""Check panels before they are merged."""

from magan.errors import InputError
from magan.study import StudySettings
from magan.tasks.panel_merging.settings import Panels


def check(study: StudySettings, dataset: str, settings: Panels) -> None:
    """`InputError` for panels that cannot be merged, and for audits without distinct names."""
    here = f"panels.{dataset}"
    if not settings.arms:
        raise InputError(f"{here}.arms: there is none; give the arm that merges the panels")
    if not settings.arms[settings.deployed].calibrate:
        raise InputError(
            f"{here}.arms.{settings.deployed}: calibrate is 0; set it, e.g. 0.2, for this arm merges the panels and "
            "needs a calibration split to judge what may be trusted"
        )
    own = study.own_data.get(settings.cells)
    if own and isinstance(own.cells_per_file, int):
        raise InputError(
            f"own_data.{settings.cells}.cells_per_file: {own.cells_per_file} cells of each file cannot be merged; all "
            "are needed, leave it out"
        )
    audits = settings.audits(dataset)
    if len(audits) < len(settings.panels) * (len(settings.panels) - 1):
        raise InputError(f"{here}.panels: {', '.join(settings.panels)} do not have distinct names; rename one")
    every = [*getattr(study, settings.audited_by)]
    every += [audit for name, panels in study.panels_to_merge().items() for audit in panels.audits(name)]
    for audit in audits:
        if every.count(audit) > 1:
            raise InputError(
                f"{settings.audited_by}.{audit}: panels to be merged have an audit of this name; rename one"
            )
