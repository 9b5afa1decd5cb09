"""Damaged FCS files: read, or refused in one sentence; never a trace, and never slow."""

import random
import time
import warnings

import numpy as np
import pytest
from fcs_bytes import write, write_types

from magan.cytometry.fcs_read import FcsOptions, open_fcs, survey
from magan.cytometry.fcs_write import rewrite
from magan.errors import InputError

pytestmark = pytest.mark.usefixtures("two_gigabytes")

VALUES = [
    *(b"0", b"-1", b"inf", b"nan", b"1e999", b"9" * 20, b"", b"I", b"F", b"D", b"A", b"1,2,3,4", b"4,3,2,1", b"2,1"),
    *(b"0,0", b"4,1", b"4,0", b"-3,1", b"4", b"24", b"64", b"8", b"2,C1,C2,1,.3,0,1", b"2,C1,C2,1,1,1,1", b"\xff\xfe"),
]


def files(folder):
    """Floats with a spillover matrix, integers on a logarithmic scale, a type for each channel, and two data sets."""
    spill = {"$SPILLOVER": "2,C1,C2,1,0.4,0.1,1"}
    numbers = np.zeros(20, np.dtype([("C1", "<f4"), ("C2", "<u2"), ("C3", "<f8")]))
    floats = write(folder / "f.fcs", [[i, 100.0 * i] for i in range(20)], keywords=spill)
    whole = write(
        folder / "i.fcs", [[i, i * 9] for i in range(20)], datatype="I", bits=(16, 32), keywords={"$P1E": "4,1"}
    )
    found = [path.read_bytes() for path in (floats, whole, write_types(folder / "m.fcs", numbers))]
    first = write(folder / "n.fcs", [[1, 2]], keywords={"$NEXTDATA": "4096"}).read_bytes()
    return [*found, first.ljust(4096, b"\0") + found[0]]


def damaged(data: bytes, draw: random.Random) -> bytes:
    """A file with bytes changed, cut off, or keywords and values replaced."""
    kind, out = draw.random(), bytearray(data)
    if kind < 0.4:
        for _ in range(draw.randint(1, 12)):
            out[draw.randrange(draw.choice([58, 700, len(out)]))] = draw.randrange(256)
        return bytes(out)
    if kind < 0.5:
        return data[: draw.randrange(len(data))]
    start, stop = int(data[10:18]), int(data[18:26])
    mark, parts = data[start : start + 1], data[start + 1 : stop + 1].split(data[start : start + 1])
    for _ in range(draw.randint(1, 3)):
        parts[min(2 * draw.randrange(len(parts) // 2) + (draw.random() < 0.85), len(parts) - 1)] = draw.choice(VALUES)
    text = (mark + mark.join(parts))[: int(data[26:34]) - start]
    out[start : start + len(text)] = text
    out[18:26] = f"{start + len(text) - 1:>8}".encode()
    return bytes(out)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_is_read_or_refused_in_a_sentence(tmp_path, seed):
    draw, sound, n_read = random.Random(seed), files(tmp_path), 0
    for _ in range(150):
        (tmp_path / "a.fcs").write_bytes(damaged(draw.choice(sound), draw))
        start = time.monotonic()
        for options in (FcsOptions(), FcsOptions("file"), FcsOptions("none", "header"), FcsOptions(data_set="2")):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    events = open_fcs(tmp_path / "a.fcs", options)
                    survey(events)
                    rewrite(events, tmp_path / "b.fcs", [0], lambda first, x: x[:, :1] * 1.5, provenance={})
                n_read += 1
            except InputError as error:
                assert "\n" not in str(error) and not (tmp_path / "b.fcs.part").exists()
        assert time.monotonic() - start < 10
    assert n_read > 30
