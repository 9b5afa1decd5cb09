"""What a preflight tells of a user's files, as data and as text."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs

from magan import keys
from magan.cytometry.consistent_markers import Files
from magan.errors import InputError
from magan.metrics.batch_distance import emd
from magan.preflight.inspect import BYTES, ROW_BYTES, _as_asked, _megabytes, passes, preflight, preflights
from magan.preflight.text import accept, judgement, text
from magan.study import parse

MARKERS = ["CD3", "CD4", "CD8a", "CD14", "CD19", "HLA-DR"]


def counts(n: int = 400, seed: int = 0, shift: float = 0.0, zeros: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = 5 * np.sinh(random.gamma(9, 0.3, (n, len(MARKERS))) + np.array([shift, 0, 0, 0, 0, 0]))
    x[random.random(n) < zeros, 1] = 0
    return pd.DataFrame(x, columns=MARKERS)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict]:
    """Six samples of three donors, each in both batches."""
    found = []
    for i in range(6):
        table = counts(seed=i, shift=0.5 * (i % 2), zeros=0.4 * (i % 2))
        table.to_csv(tmp_path / f"{i}.csv", index=False)
        found.append({"path": str(tmp_path / f"{i}.csv"), "sample": f"s{i}", "batch": "ab"[i % 2],
                      "donor": f"d{i // 2}", "group": "ill" if i < 2 else "well"})  # fmt: skip
    return found


def told(found, words: str) -> bool:
    return any(words in one for one in found)


def test_good_files_pass_and_are_counted(rows):
    found = preflight(rows)
    assert passes(found) and not found.faults
    assert list(found.files["cells"]) == [400] * 6 and set(found.files["scale"]) == {"raw"}
    assert found.batches.to_dict("list") == {
        "batch": ["a", "b"], "files": [3, 3], "cells": [1200, 1200], "controls": [0, 0]
    }  # fmt: skip
    assert found.seconds["reading"] > 0 and found.megabytes == pytest.approx(2400 * (16 * 6 + 1000) / 1e6)
    assert not told(found.warnings, "confounded") and not told(found.warnings, "donor")


def test_batch_effects_are_measured_beside_what_chance_gives(rows):
    effects = preflight(rows).effects.set_index("marker")
    assert effects["emd"].idxmax() == "CD4" or effects["emd"].idxmax() == "CD3"
    assert effects.loc["CD3", "emd"] == pytest.approx(0.5, abs=0.08)
    assert 0.6 < (effects["emd"] / effects["floor"])[MARKERS[2:]].mean() < 1.6  # markers without a batch effect
    both = [np.concatenate([np.arcsinh(pd.read_csv(rows[i]["path"]).to_numpy() / 5) for i in each])
            for each in ((0, 2, 4), (1, 3, 5))]  # fmt: skip
    np.testing.assert_allclose(effects.loc[MARKERS, "emd"], emd(both[0][None], both[1])[0], rtol=1e-4)


def test_shares_of_zeros_and_negatives_are_told_by_batch(rows):
    table = pd.read_csv(rows[1]["path"])
    table.loc[:, "CD14"] *= -1
    table.to_csv(rows[1]["path"], index=False)
    found = preflight(rows)
    below = found.below.set_index(["batch", "marker"])
    assert below.loc[("b", "CD4"), "zeros"] == pytest.approx(0.4, abs=0.05) and below.loc[("a", "CD4"), "zeros"] == 0
    assert below.loc[("b", "CD14"), "negatives"] == pytest.approx(1 / 3, abs=0.01)
    assert told(found.warnings, "differ in their share of zeros for 1 markers (CD4): CD4 has 39% in b and 0% in a.")
    assert told(found.warnings, "share of negatives for 1 markers (CD14): CD14 has 33% in b and 0% in a")


def test_what_the_layout_of_samples_does_not_allow_is_said(rows):
    for i, row in enumerate(rows):
        row |= {"group": "well" if i % 2 else "ill", "donor": f"d{i}", "is_control": i == 0}
    found = preflight(rows)
    assert passes(found)
    assert told(
        found.warnings, "Batch and group are confounded (group ill only in batch a; group well only in batch b)"
    )
    assert told(found.warnings, "No donor is in two batches")
    assert told(found.warnings, "No control is in batch b")
    rows[0]["group"] = "well"  # a control belongs to no group
    assert told(preflight(rows).warnings, "are confounded")
    rows[2]["group"] = "well"
    assert not told(preflight(rows).warnings, "are confounded")


def test_small_batches_and_samples_are_named(rows):
    for row, n in zip(rows, (400, 40, 400, 40, 400, 40)):
        counts(n).to_csv(row["path"], index=False)
    found = preflight(rows)
    assert told(found.warnings, "fewer than 1,000 cells are hard to align: b (120).")
    assert told(found.warnings, "fewer than 100 cells: s1 (40), s3 (40), s5 (40).")


def test_bad_files_are_named_and_the_others_are_checked(rows, tmp_path):
    good = preflight(rows)
    write_fcs(tmp_path / "empty.fcs", rows=[])
    np.arcsinh(counts() / 5).to_csv(tmp_path / "log.csv", index=False)
    more = [{**rows[0], "path": str(tmp_path / name), "sample": name} for name in ("empty.fcs", "log.csv")]
    found = preflight([*rows, *more])
    assert not passes(found) and len(found.faults) == 2
    assert told(found.faults, "empty.fcs holds no events") and told(found.faults, "looks transformed already")
    assert list(found.files["scale"]) == ["raw"] * 6 + ["", "transformed"]
    assert list(found.files["problem"] != "") == [False] * 6 + [True] * 2
    pd.testing.assert_frame_equal(found.effects, good.effects)
    assert judgement(found) == "Not ready: 2 of 8 files would be left out, the others would be corrected."


def test_a_run_that_would_stop_is_told_with_its_reason(rows):
    for row in rows:
        pd.read_csv(row["path"]).assign(**dict.fromkeys(MARKERS, 70)).to_csv(row["path"], index=False)
    found = preflight(rows)
    assert not passes(found) and judgement(found) == "Not ready: the run would stop."
    assert told(found.faults, "The run would stop: no marker is left to correct: CD3 is 70 in every cell of batch a")
    for row in rows:
        Path(row["path"]).write_text("CD3\nx\n")
    found = preflight(rows)
    assert told(found.faults, "none of 6 files can be used") and found.effects.empty and found.below.empty
    assert "Not ready: the run would stop." in text(found, "sheet")


def test_a_marker_that_stands_still_in_a_batch_is_set_aside_with_its_reason(rows):
    for row in rows:
        table = pd.read_csv(row["path"])
        table["CD14"] = 7 if row["batch"] == "a" else table["CD14"]
        table["CD19"] *= np.arange(len(table)) < (2 if row["batch"] == "b" else len(table))
        table["run"] = "ab".index(row["batch"])
        table["state"] = np.arange(len(table)) % 5
        table.to_csv(row["path"], index=False)
    found = preflight(rows)
    assert passes(found)
    channels = found.channels[found.channels["batch"] == "a"].drop_duplicates("marker").set_index("marker")
    assert list(channels.index[channels["role"] == "corrected"]) == ["CD3", "CD4", "CD8a", "HLA-DR"]
    assert list(channels.loc[["CD14", "CD19"], "role"]) == ["as measured", "as measured"]
    assert channels.loc["CD14", "reason"] == "7 in every cell of batch a"
    assert channels.loc["CD19", "reason"] == "0 in all but 6 of 1,200 cells of batch b"
    assert set(channels.loc[["run", "state"], "role"]) == {"doubtful"}
    assert channels.loc["run", "reason"].startswith("a single value in each batch")
    assert channels.loc["state", "reason"] == "no more than 5 different values, all whole numbers"
    page = text(found, "sheet")
    assert "  - as measured, 7 in every cell of batch a: CD14\n" in page
    assert told(found.warnings, "state stays as measured (no more than 5 different values, all whole numbers); if it")
    assert {"CD14", "CD19", "run", "state"}.isdisjoint(found.effects["marker"])


def test_the_text_tells_names_and_accepts_them(rows, tmp_path):
    table = pd.read_csv(rows[3]["path"]).rename(columns={"HLA-DR": "hla_dr", "CD8a": "CD 8a"})
    table.to_csv(rows[3]["path"], index=False)
    found = preflight(rows)
    page = text(found, "samples.tsv")
    assert page.startswith("samples.tsv: 6 files, 2,400 cells, 2 batches\n")
    assert "  - 3.csv: 'CD 8a' -> CD8a (as in 5 files)\n" in page
    assert "zeros" in page and "a - b: " in page and page.endswith(" to consider.")
    assert accept([found], tmp_path / "aliases.yaml") == 2
    assert (tmp_path / "aliases.yaml").read_text() == "CD 8a: CD8a\nhla_dr: HLA-DR\n"
    with pytest.raises(InputError, match=r"aliases\.yaml exists; remove it"):
        accept([found], tmp_path / "aliases.yaml")


def test_a_sheet_that_magan_correct_would_refuse_is_not_ready(rows, tmp_path):
    def faults(changed):
        pd.DataFrame(changed).to_csv(tmp_path / "samples.tsv", sep="\t", index=False)
        return preflights(tmp_path / "samples.tsv").popitem()[1].faults

    stops = "The run would stop: there is one batch, 'a', and nothing to align; give at least two"
    assert faults([{**row, "batch": "a"} for row in rows]) == (stops,)
    assert faults([{**row, "batch": "a", "panel": row["batch"]} for row in rows]) == ()  # for magan merge
    counts(3).to_csv(rows[0]["path"], index=False)
    assert told(faults(rows[:2]), "The run would stop: batch 'a' has 1 training samples")


def test_panels_are_compared_by_what_both_measure(rows):
    for row in rows:
        panel = "A" if row["batch"] == "a" else "B"
        row["panel"] = panel
        table = pd.read_csv(row["path"]).rename(columns={"CD14": f"only {panel}"})
        table.to_csv(row["path"], index=False)
    found = preflight(rows)
    assert passes(found) and set(found.effects["marker"]) == set(MARKERS) - {"CD14"}
    assert len(found.below) == 12
    assert list(found.panels) == [
        "A: 1,200 cells, 6 markers; in no other panel: 1, only A",
        "B: 1,200 cells, 6 markers; in no other panel: 1, only B",
        "A and B share 5, CD3, CD4, CD8a, CD19, HLA-DR",
    ]
    assert "\n\nPanels\n  - A: 1,200 cells" in text(found, "samples.tsv")
    assert not any("unrelated" in warning for warning in found.warnings)
    for row in rows:
        if row["panel"] == "A":  # two markers are alike in panel A alone
            table = pd.read_csv(row["path"])
            table.assign(CD19=2 * table["HLA-DR"]).to_csv(row["path"], index=False)
    assert told(preflight(rows).warnings, " is unrelated to the remaining shared markers in panel B (r ")


def test_panels_that_cannot_be_merged_are_named(rows):
    """A small panel, a single shared marker, and names that may be one marker."""
    for i, row in enumerate(rows):
        row["panel"] = "AB"[i % 2]
        wanted = {"A": {"CD3": "CD3", "CD8a": "CD8"}, "B": {"CD3": "CD3", "CD8a": "CD8a"}}[row["panel"]]
        table = pd.read_csv(row["path"])[list(wanted)].rename(columns=wanted)
        table[: 40 if row["panel"] == "B" else 400].to_csv(row["path"], index=False)
    found = preflight(rows)
    assert told(found.warnings, "Panel B has 120 cells; to impute its markers takes at least 150.")
    assert told(found.warnings, "Panels A and B share 1 marker; to merge them takes two")
    assert told(found.warnings, "Panel A measures CD8 and panel B CD8a: if they are one marker, say so with aliases: ")


def test_a_sheet_or_a_study_is_checked(rows, tmp_path):
    sheet = tmp_path / "samples.tsv"
    pd.DataFrame(rows).to_csv(sheet, sep="\t", index=False)
    one = preflights(sheet)[str(sheet)]
    assert passes(one) and one.seconds["training"] > 0
    assert not passes(preflights(sheet, cofactor="none")[str(sheet)])
    (tmp_path / "aliases.yaml").write_text("CD19: B4\n")
    assert "B4" in set(preflights(sheet, aliases=tmp_path / "aliases.yaml")[str(sheet)].names[keys.MARKER])
    (tmp_path / "study.yaml").write_text(
        f"name: mine\ntitle: Mine\nown_data:\n  blood: {{sheet: {sheet}, aliases: {tmp_path / 'aliases.yaml'}}}\n"
        "batch:\n  blood: {cells: blood, reference: median}\n"
    )
    ((title, found),) = preflights(tmp_path / "study.yaml").items()
    assert title.endswith("study.yaml, blood") and "B4" in set(found.names[keys.MARKER])
    with pytest.raises(InputError, match="is a study, which names its own panel, aliases, transform"):
        preflights(tmp_path / "study.yaml", aliases=tmp_path / "aliases.yaml")
    (tmp_path / "study.yaml").write_text("name: mine\ntitle: Mine\n")
    with pytest.raises(InputError, match="the study asks for nothing; add a section: heldout, batch"):
        preflights(tmp_path / "study.yaml")
    for wrong in ("five", "0", "inf"):
        with pytest.raises(InputError, match=f"cofactor is '{wrong}'; give a positive number, or none"):
            preflights(sheet, cofactor=wrong)


def test_roles_are_those_of_the_alignments_of_this_data_set_that_all_list_markers():
    batch = {"x": {"cells": "a", "reference": "1", "markers": ["CD3"]}, "y": {"cells": "c", "reference": "1"}}
    study, found = parse({"name": "s", "title": "S", "batch": batch}), object()
    assert _as_asked(found, study, "b") is _as_asked(found, study, "c") is found
    with pytest.raises(AttributeError, match="channels"):
        _as_asked(found, study, "a")


def test_files_that_cannot_be_read_take_no_memory():
    assert _megabytes(Files([], sizes={"a": (1000, 3)}), None) == 0


def test_memory_is_that_of_the_cells_which_are_held_and_of_their_corrected_markers():
    held = AnnData(np.zeros((40, 3)), var=pd.DataFrame({keys.TO_CORRECT: [True, False, True]}))
    files = Files([], cells={"a": held, "b": held[:10]}, sizes={"a": (1000, 3), "b": (500, 3)})
    assert _megabytes(files, held) == 50 * (2 * BYTES + ROW_BYTES) / 1e6
