"""What aligners, batch mappers and synthesizers have in common with estimators of scikit-learn."""

from inspect import signature
from typing import TYPE_CHECKING, Any, Self

from magan.errors import InputError


class NotFittedError(InputError, AttributeError):
    """What a model learns by `fit` was asked for before."""


class Estimator:
    """Parameters are those of the constructor; attributes that `fit` sets end with an underscore."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor; ``deep`` is there for scikit-learn, for no parameter is an estimator."""
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor.

        Raises
        ------
        InputError
            There is no such argument.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                raise InputError(f"{type(self).__name__} has no parameter '{name}'; there are {', '.join(known)}")
        for name, value in vars(type(self)(**{**known, **params})).items():
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> Self:
        """An estimator with the same parameters that has learned nothing: what `sklearn.base.clone` returns."""
        return type(self)(**self.get_params())

    if not TYPE_CHECKING:  # a checker would take every name for an attribute

        def __getattr__(self, name: str) -> Any:
            if name.endswith("_") and not name.startswith("_"):
                raise NotFittedError(f"this {type(self).__name__} has learned nothing yet; call fit first")
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
