"""How a model is trained: settings of an arm, and the types that other settings are made of."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    NonNegativeInt,
    PositiveFloat,
    model_validator,
)

from magan import presets
from magan.config.names import MinibatchSize, ReplicateCount, Steps, bounded_seeds


class Strict(BaseModel):
    """Frozen, and a key it does not know is an error that names the full path."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _count_or_list(value: Any) -> Any:
    bounded_seeds(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return tuple(range(value))
    return value if isinstance(value, list | tuple) else ()


def _as_word(value: Any) -> Any:
    return str(value) if isinstance(value, bool | int) else value


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError("give a positive count or a list of distinct numbers")
    return seeds


Word = Annotated[str, BeforeValidator(_as_word, json_schema_input_type=str | bool | int)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Seeds = Annotated[
    tuple[NonNegativeInt, ...],
    BeforeValidator(_count_or_list, json_schema_input_type=int | list[int]),
    AfterValidator(_distinct),
]


class Training(Strict):
    """How long and how fast.

    ``learning_rate`` and ``betas`` default to the model's own paper.
    ``at_once`` bounds memory: so many replicates share one batched network and
    the rest follow; it does not change any of them. Over the last ``decay``, a
    share of the steps (true is all of them, CycleGAN's is 0.5), the learning rate
    falls in a straight line to 0, which settles what is "expected".
    ``average`` is the share that a running mean of the weights keeps at each update; maps and
    samples are then made with the mean of every network but the discriminators.
    ``precision`` "mixed" computes the losses in bfloat16 where that is safe, for GPUs.
    """

    steps: Steps = 3000
    batch_size: MinibatchSize = 100
    learning_rate: PositiveFloat | None = None
    betas: tuple[Beta, Beta] | None = None
    decay: float = Field(default=0.0, ge=0, le=1)
    at_once: ReplicateCount = 100
    average: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["single", "mixed"] = "single"

    def of_fit(self) -> dict[str, Any]:
        """The fields of `magan.training.fit.Optimisation`."""
        return self.model_dump(include={"learning_rate", "betas", "decay", "precision"})


class Correspondence(Strict):
    """A key of ``magan.correspondences.CORRESPONDENCES`` and its options."""

    name: str
    options: dict[str, Any] = {}


class Arm(Strict):
    """One model with one set of options, trained over every seed.

    In YAML an arm is the name of a preset or of a model, or a mapping. ``preset`` names the settings that the
    remaining keys change, and ``size`` (small, medium or paper) sets the widths of the networks, see
    `magan.presets.resolve`. Both fields are a record of the request; they are never written to a file, because
    the resolved arm is complete without them.

    ``scale`` standardises markers before training: over both domains
    ("pooled", which leaves a batch effect in place), over each domain
    by mean and spread ("each"), by mean and a single spread of all ("whole", for
    reduced features) or by ranks ("ranks"), by ranks that a shrunken
    monotone map joins ("monotone"), or not at all ("none"); "auto" is "pooled" or
    "each", by the shared markers. ``balance`` draws
    the training cells so that each population has the same share in both domains.
    ``predict`` "expected" hides the unshared markers of the source panel from the
    trained map, and ``calibrate`` holds out a share of the cells from training
    to measure the error of predictions. ``stack`` weighs the expected value with
    regressors, see ``magan.aligner.Aligner``.
    ``techniques`` change any recipe: names of ``magan.techniques.TECHNIQUES`` with their options.
    """

    model: str
    correspondence: Annotated[
        Correspondence, BeforeValidator(presets.correspondence, json_schema_input_type=str | dict[str, Any])
    ] = Correspondence(name="none")
    options: dict[str, Any] = {}
    techniques: dict[str, dict[str, Any]] = {}
    scale: Literal["auto", "pooled", "each", "whole", "ranks", "monotone", "none"] = "pooled"
    balance: bool = False
    predict: Literal["sample", "expected"] = "sample"
    calibrate: float = Field(default=0.0, ge=0, lt=1)
    stack: bool = False
    training: Training | None = None
    preset: str | None = Field(default=None, exclude=True)
    size: Literal["small", "medium", "paper"] | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, value: Any) -> Any:
        return presets.resolve(value)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of an arm in YAML: a name, or a mapping with a model or a preset."""
        reference = handler(core_schema)
        arm = handler.resolve_ref_schema(reference)
        mapping = {key: value for key, value in arm.items() if key not in ("required", "description", "title")}
        named = [{"required": [key]} for key in ("model", "preset")]
        words = {key: arm[key] for key in ("description", "title")}
        arm.clear()
        arm |= {**words, "anyOf": [{"type": "string"}, {**mapping, "anyOf": named}]}
        return reference
