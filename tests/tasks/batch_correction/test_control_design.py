"""Controls in some batches, different controls in different batches, none, and markers that they do not stain."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from typer.testing import CliRunner

from magan import keys
from magan.batch_mapper import BatchMapper
from magan.cli import app
from magan.errors import InputError
from magan.stages.method import Folds, fitted, with_unstained
from magan.tasks.batch_correction.control_design import sentences
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.settings import BatchAlignment

MARKERS = ["CD3", "CD4", "CD19", "IFNg"]
CHAIN = {"1": "A", "2": "A", "3": "A", "4": "A", "6": "AB", "5": "B"}
# Populations of a sample in arcsinh units; controls A and B hold them in unlike shares.
CENTRES = np.array([[4.0, 4.0, 0.5, 1.0], [4.0, 0.5, 0.5, 1.0], [0.5, 0.5, 4.0, 1.0]])
SHARES = {"A": (0.5, 0.3, 0.2), "B": (0.2, 0.3, 0.5), "patient": (0.4, 0.3, 0.3)}


def effect(batch: str, values: np.ndarray) -> np.ndarray:
    """The planted gain and shift of a batch; batch 1 has none."""
    random = np.random.default_rng(int(batch))
    gain, shift = random.uniform(0.8, 1.25, 4), random.uniform(-0.2, 0.6, 4)
    return values if batch == "1" else values * gain + shift


def drawn(who: str, n: int, random: np.random.Generator) -> np.ndarray:
    values = CENTRES[random.choice(3, n, p=SHARES[who])] + random.normal(0, 0.3, (n, 4))
    if who == "patient":  # a tenth makes a cytokine that no control makes
        values[: n // 10, 3] += 3
    return values


def study(controls: dict[str, str], n: int = 400) -> AnnData:
    """A file of a patient and of each control in every batch; ``layers["clean"]`` has no batch effect."""
    random = np.random.default_rng(7)
    parts = [(batch, who) for batch, named in controls.items() for who in ("patient", *named)]
    clean = [drawn(who, n, random) for _, who in parts]
    obs = pd.DataFrame(
        {
            keys.BATCH: np.repeat([batch for batch, _ in parts], n),
            keys.SAMPLE: np.repeat([f"{who}_{batch}" for batch, who in parts], n),
            keys.DONOR: np.repeat(["unknown" if who == "patient" else who for _, who in parts], n),
            keys.IS_CONTROL: np.repeat([who != "patient" for _, who in parts], n),
        },
        index=[f"c{i}" for i in range(n * len(parts))],
    )
    values = np.concatenate([effect(batch, x) for (batch, _), x in zip(parts, clean)]).astype(np.float32)
    adata = AnnData(values, obs=obs, layers={keys.PREPROCESSED: values, "clean": np.concatenate(clean)})
    adata.var_names = MARKERS
    adata.var[keys.TO_CORRECT] = True
    adata.uns[keys.CYTOF] = {"cofactor": 5.0}
    return adata


def parts(adata: AnnData, **asked):
    settings = BatchAlignment(cells="x", **{"reference": "1", "train": {"is_control": True}, **asked})
    return split(settings, [adata], 2)


def mapped(found, method: str = "monotone", path: Path | None = None) -> dict[str, np.ndarray]:
    """The mapped query of each batch, through a saved model where there is a path."""
    data = Folds({name: tuple(domains) for name, domains in found.train.items()}, dict(found.query))
    mapper = fitted(BatchMapper(method), data)
    if path:
        mapper.save(path)
        mapper = BatchMapper.load(path)
    folds = {name: mapper.map(x, mapper.names_.index(name)) for name, x in data.queries.items()}
    return {n: with_unstained(x, data.queries[n], data.domains[n][0]).X for n, x in folds.items()}


@pytest.fixture(scope="module")
def chained() -> AnnData:
    return study(CHAIN)


def test_batches_that_share_no_control_are_mapped_in_steps_and_the_planted_effects_are_undone(chained, tmp_path):
    found = parts(chained)
    assert [len(found.train[name]) for name in "23456"] == [2, 2, 2, 4, 2]
    for x, (batch, control) in zip(found.train["5"], [("5", "B"), ("6", "B"), ("6", "A"), ("1", "A")]):
        assert set(x.obs[keys.BATCH]) == {batch} and set(x.obs[keys.SAMPLE]) == {control}
    told = sentences(found.truth.uns[keys.DESIGN])
    assert told[0] == "Batch 5 is mapped in 2 steps: to batch 6 by control B, then to batch 1 by control A."
    after = mapped(found, path=tmp_path / "model.safetensors")
    for name, values in after.items():
        query = found.query[name]
        clean = chained[query.obs_names].layers["clean"]
        # 400 control cells tell the curve to .1 arcsinh units.
        assert np.abs(values - clean)[:, :3].mean() < 0.1
        assert np.abs(query.layers[keys.PREPROCESSED] - clean)[:, :3].mean() > 0.15


def test_a_marker_that_a_control_does_not_stain_stays_as_measured_and_is_said(chained):
    found = parts(chained)
    table = found.truth.uns[keys.DESIGN]
    assert (table[keys.NOT_STAINED] == "IFNg").all()
    assert sentences(table)[1:] == [
        "IFNg stays as measured in batches 2, 3, 4, 6: control A does not stain it.",
        "IFNg stays as measured in batch 5: control B or A does not stain it.",
    ]
    assert all(list(x.var_names) == MARKERS[:3] for domains in found.train.values() for x in domains)
    for name, values in mapped(found).items():
        np.testing.assert_array_equal(values[:, 3], found.query[name].layers[keys.PREPROCESSED][:, 3])
    few = chained.copy()  # too few distinct values, among controls alone
    few.layers[keys.PREPROCESSED][few.obs[keys.IS_CONTROL], 1] //= 1
    assert set(parts(few).truth.uns[keys.DESIGN][keys.NOT_STAINED]) == {"CD4, IFNg"}


def test_the_median_reference_is_one_from_which_all_batches_are_linked_in_fewest_steps(chained):
    found = parts(chained, reference="median")
    assert found.truth.uns[keys.REFERENCE] == "6" and all(len(domains) == 2 for domains in found.train.values())
    assert BatchAlignment(cells="x").reference == "median"


def test_a_batch_without_a_control_is_mapped_by_its_samples_and_none_of_their_training_cells_is_scored():
    adata = study({"1": "A", "2": "A", "7": ""})
    found = parts(adata)
    x1, x2 = found.train["7"]
    assert set(x1.obs[keys.SAMPLE]) == {"patient_7"} and set(x2.obs[keys.SAMPLE]) == {"patient_1"}
    assert not set(found.truth.obs_names) & {*x1.obs_names, *x2.obs_names}
    assert set(found.truth.obs_names) | {*x1.obs_names, *x2.obs_names} >= set(
        adata.obs_names[~adata.obs[keys.IS_CONTROL] & (adata.obs[keys.BATCH] != "2")]
    )
    told = sentences(found.truth.uns[keys.DESIGN])
    assert told[0] == "Batch 7 has no control: it is mapped by the cells of its samples."
    assert np.abs(mapped(found)["7"] - adata[found.query["7"].obs_names].layers["clean"])[:, :3].mean() < 0.15


@pytest.mark.parametrize(
    ("controls", "asked", "sentence"),
    [
        ({"1": "A", "2": "A", "3": "A", "4": "B", "5": "B"}, {},
         r"do not link all batches \(control A only in batches 1, 2, 3, control B only in batches 4, 5\): measure"),
        ({"1": "", "2": "A", "3": "A"}, {}, "reference batch '1' has no control; name one of 2, 3, or give median"),
        ({"1": "A", "2": "A", "7": ""}, {"test": {"is_control": False}},
         "batch '7' has no control.*batch '1' has none that is neither a control nor a test cell"),
        (CHAIN, {"arms": {"net": {"model": "magan"}}}, "arm 'net' is a network and cannot map batch '2'"),
    ],
)  # fmt: skip
def test_designs_that_cannot_be_are_refused_with_the_reason(controls, asked, sentence):
    with pytest.raises(InputError, match=sentence):
        parts(study(controls, n=80), **asked)


def test_controls_in_unlike_shares_count_alike_on_both_sides():
    adata = study({"1": "AB", "2": "AB"}, n=90)
    lost = (adata.obs[keys.SAMPLE] == "A_2").to_numpy() & (np.arange(adata.n_obs) % 3 > 0)
    x1, x2 = parts(adata[~lost].copy()).train["2"]
    counts = [x.obs[keys.SAMPLE].value_counts().to_dict() for x in (x1, x2)]
    assert counts[0] == counts[1] == {"A": 30, "B": 90}


@pytest.mark.parametrize(
    ("controls", "sentences"),
    [
        (CHAIN, ["Batch 5 is mapped in 2 steps"]),
        ({"1": "A", "2": "A", "3": "B", "4": "B"}, ["(magan correct --controls) would stop: controls do not link all"]),
        ({"1": "A", "2": "A", "7": ""}, ["No control is in batch 7.", "Batch 7 has no control: it is mapped by the"]),
    ],
)
def test_check_says_how_controls_link_the_batches(controls, sentences, tmp_path):
    adata = study(controls, n=150)
    lines = []
    for sample in adata.obs[keys.SAMPLE].unique():
        rows = adata[adata.obs[keys.SAMPLE] == sample]
        pd.DataFrame(5 * np.sinh(rows.X), columns=MARKERS).to_csv(tmp_path / f"{sample}.csv", index=False)
        first = rows.obs.iloc[0]
        lines.append(f"{sample}\t{sample}.csv\t{first['batch']}\t{first['donor']}\t{first['is_control']}\n")
    (tmp_path / "sheet.tsv").write_text("sample\tpath\tbatch\tdonor\tis_control\n" + "".join(lines))
    if "5" in controls:  # the reference is a batch that both controls were measured in: no chain is needed
        (tmp_path / "study.yaml").write_text(
            f"name: x\ntitle: x\nown_data: {{x: {{sheet: {tmp_path}/sheet.tsv}}}}\n"
            "batch: {x: {cells: x, reference: '1', train: {is_control: true}, baselines: [identity]}}\n"
        )
    asked = "study.yaml" if "5" in controls else "sheet.tsv"
    result = CliRunner().invoke(app, ["check", str(tmp_path / asked)])
    assert all(sentence in result.stdout for sentence in sentences), result.stdout
