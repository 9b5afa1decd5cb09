import io
from types import SimpleNamespace

import pytest
import torch

from magan import progress as module
from magan.progress import progress


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Ten seconds pass between any two looks at the clock."""
    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def terms(*values: float) -> dict[str, torch.Tensor]:
    return {"generator/cycle": torch.tensor(values)}


def test_a_line_tells_the_step_the_mean_terms_and_the_time_left(capsys):
    record = progress("heldout/demo/magan", 100, 2)
    record(24, [0, 1], terms(1.0, 3.0))
    line = "heldout/demo/magan: step 25/100 of 2 seeds  generator/cycle 2  30 s left\n"
    assert capsys.readouterr().out == line


def test_a_seed_that_broke_does_not_hide_the_others(capsys):
    progress("arm", 100, 2)(0, [0, 1], terms(float("nan"), 3.0))
    assert "generator/cycle 3 " in capsys.readouterr().out


def test_seeds_trained_in_groups_add_up(capsys):
    record = progress("arm", 100, 4)
    record(99, [0, 1], terms(1.0, 1.0))  # half of all steps after 10 s
    record(49, [2, 3], terms(1.0, 1.0))  # three quarters after 20 s
    record(99, [2, 3], terms(1.0, 1.0))
    left = [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()]
    assert left == ["10 s left", "7 s left", "0 s left"]


def test_a_seed_trained_once_more_never_leaves_less_than_no_time(capsys):
    record = progress("arm", 10, 1)
    record(9, [0], terms(1.0))
    record(9, [1], terms(1.0))
    assert capsys.readouterr().out.splitlines()[-1].endswith("  0 s left")


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(module, "sys", SimpleNamespace(__stderr__=terminal))
    record = progress("arm", 10, 1)
    record(4, [0], terms(1.0))
    record(9, [0], terms(1.0))
    assert "arm" in terminal.getvalue()


def test_a_log_file_gets_no_bar(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(module, "sys", SimpleNamespace(__stderr__=log))
    progress("arm", 10, 1)(9, [0], terms(1.0))
    assert log.getvalue() == ""
