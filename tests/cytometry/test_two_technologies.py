"""The studies of docs/how-to/two-technologies.md, with made cells: read, harmonised and divided into panels."""

import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from fcs_bytes import write as write_fcs

from magan import keys
from magan.cytometry.load import own_cells
from magan.study import parse
from magan.tasks.heldout_markers.folds import split

PAGE = (Path(__file__).parents[2] / "docs/how-to/two-technologies.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
CYTOF = ["CD3", "CD4", "CD8", "CD19", "CD14", "PD-1"]
GENES = {"CD3E": "CD3", "CD4": "CD4", "CD8A": "CD8", "CD19": "CD19", "MS4A1": "CD20", "ACTB": "ACTB"}
LEVELS = np.array(
    [[9, 6, 1, 1, 1, 3], [9, 1, 7, 1, 1, 2], [1, 1, 1, 9, 1, 1], [1, 2, 1, 1, 9, 1]]
)  # of four populations
draw = np.random.default_rng(0)


def cells_of(n: int) -> np.ndarray:
    """Mean counts of six proteins, ``(n, 6)``."""
    return LEVELS[draw.integers(4, size=n)] * draw.gamma(4, 2, (n, 6))


@pytest.fixture(params=BLOCKS, ids=lambda study: study["name"])
def study(request, tmp_path, monkeypatch):
    """A study of the page in a folder with its files."""
    monkeypatch.chdir(tmp_path)
    Path("day1").mkdir()
    rows = []
    for i in (1, 2):
        labels = {f"$P{n}S": marker for n, marker in enumerate(CYTOF, start=1)}
        counts = (5 * cells_of(200)).tolist()
        write_fcs(Path(f"day1/d{i}.fcs"), counts, bits=(32,) * 6, keywords=labels)
        rows.append({"sample": f"donor{i}", "path": f"day1/d{i}.fcs", "batch": "day1", "panel": "cytof"})
    code = re.search(r"```python\n(.*?)```", PAGE, re.S)
    made = code[1].replace("np.random.default_rng(0).poisson(20, (500, 6))", "made")
    assert "made.astype" in made
    exec(made, {"made": draw.poisson(cells_of(500))})  # writes cite.h5ad
    rna = draw.poisson(cells_of(500) / 2)
    rna[:, -1] += 1  # no cell is without a count
    genes = anndata.AnnData(rna.astype(np.float32), var=pd.DataFrame(index=list(GENES)))
    genes.write_h5ad("rna.h5ad")
    mapping = re.search(r"```\n(rna:.*?)```", PAGE, re.S)
    Path("genes.yaml").write_text(mapping[1])
    name = request.param["name"]
    rows.append({"sample": f"{name}1", "path": f"{name}.h5ad", "batch": name, "panel": name})
    pd.DataFrame(rows).to_csv("samples.tsv", sep="\t", index=False)
    return parse(request.param)


def test_the_studies_of_the_page_are_read_and_share_what_the_page_says(study):
    cells = own_cells(study.own_data["blood"], "blood")
    audits = study.panels_to_merge()["blood"].audits("blood")
    assert len(audits) == 2
    parts = split(next(iter(audits.values())), [cells], batch_size=32)
    _, x2 = next(iter(parts.train.values()))
    shared = {"CD3", "CD4", "CD8", "CD19"} | ({"CD14", "PD-1"} if study.name == "cite" else set())
    assert set(parts.train) == shared
    assert "CD279" not in x2.var_names and ("CD20" in x2.var_names) is (study.name == "rna")
    values = cells[cells.obs[keys.PANEL] == study.name, "CD3"].layers[keys.PREPROCESSED]
    assert np.isfinite(values).all() and ((values < 0).any() if study.name == "cite" else (values >= 0).all())
