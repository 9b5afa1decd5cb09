"""Scales against FlowUtils and against their definitions, and back again."""

import numpy as np
import pytest
from flowutils import transforms

from magan.cytometry.arcsinh import raw, transformed
from magan.cytometry.transforms import complete, estimated, scale_of
from magan.errors import InputError

X = np.concatenate([-np.geomspace(1e5, 0.1, 200), [0.0], np.geomspace(0.1, 2e6, 300)])


@pytest.mark.parametrize("name", ["logicle", "hyperlog"])
@pytest.mark.parametrize("p", [{"t": 262144, "w": 0.5, "m": 4.5, "a": 0}, {"t": 1e6, "w": 1.1, "m": 5, "a": 0.4}])
def test_scales_are_those_of_flowutils_and_come_back(name, p):
    scale = scale_of(f"{name}({', '.join(f'{k}={v}' for k, v in p.items())})")
    np.testing.assert_allclose(scale.forward(X), getattr(transforms, name)(X, None, **p), atol=1e-12)
    np.testing.assert_allclose(scale.inverse(scale.forward(X)), X, rtol=1e-9, atol=1e-9)
    assert scale_of(scale.spec) == scale


def test_a_logicle_is_its_definition():
    """The biexponential of the standard: its top is at 1, 0 at (w + a) / (m + a), and it is odd about that place."""
    scale = scale_of("logicle(t=1000, w=1, m=4, a=0)")
    np.testing.assert_allclose(scale.forward(np.array([1000.0, 0.0])), [1, 0.25], atol=1e-9)
    np.testing.assert_allclose(scale.forward(X) + scale.forward(-X), 0.5, atol=1e-9)


def test_each_marker_may_have_its_scale_and_comes_back():
    each = [5.0, "none", "logicle(t=262144.0, w=0.5, m=4.5, a=0.0)", "hyperlog(t=262144.0, w=0.5, m=4.5, a=0.0)"]
    values = np.random.default_rng(0).normal(300, 1000, (500, 4)).astype(np.float32)
    units = transformed(values, each)
    assert units.dtype == np.float32
    np.testing.assert_allclose(units[:, 0], np.arcsinh(values[:, 0].astype(float) / 5), rtol=1e-5)
    np.testing.assert_array_equal(units[:, 1], values[:, 1])
    for i, name in ((2, "logicle"), (3, "hyperlog")):
        exact = getattr(transforms, name)(values[:, i].astype(float), None)
        np.testing.assert_allclose(units[:, i], exact, atol=1e-6)
    np.testing.assert_allclose(raw(units, each), values, rtol=2e-5, atol=0.02)


def test_what_is_not_finite_stays_so():
    x = np.array([np.nan, np.inf, 1.0])
    found = scale_of("logicle(t=262144, w=0.5)").forward(x)
    assert np.isnan(found[0]) and found[1] == np.inf and np.isfinite(found[2])


def test_the_width_of_a_logicle_holds_the_negative_values():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 100, 20_000), rng.exponential(5000, 20_000)])
    found = dict(estimated(scale_of("logicle"), x, 262144.0).parameters)
    fifth = np.percentile(x[x < 0], 5)
    assert found["t"] == 262144 and found["w"] == pytest.approx((4.5 - np.log10(262144 / -fifth)) / 2)
    scale = scale_of(complete("logicle", x, 262144.0))
    assert scale.forward(np.array([fifth]))[0] == pytest.approx(0, abs=0.05)  # the lowest of what is shown
    assert dict(estimated(scale_of("logicle"), np.abs(x), None).parameters)["t"] == x.max()
    assert dict(estimated(scale_of("logicle"), np.abs(x), 10.0).parameters)["w"] == 0
    assert dict(estimated(scale_of("hyperlog"), np.abs(x)).parameters)["w"] == 0.1
    given = scale_of("logicle(w=1.25)")
    assert dict(estimated(given, x, 262144.0).parameters)["w"] == 1.25
    with pytest.raises(InputError, match="cannot be estimated without positive values; give its t"):
        estimated(scale_of("logicle"), -np.abs(x))


@pytest.mark.parametrize("spec", [None, "none", "null", "linear", "None"])
def test_none_and_null_both_leave_values_as_they_are(spec):
    np.testing.assert_array_equal(scale_of(spec).forward(X), X)
    assert scale_of(spec).spec == "none"


def test_a_number_is_the_cofactor_of_an_arcsinh():
    assert scale_of(150).spec == 150.0 == scale_of("150").spec == scale_of("asinh(cofactor=150)").spec
    assert scale_of("arcsinh").spec == 5.0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("logical", "there is no scale 'logical'.*logicle"),
        ("logicle(q=1)", "logicle has no parameter 'q'"),
        ("logicle(w=wide)", "w of logicle is 'wide'; give a number"),
        ("logicle(w=3)", "logicle needs 0 <= w <= m / 2"),
        ("logicle(t=0)", "t of logicle must be positive, not 0"),
        ("hyperlog(w=0)", "hyperlog needs a linear part"),
        (-5, "cofactor must be positive, not -5"),
        ("5 or so", "write a cofactor, or one of arcsinh, logicle"),
        (True, "there is no scale 'true'"),
    ],
)
def test_a_scale_that_is_none_is_refused(spec, message):
    with pytest.raises(InputError, match=message):
        scale_of(spec)
