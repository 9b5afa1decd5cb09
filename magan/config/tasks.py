"""What the settings of every task have in common."""

from typing import ClassVar, Self

from pydantic import NonNegativeInt, model_validator

from magan.config.arms import Arm, Seeds, Strict, Training
from magan.config.names import ArmName


class TaskSettings(Strict):
    """The methods that a task compares, and the method that it deploys.

    ``deploy`` names the method that heads the report, is judged, and corrects or merges the cells where the task does.
    It may be left out where there is a single arm. ``seeds`` and ``training`` default to the study's.
    """

    reads: ClassVar[tuple[str, ...]] = ("cells",)  # the fields that name data sets
    offered: ClassVar[frozenset[str]] = frozenset({"cells", "labels", "pairs", "shared features", "shared markers"})

    arms: dict[ArmName, Arm]
    baselines: tuple[str, ...] = ()
    deploy: str | None = None
    seeds: Seeds | None = None
    training: Training | None = None
    split_seed: NonNegativeInt = 0  # of the one division into training and test cells

    @model_validator(mode="after")
    def _deploys_a_method(self) -> Self:
        if self.deploy is None and not self.deployed and self.arms:
            raise ValueError(
                f"there are {len(self.arms)} arms; add deploy: with the name of the arm to be judged and used"
            )
        known = self.deployable()
        if self.deploy is not None and self.deploy not in known:
            raise ValueError(
                f"deploy names '{self.deploy}', which is no arm and no baseline that can be saved; "
                f"name one of {', '.join(known)}"
            )
        return self

    def deployable(self) -> tuple[str, ...]:
        """Names that ``deploy`` may give."""
        return tuple(self.arms)

    @property
    def deployed(self) -> str:
        """The name of the method that is judged and used; "" where there is none."""
        return self.deploy or (next(iter(self.arms)) if len(self.arms) == 1 else "")

    def data(self) -> tuple[str, ...]:
        """Names of the data sets that the task reads."""
        return tuple(getattr(self, field) for field in self.reads)

    def offers(self) -> frozenset[str]:
        """What the data offer that a method may need, see `magan.registry.Entry`."""
        return self.offered
