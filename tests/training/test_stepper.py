"""The steps of an optimiser are those of `torch.optim`, to the bit."""

import subprocess
import sys

import pytest
import torch

from magan.recipe import Adam, RMSprop
from magan.training.stepper import Stepper

SETTINGS = {
    "adam": Adam(1e-2, (0.5, 0.99)),
    "decayed": Adam(3e-3, (0.9, 0.999), weight_decay=0.1),
    "rmsprop": RMSprop(1e-2),
}


def theirs(parameters, settings):
    if isinstance(settings, RMSprop):
        return torch.optim.RMSprop(parameters, settings.learning_rate)
    return torch.optim.Adam(
        parameters, settings.learning_rate, settings.betas, weight_decay=settings.weight_decay, fused=True
    )


def parameters() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=draw).requires_grad_() for size in ((2, 3), (5,), (4,))]


def give_gradients(values, step: int) -> None:
    """Gradients of a step; the last parameter has its first at step 2."""
    draw = torch.Generator().manual_seed(step)
    for i, value in enumerate(values):
        gradient = torch.randn(value.shape, generator=draw)
        value.grad = gradient if i < 2 or step >= 2 else None


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_equal_those_of_torch(name):
    mine, other = parameters(), parameters()
    stepper, optimiser = Stepper(mine, SETTINGS[name]), theirs(other, SETTINGS[name])
    for step in range(5):
        rate = SETTINGS[name].learning_rate / (step + 1)
        stepper.rate = optimiser.param_groups[0]["lr"] = rate
        give_gradients(mine, step)
        give_gradients(other, step)
        stepper.step()
        optimiser.step()
        assert all(torch.equal(a, b) for a, b in zip(mine, other))
    held = optimiser.state_dict()["state"]
    assert held.keys() == stepper.moments.keys()
    for i, moments in held.items():
        assert moments.keys() == stepper.moments[i].keys()
        assert all(torch.equal(x, stepper.moments[i][key]) for key, x in moments.items())


@pytest.mark.parametrize("name", SETTINGS)
def test_restored_moments_continue_with_the_same_bits(name):
    whole, part = parameters(), parameters()
    first, second = Stepper(whole, SETTINGS[name]), Stepper(part, SETTINGS[name])
    for step in range(6):
        if step == 3:
            held = {i: {key: x.clone() for key, x in moments.items()} for i, moments in second.moments.items()}
            second = Stepper(part, SETTINGS[name])
            second.restore(held)
        for values, stepper in ((whole, first), (part, second)):
            give_gradients(values, step)
            stepper.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, part))


def test_no_gradient_is_left_after_it_is_forgotten():
    values = parameters()
    give_gradients(values, 3)
    Stepper(values, SETTINGS["adam"]).zero_grad()
    assert [value.grad for value in values] == [None, None, None]


def test_a_training_step_does_without_the_compiler():
    code = "import sys, torch\n"
    code += "from magan.recipe import Adam, RMSprop\nfrom magan.training.stepper import Stepper\n"
    code += "for settings in (Adam(0.1, (0.5, 0.9)), RMSprop(0.1)):\n"
    code += "    x = torch.ones(2, requires_grad=True)\n    x.sum().backward()\n    Stepper([x], settings).step()\n"
    code += "print('torch._dynamo' in sys.modules, x.tolist() != [1, 1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
