"""Named data sets of cells, and functions that read their files into AnnData."""

from collections.abc import Mapping
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.arcsinh import arcsinh
from magan.cytometry.combine_files import read_many
from magan.cytometry.gating import gate
from magan.cytometry.read_cells import read
from magan.datasets import originals
from magan.datasets.dataset import DataSet
from magan.datasets.download import Build, File
from magan.datasets.krieg import KRIEG_FILES, krieg_panel3
from magan.datasets.snare_seq import SNARE_FILES, snare
from magan.datasets.toy import three_clusters
from magan.errors import InputError

GITHUB = "https://raw.githubusercontent.com"


def _wishbone(paths: Mapping[str, Path]) -> AnnData:
    return arcsinh(read(paths["sample_masscyt.fcs"], obs={keys.DONOR: "mouse"}), None)


def _huimm(paths: Mapping[str, Path]) -> AnnData:
    adata = read(paths["downsample.fcs"])
    adata.obs[keys.CELL_TYPE] = _labels(paths["labels.csv"], adata.n_obs, header=0)
    return arcsinh(adata, None)


def _huimm_panels(paths: Mapping[str, Path]) -> AnnData:
    """Read HuImm as if its cells were stained with two panels; ``layers["truth"]`` holds all measured values."""
    adata = gate(arcsinh(read(paths["downsample.fcs"]), None), HUIMM_GATES)
    adata.layers[keys.TRUTH] = adata.layers[keys.PREPROCESSED].copy()
    adata.obs[keys.PANEL] = np.where(np.random.default_rng(0).random(adata.n_obs) < 0.5, "A", "B")
    for panel, lacks in (("A", HUIMM_ONLY["B"]), ("B", HUIMM_ONLY["A"])):
        blank = np.ix_((adata.obs[keys.PANEL] == panel).to_numpy(), adata.var_names.get_indexer(pd.Index(lacks)))
        adata.X[blank] = adata.layers[keys.PREPROCESSED][blank] = np.nan
    return adata


def _shaham_p1(paths: Mapping[str, Path]) -> AnnData:
    parts = []
    for day in (1, 2):
        for visit in ("baseline", "3month"):
            stem = f"Person1Day{day}_{visit}"
            sample = {
                keys.BATCH: f"day{day}",
                keys.SAMPLE: f"day{day}_{visit}",
                keys.VISIT: visit,
                keys.DONOR: "person1",
            }
            part = read(paths[f"{stem}.csv"], markers=SHAHAM_MARKERS, obs=sample)
            is_cd8 = _labels(paths[f"{stem}_label.csv"], part.n_obs, header=None) == "1"
            part.obs[keys.CELL_TYPE] = np.where(is_cd8, "CD8", "other")
            parts.append(part)
    adata = anndata.concat(parts)
    adata.var = parts[0].var.copy()
    return arcsinh(adata, 5.0)


def _cytonorm(paths: Mapping[str, Path]) -> AnnData:
    files = []
    for name, path in paths.items():
        _, batch, _, _, control = Path(name).stem.split("_")
        sample = f"control_{control}"
        files.append({"path": path, keys.BATCH: batch, keys.SAMPLE: sample, keys.DONOR: sample, keys.IS_CONTROL: True})
    return gate(arcsinh(read_many(files), 5.0), CYTONORM_GATES)


def _labels(path: Path, n_cells: int, header: int | None) -> np.ndarray:
    """Read the column of labels, a row per cell, ``(n,)``."""
    labels = pd.read_csv(path, header=header, dtype=str).iloc[:, 0].to_numpy()
    if len(labels) != n_cells:
        raise InputError(f"{path} holds {len(labels)} labels for {n_cells} cells; replace it with the original")
    return labels


# Column order of the files, which have no header.
SHAHAM_MARKERS = (
    *("CD45", "CD19", "CD127", "CD4", "CD8a", "CD20", "CD25", "CD278", "TNFa", "TIM3", "CD27", "CD14", "CCR7"),
    *("CD28", "CD152", "FOXP3", "CD45RO", "IFNg", "CD223", "GzB", "CD3", "CD274", "HLADR", "PD1", "CD11b"),
)

