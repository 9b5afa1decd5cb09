"""A file of the training, mapped again without the study, has the workflow's bytes: the model knows how it was read."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from magan import BatchMapper, keys
from magan.cli import app
from magan.config import OwnData
from magan.cytometry.load import own_cells
from magan.stages.atomic_files import write
from magan.stages.correct import correct_files
from magan.stages.judge import judge
from magan.stages.training_files import training_file
from magan.tasks.batch_correction.folds import split
from magan.tasks.batch_correction.settings import BatchAlignment

MARKERS = ["CD3", "CD4", "CD8"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Folder of a corrected study: a panel names channels, an alias a marker, and a file has its own cofactor."""
    folder, draw = tmp_path_factory.mktemp("lab"), np.random.default_rng(0)
    for i, name in enumerate(("a1", "a2", "b1", "b2")):
        scale = 30.0 if name == "b2" else 1.0  # b2 is in other units, which its cofactor says
        cells = draw.gamma(2.0, 8.0 + 2 * i, (300, 3)) * scale
        pd.DataFrame(cells.round(3), columns=["X1", "X2", "X3"]).to_csv(folder / f"{name}.csv", index=False)
    (folder / "panel.csv").write_text("channel,marker,kind\nX1,CD3,lineage\nX2,CD4,lineage\nX3,T8 (Leu2),lineage\n")
    rows = [
        f"{name}\t{name}.csv\t{name[0].upper()}\t{150 if name == 'b2' else ''}" for name in ("a1", "a2", "b1", "b2")
    ]
    (folder / "samples.tsv").write_text("sample\tpath\tbatch\tcofactor\n" + "\n".join(rows) + "\n")
    own = {"sheet": str(folder / "samples.tsv"), "panel": str(folder / "panel.csv"), "aliases": {"T8 (Leu2)": "CD8"}}
    cells = own_cells(OwnData.model_validate(own), "lab")
    one = split(BatchAlignment(cells="lab", reference="A", markers=MARKERS), [cells], batch_size=50)
    ((name, (x1, x2)),) = one.train.items()
    mapper = BatchMapper("monotone").fit([x1], [x2], names=[name])
    mapped = mapper.map(one.query[name])
    mapped.uns |= {keys.METHOD: "monotone", keys.ARM: keys.BASELINE, keys.ERROR: ""}
    files = {part: str(folder / f"{part}.h5ad") for part in ("cells", "truth", "mapped")}
    for place, table in zip(files.values(), (cells, one.truth, mapped)):
        write(table, place)
    for part, table in (("train/B/x1", x1), ("train/B/x2", x2), ("query/B", one.query[name])):
        write(table, folder / f"{part}.h5ad")
    mapper.save(folder / "trained.safetensors")
    made = {"gate": "gate.tsv", "groups": "groups.tsv", "verdict": "verdict.json", "written": "written.h5ad"}
    made |= {"trained": "trained.safetensors", "model": "model.safetensors"}
    files |= {part: str(folder / file) for part, file in made.items()}
    judge(files, {part: str(folder / part) for part in ("train", "query")}, "none", own)
    correct_files("lab", own, files["cells"], files["model"], files["gate"], str(folder / "corrected"))
    return folder


@pytest.mark.parametrize("name", ["b1", "b2"])
def test_a_training_file_is_mapped_to_the_bytes_of_the_workflow(lab, tmp_path, name):
    table = pd.read_csv(lab / "corrected/files.tsv", sep="\t")
    assert table["status"].tolist() == ["reference", "reference", "corrected", "corrected"]
    again = ["map", str(lab / "model.safetensors"), str(lab / f"{name}.csv"), "-o", str(tmp_path)]
    done = CliRunner().invoke(app, again)
    assert done.exit_code == 0, done.output
    written = (lab / f"corrected/files/{name}.csv").read_bytes()
    assert (tmp_path / f"{name}.csv").read_bytes() == written != (lab / f"{name}.csv").read_bytes()


def test_a_file_that_is_no_file_of_the_training_is_read_by_its_own_names(lab, tmp_path):
    later = tmp_path / "b1.csv"
    later.write_text((lab / "b1.csv").read_text() + "1,1,1\n")
    assert training_file(lab / "model.safetensors", later) is None
    done = CliRunner().invoke(app, ["map", str(lab / "model.safetensors"), str(later), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1 and "lacks 3 markers of the model" in done.output
