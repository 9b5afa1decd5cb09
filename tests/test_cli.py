"""`magan map`: a trained model on files that arrive later."""

import gzip
import importlib.util
import subprocess
import sys
import tomllib
import tracemalloc
from pathlib import Path

import anndata
import flowio
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write as write_fcs
from typer.testing import CliRunner

from magan import keys
from magan.aligner import Aligner
from magan.batch_mapper import BatchMapper
from magan.cli import app
from magan.config import Training
from magan.correction import decided
from magan.cytometry import fcs_write
from magan.cytometry.arcsinh import arcsinh, transformed
from magan.cytometry.fcs_read import read_fcs
from magan.cytometry.read_cells import read
from magan.cytometry.write_corrected import raw_corrected
from magan.errors import InputError
from magan.stages import apply_model
from magan.stages.atomic_files import write
from magan.stages.job import job_of
from magan.stages.train import train as train_arm
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.settings import BatchAlignment

MARKERS = ["CD3", "CD4", "CD8a", "CD14", "HLADR"]
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def files() -> dict[str, Path]:
    """The same donor's blood in three batches."""
    found = importlib.util.find_spec("cytonormpy")
    if found is None:
        pytest.skip("cytonormpy is not installed")
    folder = Path(found.origin).parent / "_resources"
    return {name: folder / f"Gates_{name}_Unstim_Control_1.fcs" for name in ("PTLG021", "PTLG028", "PTLG034")}


def cells(path: Path, batch: str = "", markers=MARKERS, cofactor: float = 5.0) -> AnnData:
    return arcsinh(read(path, obs={keys.BATCH: batch} if batch else None)[:, markers].copy(), cofactor)


def train(path: Path, pairs: dict[str, tuple[AnnData, AnnData]], rate: float | None = None, seeds=(0, 1), **settings):
    training = Training(steps=10, batch_size=50, learning_rate=rate)
    options = {"residual": True, "generator_hidden": [8], "discriminator_hidden": [8]}
    some = Aligner("magan", correspondence="none", options=options, training=training, seeds=seeds, device="cpu",
                   **{"scale": "none", **settings})  # fmt: skip
    first, second = ([pair[i] for pair in pairs.values()] for i in (0, 1))
    some.fit(first, second, names=list(pairs)).save(path)
    return some


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory) -> tuple[Path, Aligner]:
    """Two batches onto PTLG021, and what their maps are."""
    path, reference = tmp_path_factory.mktemp("model") / "model.safetensors", cells(files["PTLG021"], "PTLG021")
    pairs = {name: (cells(files[name], name), reference) for name in ("PTLG028", "PTLG034")}
    return path, train(path, pairs, rate=0.01, scale="ranks")


@pytest.fixture(scope="module")
def still(files, tmp_path_factory) -> Path:
    """A residual model that has not learned anything: its map is the identity."""
    path = tmp_path_factory.mktemp("still") / "model.safetensors"
    train(path, {"PTLG028": (cells(files["PTLG028"], "PTLG028"), cells(files["PTLG021"], "PTLG021"))}, rate=1e-60)
    return path


