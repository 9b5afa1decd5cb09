"""Blood of melanoma patients and healthy donors in two batches: the example of files with a sample sheet."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from anndata import AnnData

from magan import keys
from magan.cytometry.combine_files import gather, stack, transform
from magan.datasets.download import File

URL = "https://raw.githubusercontent.com/casanova-lab/iMUBAC/a31ad08e/inst"


def krieg_panel3(paths: Mapping[str, Path]) -> AnnData:
    """Read the 30 files as their sheet describes them; donors differ between the batches Data23 and Data29."""
    sheet = pd.read_csv(paths["Metadata.csv"], dtype=str).set_index("file_name")
    rows = [
        {"path": paths[str(file)], keys.SAMPLE: row.donor_id, keys.BATCH: row.batch, keys.DONOR: row.donor_id,
         keys.GROUP: row.group}
        for file, row in sheet.iterrows()
    ]  # fmt: skip
    files = gather(rows)
    cytof = transform(files, 5.0)
    adata = stack(files)
    adata.uns[keys.CYTOF] = cytof
    return adata


_SHA256 = {
    "Data23_Panel3_base_HD1.fcs": "41ea082d0f91f4b291740380c1f9580fea78e3083236a04bfbbdc2b428f24114",
    "Data23_Panel3_base_HD2.fcs": "c0aef152f81a761cfce9f92cd94181e57ba6e90ad252efc1b79c7a6623d4c405",
    "Data23_Panel3_base_HD3.fcs": "cfdfe0ba1244dbb57526aa6fee7f352bc73ca4810542c5e76060f25bcda16583",
    "Data23_Panel3_base_HD4.fcs": "7d86fc0f3fb1e6a51a23364d882c7a5f35d599d4c4add938d6caa7856d77ebc5",
    "Data23_Panel3_base_HD5.fcs": "6dec9900810e1d797a0b3cb0aa7ace9dd93bbc83c5b32bc0fed7fd8ac0605806",
    "Data23_Panel3_base_NR1.fcs": "3ac5e2afe76bf7a24e78d1701c4e0cfb89edbf4f76798485805c6f53f039e35e",
    "Data23_Panel3_base_NR2.fcs": "6502a0628ee0d112700b4b4b2fce99886fbc177074bf2fe477e674961f0ea343",
    "Data23_Panel3_base_NR3.fcs": "48c72bc6bb6645bbe27660e33227d474387bc14d11f22420a383f4cfc9d9a73c",
    "Data23_Panel3_base_NR4.fcs": "85f6a474f947fce8b0fb51ddd60d95ef4a351e5bd66854433354e74197844c66",
    "Data23_Panel3_base_NR5.fcs": "b973251c9c8bcb1ec244d2e91cea28649b8e45b338f36e8017d7063991c71819",
    "Data23_Panel3_base_R1.fcs": "0f3f835ea4ed4880e021ca1948aff74a966ab68d9a421f6e38ebef0790793194",
    "Data23_Panel3_base_R2.fcs": "2409ad4a58a6ad4c7def7969574046d9f98075784b4f470a1d3f1e4e2afa2d6f",
    "Data23_Panel3_base_R3.fcs": "7897d0e18c9f2752642ad45f0d6235f4103a8a1e00e54453211236a527e6d876",
    "Data23_Panel3_base_R4.fcs": "5d70d9c0812c90379826ca5570d2cac4b47b472d8cc2c1bf0fe1f2f07890f1db",
    "Data23_Panel3_base_R5.fcs": "f724f65c6a6e154c3602fda912ecc06a97da721ec296a0109efacd45691cc894",
    "Data29_Panel3_base_HD6.fcs": "3261c7778e159db1a1820924b9da487fb53204cc7e84abd9533df3091835369d",
    "Data29_Panel3_base_HD7.fcs": "597d52c69677af8e7d88f47a90ac244756a923e36e4b59d039bb63901ddd5d34",
    "Data29_Panel3_base_HD8.fcs": "75846207dc06914d9a113a7d46bb5f2d5b0b8f0124057a93a8c935b3a1be4796",
    "Data29_Panel3_base_HD9.fcs": "c2a890ccbbb98066963d96ac7469aafb55ae255b341b13d637bd21da86e87873",
    "Data29_Panel3_base_HD10.fcs": "e6e7564258fead0e1f87b2ff220bce96fa60a9190524195584f0fb5432121e9d",
    "Data29_Panel3_base_NR6.fcs": "9a8327b32e5cfee57806447e7e6e99d93f8410d5cf573d5b3b2ea4a3c8cb4f9e",
    "Data29_Panel3_base_NR7.fcs": "c000bbfc29717ad9563d986c3cb070f4d469bc306593393e95c88cbf637e7439",
    "Data29_Panel3_base_NR8.fcs": "69ba58797b03965d8b0db8bd0e8083f7d203c8eb3a6db1f6e0a31578937c9139",
    "Data29_Panel3_base_NR9.fcs": "f79a8bbf98d16a4d5d76499699d71b890b0b487e55ac04105dc18f873fdad03d",
    "Data29_Panel3_base_R6.fcs": "e89d7dd76f078872f102d910c49641dcc5da5106ead88e631f2650892534659c",
    "Data29_Panel3_base_R7.fcs": "c5400ce040293d2051b81fa68430dcc80924ade2bc03c1ac6d883e2129580e12",
    "Data29_Panel3_base_R8.fcs": "e920b50424dc88b395760b704afa3cda5050eee91ea4c42e41fdb24a0a84dd9f",
    "Data29_Panel3_base_R9.fcs": "11f5a110642ed9110bdecfd748dfde8236046dc0447206b8f811218803e0ed88",
    "Data29_Panel3_base_R10.fcs": "8c4aac39f4f67dfe4d4653481753234e6795c865eb61583584889683c08d76e7",
    "Data29_Panel3_base_R11.fcs": "091a34c1039d8ee70fa33be57df4a0ed043b985c7ce117dc47014155e044f0f4",
    "Metadata.csv": "2b2b76ff04257d92b1129f50becb949704a68554a789b4e77ed1d5eee355e8c6",
    "PanelInfo_Data23_Panel3.csv": "92ccac558cfcd80a01c53b0430d4d4162378513aaba34614c987b91018180ab9",
    "PanelInfo_Data29_Panel3.csv": "92ccac558cfcd80a01c53b0430d4d4162378513aaba34614c987b91018180ab9",
}
KRIEG_FILES = tuple(File(name, sha256, f"{URL}/{name}") for name, sha256 in _SHA256.items())
