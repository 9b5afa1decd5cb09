"""Types of options: what a builder's signature says of a value, and what a study is checked against.

`magan.config.options` turns a signature with these types into a check. This file imports neither torch nor pydantic, so
that models, losses and lectures can name the types.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

Width = Annotated[int, Gt(0)]  # neurons of a layer, or maps of a convolution
Count = Annotated[int, Gt(0)]  # layers, blocks, steps or samples, at least 1
Whole = Annotated[int, Ge(0)]  # a count that may be 0
Share = Annotated[float, Interval(ge=0, le=1)]  # a part of the whole, or a probability
Weight = Annotated[float, Ge(0)]  # of a term of a loss; 0 leaves the term out
Size = Annotated[float, Ge(0)]  # a distance or a standard deviation
Positive = Annotated[float, Gt(0)]
Rate = Annotated[float, Gt(0)]  # of learning, or of any change a step
Widths = Sequence[Width]  # of hidden layers, first to last

GameName = Literal["minimax", "non_saturating", "likelihood", "least_squares", "wasserstein"]  # keys of ADVERSARIAL
ArchitectureName = Literal["mlp", "resnet", "unet", "encoder_decoder"]  # of networks between two domains
SampleArchitectureName = Literal["auto", "convolution", "mlp"]  # of networks that make and judge samples
DivergenceName = Literal["kl", "reverse_kl", "pearson", "hellinger", "jeffrey", "js", "gan"]
FeatureName = Literal["thumbnail", "lightness", "colour"]  # keys of FEATURES
