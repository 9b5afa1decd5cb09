"""SNARE-seq: cells of four lines with RNA and open chromatin measured in the same cell, so all pairs are known."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.panel import annotate
from magan.datasets.download import File
from magan.errors import InputError

URL = "https://raw.githubusercontent.com/rsinghlab/SCOT/14649be6/data"
CELLS = "SNAREseq_metadata.txt"
FEATURES = {"rna": "SNAREseq_rna_feat.npy", "atac": "SNAREseq_atac_feat.npy"}


def snare(domain: str) -> Callable[[Mapping[str, Path]], AnnData]:
    """Return the function that reads a measurement, "rna" or "atac"."""

    def read(paths: Mapping[str, Path]) -> AnnData:
        values = np.load(paths[FEATURES[domain]], allow_pickle=False)
        cells = pd.read_csv(paths[CELLS], sep="\t", dtype=str)
        if len(values) != len(cells):
            raise InputError(
                f"{paths[CELLS]} names {len(cells)} cells but there are {len(values)}; replace it with the original"
            )
        names = [f"{domain}_{i + 1}" for i in range(values.shape[1])]
        obs = pd.DataFrame(
            {
                keys.BATCH: "1",
                keys.SAMPLE: domain,
                keys.CELL_TYPE: cells["CellType"].to_numpy(),
                keys.PAIR: cells["Barcode"].to_numpy(),
            },
            index=domain + ":" + cells["Barcode"].to_numpy(),
        )
        var = pd.DataFrame({keys.CHANNEL: names, keys.MARKER: names}, index=names)
        adata = annotate(AnnData(values.astype(np.float32), obs=obs, var=var), name=f"snare_{domain}")
        adata.layers[keys.PREPROCESSED] = unit_length(values).astype(np.float32)
        adata.uns[keys.CYTOF] = {"cofactor": "none"}
        return adata

    return read


def unit_length(values: np.ndarray) -> np.ndarray:
    """Divide each cell by its Euclidean length, ``(n, M)``, which removes the effect of sequencing depth.

    This follows Demetci et al. 2022, who published these features.
    """
    return values / np.linalg.norm(values, axis=1, keepdims=True)


_SHA256 = {
    "SNAREseq_atac_feat.npy": "80d685b6517c100a7fd612846ad38209b64ed9caf095d1630af5a1d7797bd79c",
    "SNAREseq_rna_feat.npy": "a8a2c2bbfc036dea5b350d01dd2180b93bb3b1c0008bed49493080348da96a9b",
    "SNAREseq_metadata.txt": "4bfd15c9205ff47e4d37bb0f9d7a9efbe9131b6f660a80f8ad22fccb61c87562",
}
SNARE_FILES = {
    domain: tuple(File(name, _SHA256[name], f"{URL}/{name}") for name in (features, CELLS))
    for domain, features in FEATURES.items()
}