# Half of the cells of whole blood are neutrophils, so the first gate removes them. CD19 stains almost every cell of
# these files and separates no population, so B cells are HLADR+ cells that are not monocytes, T, NK or dendritic cells.
CYTONORM_GATES = {
    "neutrophil": "CD15+ CD16+ CD3- CD14-",
    "CD4 T": "CD3+ CD4+ CD8a-",
    "CD8 T": "CD3+ CD8a+ CD4-",
    "monocyte": "CD14+ CD11b+",
    "B": "HLADR+ CD11c- CD7- CD3-",
    "NK": "CD7+ CD3- HLADR-",
}

# Markers that only one of HuImm's two panels has, and gates for its populations by shared markers.
HUIMM_ONLY = {
    "A": ["CD45RA", "CD27", "CD28", "CD20", "CD38", "CD123"],
    "B": ["CD45RO", "CD197", "CD57", "CD161", "TCRgd", "CD294"],
}
HUIMM_GATES = {
    "CD4 T": "CD3+ CD4+ CD8a-",
    "CD8 T": "CD3+ CD8a+ CD4-",
    "other T": "CD3+",
    "B": "CD19+",
    "monocyte": "CD14+ CD11c+",
    "NK": "CD56+ HLA-DR-",
    "CD14- myeloid": "HLA-DR+ CD11c+",
}

SHAHAM = f"{GITHUB}/ushaham/BatchEffectRemoval/89d13ab7/Data"
HUIMM = f"{GITHUB}/liupeng2117/CyTOF-review-paper-data-and-code-/2d2406b3/data"