def run(*arguments, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["map", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_a_file_is_written_as_the_model_maps_it_and_the_rest_of_it_stays(trained, files, tmp_path):
    model, aligner = trained
    told, _ = run(model, files["PTLG034"], "-o", tmp_path / "out", "--batch", "PTLG034")
    path = tmp_path / "out" / files["PTLG034"].name
    corrects, unjudged, written = told.splitlines()
    assert corrects == f"{model} corrects 5 markers: {', '.join(MARKERS)}"
    assert unjudged == "no safety gate has judged this map; files mapped by it carry no verdict"
    assert written.startswith(f"{path}: 1000 events, 5 markers, ") and written.endswith(" s")
    assert [file.name for file in (tmp_path / "out").iterdir()] == [path.name]
    before, after = read(files["PTLG034"]), read(path)
    mapped = aligner.map(cells(files["PTLG034"]), fold=1)
    expected = np.maximum(5 * np.sinh(mapped.layers[keys.CONSENSUS].astype(float)), 0)
    np.testing.assert_allclose(after[:, MARKERS].X, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(after[:, MARKERS].X - before[:, MARKERS].X).mean() > 1
    rest = [marker for marker in before.var_names if marker not in MARKERS]
    np.testing.assert_array_equal(after[:, rest].X, before[:, rest].X)
    assert list(after.var["channel"]) == list(before.var["channel"])
    text = flowio.FlowData(str(path)).text
    assert (text["magan_batch"], text["magan_reference"], text["magan_seed"]) == ("PTLG034", "PTLG021", "consensus")
    assert text["magan_markers"] == ",".join(MARKERS) and text["cyt"] == "DVSSCIENCES-CYTOF"
    assert len(text["magan_model_sha256"]) == 64 and text["magan_source"] == files["PTLG034"].name


def test_a_map_that_is_the_identity_gives_the_file_back(still, files, tmp_path):
    run(still, files["PTLG034"], "-o", tmp_path, "--seed", "1")  # one fold needs no --batch
    measured, again = (read_fcs(path).X for path in (files["PTLG034"], tmp_path / files["PTLG034"].name))
    np.testing.assert_array_equal(again, measured)
    run(still, files["PTLG034"], "-o", tmp_path)  # written again, over the last; the mean of seeds is rounded
    np.testing.assert_allclose(read_fcs(tmp_path / files["PTLG034"].name).X, measured, rtol=2e-6)


@pytest.mark.parametrize("method", ["identity", "quantile"])
def test_the_markers_that_a_model_corrects_leaves_and_lacks_are_told(files, tmp_path, method):
    pair = [cells(files[name], name) for name in ("PTLG028", "PTLG021")]
    BatchMapper(method).fit(pair[:1], pair[1:], names=["PTLG028"]).save(tmp_path / "trained")
    gates = {"word": "safe but", "sentence": "Safe but for CD4.", "fallback": "input"}
    gates |= {"flagged": {}, "put_back": {"PTLG028": ["CD4"]}}
    decided(tmp_path / "trained", gates, tmp_path / "model")
    told, _ = run(tmp_path / "model", files["PTLG028"], "-o", tmp_path / "out")
    first, *rest, written = told.splitlines()
    assert rest == ["the safety gate leaves 1 marker: CD4 as measured", "verdict of the safety gate: Safe but for CD4."]
    before, after = (path.read_bytes() for path in (files["PTLG028"], tmp_path / "out" / files["PTLG028"].name))
    if method == "identity":
        assert "corrects nothing in batch PTLG028: cells stay as measured" in first and "events, as measured" in written
        assert before == after
        return
    assert first.endswith("corrects 4 markers: CD3, CD8a, CD14, HLADR")
    measured, mapped = (read(path).to_df() for path in (files["PTLG028"], tmp_path / "out" / files["PTLG028"].name))
    changed = [marker for marker in measured if not measured[marker].equals(mapped[marker])]
    assert sorted(changed) == ["CD14", "CD3", "CD8a", "HLADR"]


@pytest.mark.parametrize("rows", [17, 300])
def test_cells_mapped_a_few_at_a_time_are_the_same_to_the_last_byte(trained, files, tmp_path, monkeypatch, rows):
    read(files["PTLG034"])[:, MARKERS].to_df().to_csv(tmp_path / "a.csv", index=False)
    both = files["PTLG034"], tmp_path / "a.csv"
    for name in ("whole", "parts"):
        run(trained[0], *both, "-o", tmp_path / name, "--batch", "PTLG028")
        monkeypatch.setattr(apply_model, "CELLS", rows)
    for file in both:
        assert (tmp_path / "whole" / file.name).read_bytes() == (tmp_path / "parts" / file.name).read_bytes()


def test_a_larger_file_needs_no_more_memory(still, files, tmp_path):
    events = np.ascontiguousarray(read(files["PTLG034"])[:, MARKERS].X)
    keywords = {f"$P{n}S": marker for n, marker in enumerate(MARKERS, start=1)}
    peaks = []
    for times in (200, 600):  # 4 and 12 MB; of up to 20,000 events the scale of the file is judged
        end = 2048 + times * events.nbytes - 1
        told = {"$TOT": str(times * len(events)), "$ENDDATA": str(end)}
        source = write_fcs(
            tmp_path / f"{times}.fcs",
            [],
            bits=(32,) * len(MARKERS),
            keywords=keywords | told,
            header_offsets=(2048, end),
        )
        with source.open("ab") as file:
            file.write(events.tobytes() * times)
        tracemalloc.start()
        run(still, source, "-o", tmp_path / "out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert read_fcs(tmp_path / "out" / source.name).n_obs == times * len(events)
    assert peaks[1] < peaks[0] + 2_000_000


def test_a_model_of_the_workflow_knows_its_batches(files, tmp_path):
    whole = anndata.concat([cells(path, name) for name, path in files.items()], merge="same", uns_merge="same")
    parts = split(BatchAlignment(cells="blood", reference="PTLG034"), [whole], batch_size=50)
    for name, (x1, x2) in parts.train.items():
        write(x1, tmp_path / "train" / name / "x1.h5ad")
        write(x2, tmp_path / "train" / name / "x2.h5ad")
        write(parts.query[name], tmp_path / "query" / f"{name}.h5ad")
    arm = {"model": "magan", "options": {"residual": True}, "scale": "ranks"}
    places = {name: str(tmp_path / name) for name in ("train", "query", "model", "events", "mapped", "log")}
    params = {"arm": arm, "training": {"steps": 2, "batch_size": 50}, "seeds": [0], "device": "cpu"}
    train_arm(job_of({"task": "batch", "dataset": "blood", "arm": "ranks"}, params, places))
    run(tmp_path / "model", files["PTLG028"], "-o", tmp_path / "out", "--batch", "PTLG028")
    text = flowio.FlowData(str(tmp_path / "out" / files["PTLG028"].name)).text
    assert (text["magan_batch"], text["magan_reference"]) == ("PTLG028", "PTLG034")
    after, mapped = read(tmp_path / "out" / files["PTLG028"].name), anndata.read_h5ad(tmp_path / "mapped")
    both = [name for name in mapped.obs_names if name in after.obs_names]
    assert len(both) > 200
    expected = np.maximum(5 * np.sinh(mapped[both, MARKERS].X.astype(float)), 0)
    np.testing.assert_allclose(after[both, MARKERS].X, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["new.csv", "new.tsv", "new.csv.gz"])
def test_a_table_keeps_its_other_columns_to_the_letter(trained, files, tmp_path, name):
    table = pd.DataFrame(read(files["PTLG034"])[:, [*MARKERS[::-1], "CD19"]].X, columns=[*MARKERS[::-1], "CD19"])
    table["cell_type"], table["CD19"] = "T, B", "1.50"
    source = tmp_path / name
    table.to_csv(source, sep="\t" if ".tsv" in name else ",")
    run(trained[0], source, files["PTLG034"], "-o", tmp_path / "out", "--batch", "PTLG028")
    got = pd.read_csv(tmp_path / "out" / name, sep="\t" if ".tsv" in name else ",", dtype=str, index_col=0)
    assert list(got.columns) == list(table.columns) and set(got["CD19"]) == {"1.50"}
    assert set(got["cell_type"]) == {"T, B"} and list(got.index.astype(int)) == list(range(1000))
    expected = read(tmp_path / "out" / files["PTLG034"].name)[:, MARKERS].X
    np.testing.assert_allclose(got[MARKERS].astype(np.float32), expected, rtol=1e-5, atol=1e-5)
    if name.endswith(".gz"):
        assert gzip.decompress((tmp_path / "out" / name).read_bytes()).startswith(b",HLADR,")


def test_a_table_that_the_map_leaves_alone_is_the_same_text(still, files, tmp_path):
    table = pd.DataFrame(read(files["PTLG034"])[:, MARKERS].X.astype(float), columns=MARKERS)
    table.to_csv(tmp_path / "a.csv", index=False, float_format="%.12f")
    run(still, tmp_path / "a.csv", "-o", tmp_path / "out", "--seed", "0")
    assert (tmp_path / "out" / "a.csv").read_text() == (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("preprocessed", [False, True])
def test_an_h5ad_file_gains_a_layer(trained, files, tmp_path, preprocessed):
    model, aligner = trained
    whole = read(files["PTLG034"])[:, ["CD19", *MARKERS]].copy()
    whole = arcsinh(whole, 5.0) if preprocessed else whole
    whole.write_h5ad(tmp_path / "new.h5ad")
    run(model, tmp_path / "new.h5ad", "-o", tmp_path / "out", "--batch", "PTLG028", "--seed", "0")
    got = anndata.read_h5ad(tmp_path / "out" / "new.h5ad")
    np.testing.assert_array_equal(got.X, whole.X)
    layer = got[:, MARKERS].layers[keys.INTEGRATED]
    np.testing.assert_allclose(layer, aligner.map(cells(files["PTLG034"])).layers["seed_0"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[:, "CD19"].layers[keys.INTEGRATED], np.arcsinh(whole[:, "CD19"].X / 5), rtol=1e-5)
    assert got.uns["magan"]["MAGAN_BATCH"] == "PTLG028" and list(got.obs.columns) == list(whole.obs.columns)


def test_a_panel_names_the_channels_of_a_file(trained, files, tmp_path):
    named = read_fcs(files["PTLG034"])
    wanted = [list(named.var["marker"]).index(m) for m in read(files["PTLG034"])[:, MARKERS].var["marker"]]
    channels = [f"C{i}" for i in range(len(MARKERS))]
    nameless = tmp_path / "nameless.fcs"
    with nameless.open("wb") as file:
        flowio.create_fcs(file, named.X[:, wanted].ravel().tolist(), channels)
    panel = pd.DataFrame({"channel": channels, "marker": MARKERS, "kind": "lineage"})
    panel.to_csv(tmp_path / "panel.csv", index=False)
    batch = ("--batch", "PTLG028")
    _, said = run(trained[0], nameless, "-o", tmp_path / "out", *batch, code=1)
    assert "lacks 5 markers of the model: 'CD3'" in said and said.count("\n") == 1
    run(
        trained[0],
        nameless,
        files["PTLG034"],
        "-o",
        tmp_path / "out",
        *batch,
        "--panel",
        tmp_path / "panel.csv",
        code=1,
    )
    run(trained[0], files["PTLG034"], "-o", tmp_path / "out", *batch)
    one, two = read_fcs(tmp_path / "out" / "nameless.fcs"), read(tmp_path / "out" / files["PTLG034"].name)
    np.testing.assert_array_equal(one.X, two[:, MARKERS].X)


def test_transformed_values_come_back_transformed(mirror, tmp_path):
    """A file of doubles that flowio refuses, in arcsinh units."""
    source, markers = mirror / "wishbone" / "sample_masscyt.fcs", ["CD4", "CD8", "TCRb"]
    half = cells(source, "1", markers, cofactor=None)
    train(tmp_path / "model", {"1": (half[:9000].copy(), half[9000:].copy())}, rate=1e-60)
    run(tmp_path / "model", source, "-o", tmp_path / "out", "--seed", "0")
    np.testing.assert_array_equal(read_fcs(tmp_path / "out" / source.name).X, read_fcs(source).X)


def test_bad_files_are_named_and_the_others_written(still, files, tmp_path):
    torn = tmp_path / "torn.fcs"
    torn.write_bytes(files["PTLG028"].read_bytes()[:50_000])
    strange = write_fcs(tmp_path / "strange.fcs", keywords={"$P1S": "CD3", "$P2S": "HLA-DR"})
    absent = tmp_path / "absent.fcs"
    told, said = run(still, files["PTLG021"], torn, strange, absent, files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [files[n].name for n in ("PTLG021", "PTLG034")]
    assert told.count("\n") == 4 and "Traceback" not in said
    lines = said.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)
    assert "torn.fcs is cut short" in lines[0] and "absent.fcs does not exist" in lines[2]
    assert "strange.fcs lacks 4 markers of the model: 'CD4'" in lines[1]
    assert "'HLADR' (did you mean 'HLA-DR'?); name its channels in a panel table" in lines[1]


def test_a_file_that_is_transformed_already_is_refused(still, files, tmp_path):
    table = pd.DataFrame(cells(files["PTLG034"]).layers[keys.PREPROCESSED], columns=MARKERS)
    table.to_csv(tmp_path / "a.csv", index=False)
    _, said = run(still, tmp_path / "a.csv", "-o", tmp_path / "out", code=1)
    assert "a.csv is not measured as the model's cells were: cofactor is 5.0 but the data looks transformed" in said
    other = arcsinh(read(files["PTLG034"]), 150.0)
    other.write_h5ad(tmp_path / "a.h5ad")
    _, said = run(still, tmp_path / "a.h5ad", "-o", tmp_path / "out", code=1)
    assert "'CD3' was transformed with cofactor 150.0, the model knows 5.0" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "has a map for each of 2 batches; give the batch, it knows PTLG028, PTLG034"),
        (["--batch", "PTLG82"], "the batch 'PTLG82' (did you mean 'PTLG028'?); it knows PTLG028, PTLG034"),
        (["--batch", "PTLG021"], "'PTLG021' (the reference needs no map); it knows PTLG028, PTLG034"),
        (["--batch", "PTLG028", "--seed", "7"], "has no seed '7'; there are consensus, 0, 1"),
        (["--batch", "PTLG028", "--panel", "nowhere.csv"], "panel nowhere.csv does not exist"),
    ],
)
def test_what_cannot_be_asked_of_a_model_is_answered_in_a_sentence(trained, files, tmp_path, options, sentence):
    _, said = run(trained[0], files["PTLG034"], "-o", tmp_path / "out", *options, code=1)
    assert sentence in said and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_overwritten(still, files, tmp_path):
    own = tmp_path / "in" / "a.fcs"
    own.parent.mkdir()
    own.write_bytes(files["PTLG034"].read_bytes())
    (tmp_path / "link").symlink_to(own.parent)
    for folder in (own.parent, tmp_path / "link", own.parent / ".." / "in"):
        _, said = run(still, files["PTLG021"], own, "-o", folder, code=1)
        assert "is one of the files to correct; choose another output folder" in said
    assert own.read_bytes() == files["PTLG034"].read_bytes() and list(own.parent.iterdir()) == [own]
    (tmp_path / "a.fcs").write_bytes(own.read_bytes())
    _, said = run(still, own, tmp_path / "a.fcs", "-o", tmp_path / "out", code=1)
    assert "2 files are called a.fcs" in said


def test_models_that_cannot_correct_files_say_why(files, tmp_path):
    _, said = run(tmp_path / "absent", files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert "absent does not exist; check the path" in said
    one, two = cells(files["PTLG028"]), cells(files["PTLG021"])
    del one.uns[keys.CYTOF]
    train(tmp_path / "model", {"a": (one, two)})
    _, said = run(tmp_path / "model", files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert "was trained on cells without uns['cytof']['cofactor']" in said
    one.uns[keys.CYTOF], two.uns[keys.CYTOF] = {"cofactor": 5.0}, {"cofactor": "none"}
    train(tmp_path / "model", {"a": (one, two)})
    _, said = run(tmp_path / "model", files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert "maps raw counts of 'CD3' to transformed values of an unknown cofactor" in said
    pixels = AnnData(
        np.random.default_rng(0).random((60, 16)).astype(np.float32), uns={keys.IMAGE: {"shape": [1, 4, 4]}}
    )
    train(tmp_path / "model", {"a": (pixels, pixels)})
    _, said = run(tmp_path / "model", files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert "maps images, not cells" in said


def test_counts_stay_at_or_above_zero_and_unchanged_values_are_the_measured_ones():
    measured = np.float32([[0, -1, 7], [3, 2, 123456.7]])
    mapped = transformed(measured, 5.0)
    np.testing.assert_array_equal(raw_corrected(measured, mapped, 5.0), measured)
    lower = raw_corrected(measured, mapped - 3, 5.0)
    assert (lower[:, 0] == 0).all() and (lower[:, 1] < 0).all()
    np.testing.assert_allclose(lower[1, 2], 5 * np.sinh(np.arcsinh(123456.7 / 5) - 3), rtol=1e-5)


def test_a_value_too_far_off_is_refused_and_leaves_no_file(still, files, tmp_path, monkeypatch):
    monkeypatch.setattr(apply_model, "mapped_units", lambda one, x: np.full(x.shape, 99.0, np.float32))
    _, said = run(still, files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert "is not finite in 1000 of 1000 events (5 channels affected)" in said
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_told_by_file(still, files, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fcs_write, "_corrected", full)
    _, said = run(still, files["PTLG034"], "-o", tmp_path / "out", code=1)
    assert said == f"error: {files['PTLG034']} could not be corrected ([Errno 28] No space left on device)\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_is_installed_and_starts_without_torch():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"magan": "magan.cli:app"}
    code = "import sys, magan.cli; assert not {'torch', 'anndata'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_calibrate_names_no_channels_without_a_panel(monkeypatch, tmp_path):
    def calibrate(*arguments):
        raise InputError(f"given {arguments[4]}")

    monkeypatch.setattr("magan.stages.calibrate.calibrate", calibrate)
    (tmp_path / "panel.csv").write_text("channel,marker\nNd142Di,CD19\n")
    line = ["calibrate", "model", "file.fcs", "--batch", "b", "-o", str(tmp_path / "new")]
    assert "given None" in CliRunner().invoke(app, line).output
    assert "CD19" in CliRunner().invoke(app, [*line, "--panel", str(tmp_path / "panel.csv")]).output
