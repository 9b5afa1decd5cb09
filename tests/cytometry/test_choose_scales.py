"""Which scale a study, a sheet and the data give to each marker, and raw fluorescence from files to files again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from fcs_bytes import write
from flowutils import transforms
from typer.testing import CliRunner

from magan import config, keys
from magan.aligner import Aligner
from magan.batch_mapper import BatchMapper
from magan.cli import app
from magan.config import Training
from magan.correction import correction
from magan.cytometry.arcsinh import arcsinh, channel_values, cofactors
from magan.cytometry.choose_scales import scale_hint, scales_of_file
from magan.cytometry.fcs_read import open_fcs, read_fcs
from magan.cytometry.load import load_files, own_cells, scale_asked
from magan.cytometry.panel import annotate
from magan.cytometry.transforms import scale_of
from magan.errors import InputError
from magan.stages.apply_model import correct

SPILL = np.array([[1, 0.3, 0.02], [0.05, 1, 0.1], [0, 0.01, 1]])
NAMES = ("BV421-A", "PE-A", "APC-A")


def light(seed, n=600):
    """Three dyes, each with a negative and a bright population, noise below zero included."""
    draw = np.random.default_rng(seed)
    bright = draw.random((n, 3)) < 0.5
    return np.where(bright, draw.lognormal(9, 0.4, (n, 3)), 0) + draw.normal(0, 120, (n, 3)) * (1 + seed / 10)


def flow(path, seed, **keywords):
    names = {f"$P{i}N": name for i, name in enumerate(("FSC-A", *NAMES), start=1)}
    labels = {f"$P{i}S": label for i, label in enumerate(("", "CD3", "CD4", "CD8"), start=1)}
    ranges = {f"$P{i}R": "262144" for i in range(1, 5)}
    spill = {"$SPILLOVER": ",".join(["3", *NAMES, *map(str, SPILL.ravel())])}
    x = np.column_stack([np.full(600, 5e4), light(seed) @ SPILL])
    return write(path, x.tolist(), bits=(32,) * 4, keywords=names | labels | ranges | spill | keywords)


@pytest.fixture
def rows(tmp_path):
    """Two batches of raw fluorescence."""
    return [
        {"path": str(flow(tmp_path / f"{name}.fcs", seed)), "batch": batch, "sample": name}
        for seed, (name, batch) in enumerate([("a", "1"), ("b", "2"), ("c", "2")])
    ]


def test_a_logicle_is_estimated_once_for_all_files(rows):
    adata = load_files(rows, cofactor="logicle")
    each = cofactors(adata)
    assert each == cofactors(adata[adata.obs["batch"] == "1"]) and adata.uns[keys.CYTOF] == {"cofactor": "per marker"}
    for i, marker in enumerate(("CD3", "CD4", "CD8")):
        x = np.concatenate([light(seed)[:, i] for seed in range(3)])
        p = dict(scale_of(each[marker]).parameters)
        expected = (4.5 - np.log10(262144 / -np.percentile(x[x < 0], 5))) / 2
        assert p["t"] == 262144 and p["w"] == pytest.approx(expected, abs=1e-3)
        units = transforms.logicle(x, None, **p)
        np.testing.assert_allclose(adata.obs_vector(marker, layer=keys.PREPROCESSED), units, atol=1e-5)


def test_rows_of_the_sheet_come_before_the_study(rows):
    rows[0] |= {"cofactor": "150"}
    for row in rows[1:]:
        row["transform"] = "logicle(t=262144, w=0.8)"
    adata = load_files(rows, cofactor=5.0)
    one, two = (adata[adata.obs["batch"] == batch] for batch in "12")
    assert cofactors(one)["CD3"] == 150.0 and cofactors(two)["CD4"] == "logicle(t=262144.0, w=0.8, m=4.5, a=0.0)"
    assert cofactors(adata) == {}
    np.testing.assert_allclose(one.layers[keys.PREPROCESSED][:, 1], np.arcsinh(one.X[:, 1] / 150), rtol=1e-5)
    rows[2] |= {"transform": "none"}
    with pytest.raises(InputError, match=r"c\.fcs: cofactor is none but the data looks raw"):
        load_files(rows)


def test_files_of_a_batch_may_be_on_different_scales_and_go_back_to_their_own(rows, tmp_path):
    """A file that was exported in arcsinh units is beside raw ones, and comes out in these units."""
    c = tmp_path / "c.csv"
    read_fcs(rows[2]["path"])[:, list(NAMES)].to_df().set_axis(["CD3", "CD4", "CD8"], axis=1).pipe(
        lambda x: np.arcsinh(x / 150)
    ).to_csv(c, index=False)
    rows[2] |= {"path": str(c), "cofactor": "none"}
    adata = load_files(rows, cofactor=150.0, leave_out=True)
    two = adata[adata.obs["batch"] == "2"]
    assert cofactors(two)["CD3"] == 150.0 == cofactors(adata)["CD3"]
    own = scales_of_file(adata.uns[keys.CYTOF], str(c))
    assert own["CD3"] == "none" and scales_of_file(adata.uns[keys.CYTOF], str(rows[1]["path"])) is None
    first, second = (x[:, ["CD3", "CD4", "CD8"]].copy() for x in (two, adata[adata.obs["batch"] == "1"]))
    mapper = BatchMapper("zscore").fit([first], [second], names=["2"])
    mapper.save(tmp_path / "model.safetensors")
    one = correction(tmp_path / "model.safetensors")
    correct(replace(one, scales=own), c, tmp_path / "out.csv")
    rows_of_c = two.obs["sample"] == "c"
    units = np.asarray(mapper.map(first[rows_of_c.to_numpy()].copy()).X)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "out.csv").to_numpy(), units, rtol=1e-4, atol=1e-4)
    assert np.abs(units - first.layers[keys.PREPROCESSED][rows_of_c]).max() > 0.01


def test_each_marker_has_the_transform_that_the_study_gives(rows):
    own = config.OwnData(
        files=[{key: row[key] for key in ("path", "batch", "sample")} for row in rows],
        cofactor=150,
        transform={"CD4": "logicle", "CD8": "arcsinh(cofactor=20)"},
    )
    found = cofactors(own_cells(own, "flow"))
    assert (found["CD3"], found["CD8"]) == (150.0, 20.0) and found["CD4"].startswith("logicle(t=262144.0, w=")


@pytest.mark.parametrize(
    "said", [{"cofactor": "none"}, {"cofactor": None}, {"transform": "none"}, {"transform": "null"}]
)
def test_none_and_null_both_say_that_values_are_transformed(tmp_path, said):
    asked = scale_asked(config.OwnData(files=[{"path": "a.fcs"}], **said))
    assert scale_of(asked).name == "none"


def table(x, channels):
    var = pd.DataFrame({keys.CHANNEL: channels, keys.MARKER: [f"CD{i}" for i in range(1, 4)]}, index=channels)
    return annotate(AnnData(np.asarray(x, np.float32), var=var))


@pytest.mark.parametrize(
    ("channels", "scale", "asked", "message"),
    [
        (NAMES, 1, 5.0, "as fluorescence does, but the cofactor 5 is one of mass cytometry; 150 is customary"),
        (NAMES, 1, 150.0, ""),
        (NAMES, 1, "logicle(t=262144, w=1)", ""),
        (("Nd142Di", "Er170Di", "Yb174Di"), 0.01, 150.0, "the cofactor 150 is one of fluorescence; 5 is customary"),
        (("Nd142Di", "Er170Di", "Yb174Di"), 0.01, 5.0, ""),
    ],
)
def test_a_cofactor_of_another_kind_of_cytometer_is_doubted(channels, scale, asked, message):
    found = scale_hint(arcsinh(table(light(0) * scale * 3, channels), asked))
    assert message in found if message else found == ""


def test_channel_values_of_flowjo_are_known_and_allowed_as_they_are():
    p = {"t": 262144, "w": 0.8, "m": 4.5, "a": 0}
    x = np.rint(np.clip(transforms.logicle(light(0), None, **p), 0, 1) * 1023)
    cells = table(x, NAMES)
    assert channel_values(x) and arcsinh(cells, None).uns[keys.CYTOF] == {"cofactor": "none"}
    assert scale_hint(arcsinh(cells, None)) == ""
    assert "FlowJo's channel values" in scale_hint(arcsinh(cells, 5.0))
    counts = np.rint(np.random.default_rng(0).gamma(0.3, 80, (600, 3)).clip(0, 1023))
    assert not channel_values(counts) and not channel_values(light(0))
    with pytest.raises(InputError, match="looks raw"):
        arcsinh(table(counts, NAMES), None)


def test_raw_fluorescence_is_corrected_on_a_logicle_and_goes_back_raw(rows, tmp_path):
    """Compensated, put on a scale, mapped, and all of it undone: an idle model gives the bytes back."""
    adata = load_files(rows, cofactor="logicle")[:, ["CD3", "CD4", "CD8"]].copy()
    parts = [adata[adata.obs["batch"] == batch].copy() for batch in "12"]
    still, model = tmp_path / "still", tmp_path / "model"
    for path, rate, scale in ((still, 1e-60, "none"), (model, 0.02, "each")):
        training = Training(steps=30, batch_size=100, learning_rate=rate)
        shape = {"residual": True, "generator_hidden": [8], "discriminator_hidden": [8]}
        aligner = Aligner("magan", scale=scale, training=training, seeds=(0,), device="cpu", options=shape)
        aligner.fit(*parts, names=["1"]).save(path)
    source = tmp_path / "a.fcs"
    before = open_fcs(source)
    correct(correction(still, seed="0"), source, tmp_path / "same.fcs")
    assert open_fcs(tmp_path / "same.fcs").stored(0, 600).tobytes() == before.stored(0, 600).tobytes()
    one = correction(model, seed="0")
    correct(one, source, tmp_path / "out.fcs")
    mapped = Aligner.load(model).map(parts[0]).layers["seed_0"]
    values = np.column_stack([scale_of(spec).inverse(mapped[:, i]) for i, spec in enumerate(one.after)])
    np.testing.assert_allclose(read_fcs(tmp_path / "out.fcs").X[:, 1:], values, rtol=2e-3, atol=1)
    np.testing.assert_allclose(open_fcs(tmp_path / "out.fcs").stored(0, 600)[:, 1:], values @ SPILL, rtol=2e-3, atol=1)
    assert np.abs(values - light(0)).mean() > 10
    assert open_fcs(tmp_path / "out.fcs").keywords["magan_compensation"] == "$SPILLOVER"
    told = map_files(model, source, "-o", tmp_path / "stay", "--stay-compensated")
    stay = open_fcs(tmp_path / "stay/a.fcs")
    assert "600 events, 3 markers" in told and stay.keywords["spillover"].endswith("1,0,0,0,1,0,0,0,1")
    np.testing.assert_allclose(stay.stored(0, 600)[:, 1:], read_fcs(tmp_path / "out.fcs").X[:, 1:], rtol=1e-4, atol=0.1)
    map_files(model, source, "-o", tmp_path / "none", "--compensation", "none")
    assert "magan_compensation" not in open_fcs(tmp_path / "none/a.fcs").keywords
    assert "has no data set 2" in map_files(model, source, "-o", tmp_path / "none", "--data-set", "2", code=1)
    assert "trust is 'text'; write header" in map_files(
        model, source, "-o", tmp_path / "none", "--trust", "text", code=1
    )


def map_files(model, *arguments, code=0):
    done = CliRunner().invoke(app, ["map", str(model), *map(str, arguments), "--seed", "0"])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_check_says_what_is_done_to_fluorescence_and_what_cannot_be(rows, tmp_path):
    sheet = tmp_path / "sheet.csv"
    pd.DataFrame(rows).to_csv(sheet, index=False)

    def told(*options, code):
        done = CliRunner().invoke(app, ["check", str(sheet), *options])
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    said = told(code=0)
    assert (
        "a.fcs (and 2 more files) holds a spillover matrix ($SPILLOVER, 3 channels, largest off-diagonal 0.3)" in said
    )
    assert "as fluorescence does, but the cofactor 5 is one of mass cytometry" in said
    said = told("--transform", "logicle", "--compensation", "none", code=0)
    assert (
        "which is not applied, as compensation is none" in said and "cofactor" not in said.split("To be considered")[1]
    )
    assert "there is no scale 'logical'" in told("--transform", "logical", code=1)
    flow(tmp_path / "b.fcs", 1, **{"$SPILLOVER": None})
    assert "2 files are compensated" in (said := told(code=1)) and "Not ready" in said
    with pytest.raises(InputError, match="flow: 2 files are compensated"):  # the run says the same
        own_cells(config.OwnData(sheet=str(sheet)), "flow")