CELLS = {
    dataset.name: dataset
    for dataset in (
        DataSet(
            name="wishbone",
            kind="cells",
            files=(
                File(
                    "sample_masscyt.fcs",
                    "abc942fcee5d81a5f85c1f6e6ba53fb17ed10cd032119ca6f4b4a074cefe0afe",
                    f"{GITHUB}/ManuSetty/wishbone/7023ce38/data/sample_masscyt.fcs",
                ),
            ),
            licence="GPL-2.0",
            citation="Setty et al. 2016, Nature Biotechnology 34:637",
            state="transformed",
            load=_wishbone,
        ),
        DataSet(
            name="huimm",
            kind="cells",
            files=(
                File(
                    "downsample.fcs",
                    "8c29213b7e160a5255e2869d104777e8222eb31a3dbe262a6447f0f223dbcc46",
                    f"{HUIMM}/downsample.fcs",
                ),
                File(
                    "labels.csv",
                    "b6af30c6d452d63f8e9db91a27032b5880fd9b8c9a14120fda258ee5d40b2daa",
                    build=Build(
                        (File("ref_label_downsample.Rdata", None, f"{HUIMM}/ref_label_downsample.Rdata"),),
                        originals.huimm_labels,
                    ),
                ),
            ),
            licence="none stated",
            citation="Liu et al. 2020, Frontiers in Cell and Developmental Biology 8:234",
            state="transformed",
            load=_huimm,
        ),
        DataSet(
            name="huimm_panels",
            kind="cells",
            files=(
                File(
                    "downsample.fcs",
                    "8c29213b7e160a5255e2869d104777e8222eb31a3dbe262a6447f0f223dbcc46",
                    f"{HUIMM}/downsample.fcs",
                ),
            ),
            licence="none stated",
            citation="Liu et al. 2020, Frontiers in Cell and Developmental Biology 8:234",
            state="transformed",
            load=_huimm_panels,
            of="huimm",
        ),
        DataSet(
            name="shaham_p1",
            kind="cells",
            files=tuple(
                File(f"Person1{path}.csv", sha256, f"{SHAHAM}/Person1{path}.csv")
                for path, sha256 in {
                    "Day1_3month": "671a161efe364a9532e19e0db39afa94c37d969a7825b39379a1c85227fcc838",
                    "Day1_3month_label": "b7d5a40863393e27031c011be3eb0c6c6ee085f487e7d34ebda27f5e5a51b176",
                    "Day1_baseline": "6420db8fba69b62774c6e7a2669d9b7cbe8dd12553b752a6798bc2faa45b5d8c",
                    "Day1_baseline_label": "c891ddf3e57e4222ea92ccb2e4255dd5705ce7b9cf2c0138e8c3f4223e9881fc",
                    "Day2_3month": "46005dcc046963172fd567ef2dd7e170898c62efc6209fc19c890aafb983ddf9",
                    "Day2_3month_label": "75a11a25918c21607fecdac3cbc840234c8f52b8893b22d805da66c6bb29388d",
                    "Day2_baseline": "a9710f0a9a0e3c996e1a741d7f7a35dafcfa805ab630c3259c06dfae73c50f96",
                    "Day2_baseline_label": "f6ba066bba6c1b934f0ac60475e1da8802b699994592aef200de66d751150df7",
                }.items()
            ),
            licence="MIT",
            citation="Shaham et al. 2017, Bioinformatics 33:2539",
            state="raw",
            load=_shaham_p1,
        ),
        DataSet(
            name="cytonorm",
            kind="cells",
            files=(
                File(
                    "Gates_PTLG021_Unstim_Control_1.fcs",
                    "852c6c346168e4e39e7d990729d41aa6cd53d0794debeb73bc396292678f58b8",
                ),
                File(
                    "Gates_PTLG021_Unstim_Control_2.fcs",
                    "53e2e57ef6a2c376ab43ce18b096e16d3043b1ea48c6a990b4fb2d08b6166bcd",
                ),
                File(
                    "Gates_PTLG028_Unstim_Control_1.fcs",
                    "78b8d9afab4e79e72b6efe8c4f4e50e452ec82936481de1b7056b2f11d88dcb1",
                ),
                File(
                    "Gates_PTLG028_Unstim_Control_2.fcs",
                    "d299ad706a5d643b2bc3ac4b49899a76b7cd2f6bc214a1fe6c1f4aada14b04f4",
                ),
                File(
                    "Gates_PTLG034_Unstim_Control_1.fcs",
                    "413a942f6fd62a0743c65fd3b3cbe5f5952771bfefcfa898f6a5dfa54ca59d43",
                ),
                File(
                    "Gates_PTLG034_Unstim_Control_2.fcs",
                    "2b7c0a98b1ac11f9198a1e04f6193383226c92e9ac396fc393a6bf36b9a185cd",
                ),
            ),
            licence="GPL-3.0 (README of cytonormpy; its classifier says MIT)",
            citation="Van Gassen et al. 2020, Cytometry Part A 97:268",
            state="raw",
            load=_cytonorm,
            package="cytonormpy",
        ),
        DataSet(
            name="krieg_panel3",
            kind="cells",
            files=KRIEG_FILES,
            licence="MIT (package iMUBAC)",
            citation="Krieg et al. 2018, Nature Medicine 24:144",
            state="raw",
            load=krieg_panel3,
        ),
        *(
            DataSet(
                name=f"snare_{domain}",
                kind="cells",
                files=files,
                licence="MIT (repository SCOT)",
                citation="Chen et al. 2019, Nature Biotechnology 37:1452; features of Demetci et al. 2022, "
                "Journal of Computational Biology 29:3",
                state="transformed",
                load=snare(domain),
                of="snare",
            )
            for domain, files in SNARE_FILES.items()
        ),
        DataSet(
            name="three_clusters",
            kind="cells",
            files=(),
            licence="numbers drawn by this package",
            citation="Amodio and Krishnaswamy 2018, ICML, PMLR 80:215",
            state="transformed",
            load=lambda paths: three_clusters(),
        ),
    )
}
