"""What a run does with a channel: by its names, and by its values in every batch."""

import numpy as np
import pytest
from anndata import AnnData

from magan.cytometry.channel_roles import roles, spreads, unusable
from magan.cytometry.marker_names import AS_MEASURED, CORRECTED, DOUBTFUL, role

NO_MARKERS = {
    "time of acquisition": ["Time", "TIME", "HDR-T", "HDR-CE", "TIME MSW", "Time (10.24 sec.)"],
    "light scatter": ["FSC-A", "FSCA", "FS INT LIN", "SS INT LIN", "405-SSC", "SSC-B-H", "VSSC-A", "SSC_1-A", "BSC-A",
                      "FS Lin", "FSC-HLin", "SSC (Violet)-A", "LightLoss (Blue)-A", "Forward Scatter"],
    "property of the event, no marker": ["Event_length", "Cell_length", "Residual", "Width", "Pulse Width",
                                         "ROI Bits 1-16", "Sort Result Bits"],
    "DNA stain": ["DNA1", "DNA 2", "DAPI", "Hoechst 33342", "191Ir_DNA1", "DNA_191Ir", "DRAQ5", "Syto 41"],
    "viability stain": ["Live/Dead", "LIVE DEAD Blue", "Zombie NIR", "Fixable Viability Dye", "Viability", "Cisplatin",
                        "7-AAD", "PI", "Aqua", "FVS510", "Ghost Dye V510", "L/D Aqua", "SYTOX Blue", "198Pt"],
    "barcode": ["BC1", "Barcode", "Pd104Di", "BC_104Pd"],
    "calibration beads": ["Beads", "beadDist", "EQ Beads", "Ce140Di", "EQ_Beads1"],
    "background channel": ["BCKG190Di"],
    "autofluorescence": ["AF-A", "Autofluorescence"],
    "cluster number": ["FlowSOM_metacluster", "metaclustering", "cluster_id", "PhenoGraph", "Cluster 3", "leiden",
                       "meta20_cluster", "population", "CD3_cluster"],
    "coordinate of an embedding": ["UMAP_X", "tSNE1", "UMAP 1", "opt-SNE_1", "umap_2", "viSNE1", "PCA_1", "PC_1"],
    "number of a sample, file or event": ["sample_no", "file_number", "sample_id", "EventID", "OmiqFileIndex",
                                          "Original_ID", "File_scattered", "Unnamed: 0", "donor_id", "index"],
}  # fmt: skip

MARKERS = [
    *("CD3", "CD45RA", "HLA-DR", "HLA-A", "CD8a", "pSTAT5", "Ki67", "Timeless", "Bcl2", "FoxP3", "TCRgd", "IL-17A"),
    *("PC7-A", "PC5.5-A", "PE-A", "FL1", "AF647-A", "BV421-A", "V500-A", "SSEA4", "SSC5D", "Clusterin", "Helios"),
    *("CD45_SpectralA", "PD-1", "PIK3CA", "DNAM-1", "DNAJB1", "LiveSpan", "Siglec-8", "CTLA4", "TIM3"),
]


@pytest.mark.parametrize(("reason", "name"), [(reason, name) for reason, names in NO_MARKERS.items() for name in names])
def test_a_name_that_is_no_marker_stays_as_measured_with_its_reason(reason, name):
    assert role(name, name) == (AS_MEASURED, reason)


@pytest.mark.parametrize("name", MARKERS)
def test_a_marker_or_a_detector_is_corrected(name):
    assert role(name, name) == (CORRECTED, "")


def test_a_marker_on_a_metal_of_barcodes_is_doubtful_and_a_lineage_marker_is_not():
    assert role("Pd104Di", "pSTAT5") == (DOUBTFUL, "channel Pd104Di mostly carries barcodes")
    assert role("Pt198Di", "CD25") == (DOUBTFUL, "channel Pt198Di mostly carries viability stains")
    assert role("Pd104Di", "CD45") == role("Pt198Di", "HLA-DR") == (CORRECTED, "")
    assert role("SSC-A", "granularity") == (AS_MEASURED, "light scatter")


def test_channels_without_a_label_stay_as_measured_only_where_markers_are_labelled():
    channels = ["FSC-A", "Nd142Di", "Y89Di", "Time"]
    labelled = roles(channels, ["FSC", "CD19", "Y89Di", "Time"])
    assert [what for what, _ in labelled] == [AS_MEASURED, CORRECTED, AS_MEASURED, AS_MEASURED]
    assert labelled[2][1] == "no label, while others of the file have one"
    scatter_alone = roles(channels, ["FSC", "Nd142Di", "Y89Di", "Time"])
    assert [what for what, _ in scatter_alone] == [AS_MEASURED, CORRECTED, CORRECTED, AS_MEASURED]


def test_a_table_of_plain_names_has_no_labels_whatever_its_markers_are_called_afterwards():
    plain = ["pERK", "CD19", "Ki67"]
    assert roles(plain, plain, ["pERK", "B4", "Ki67"]) == [(CORRECTED, "")] * 3
    tagged = roles(["150Nd_CD45RA", "Ki67", "PE-A"], ["150Nd_CD45RA", "Ki67", "PE-A"])
    assert [what for what, _ in tagged] == [CORRECTED, CORRECTED, AS_MEASURED]  # Ki67 is a name, PE-A a channel


@pytest.mark.parametrize(
    ("channels", "labels", "corrected"),
    [
        (["PE-A", "PE-H", "PE-W"], ["CD3", "CD3", "CD3"], ["PE-A"]),
        (["PE-H", "PE-A"], ["PE-H", "PE-A"], ["PE-A"]),
        (["FL2-H", "FL2-A", "FL2-W"], ["CD4", "FL2-A", "FL2-W"], ["FL2-H"]),  # the height alone is labelled
        (["PE-H", "APC-W"], ["PE-H", "APC-W"], ["PE-H"]),  # a width is no intensity
        (["FL1 INT LIN", "FL1 PEAK LIN", "FL1 TOF LIN"], [""] * 3, ["FL1 INT LIN"]),
        (["Comp-PE-A", "PE-H"], ["CD3", "PE-H"], ["Comp-PE-A"]),
        (["PE.A", "PE.H"], ["PE.A", "PE.H"], ["PE.A"]),
    ],
)
def test_a_detector_is_corrected_in_a_single_pulse(channels, labels, corrected):
    labels = [label or channel for channel, label in zip(channels, labels)]
    found = dict(zip(channels, roles(channels, labels)))
    assert [channel for channel, (what, _) in found.items() if what == CORRECTED] == corrected
    assert all(why for what, why in found.values() if what == AS_MEASURED)


VENDORS = {
    "BD FACSDiva": (
        ("FSC-A", "FSC-H", "FSC-W", "SSC-A", "FITC-A=CD3", "PE-A=CD4", "APC-A=CD8", "Time"),
        ("FITC-A", "PE-A", "APC-A"),
    ),
    "Beckman Coulter": (
        ("FS INT LIN", "SS INT LIN", "FL1 INT LOG=CD3-FITC", "FL2 INT LOG=CD4-PE", "TIME"),
        ("FL1 INT LOG", "FL2 INT LOG"),
    ),
    "Cytek": (
        ("Time", "SSC-H", "FSC-A", "V1-A", "V2-A", "BUV395-A=CD3", "AF-A", "LIVE DEAD Blue-A=Viability"),
        ("BUV395-A",),
    ),
    "Fluidigm": (
        ("Time", "Event_length", "Y89Di=89Y_CD45", "Nd142Di=142Nd_CD19", "Ce140Di=140Ce_Beads", "Ir191Di=191Ir_DNA1",
         "Pt195Di=195Pt_Viability", "BCKG190Di=190BCKG", "Pd102Di=102Pd_BC1"),
        ("Y89Di", "Nd142Di"),
    ),
    "Miltenyi": (
        ("HDR-CE", "HDR-SE", "HDR-V", "HDR-T", "FSC-A", "SSC-A", "V1-A=CD3", "B1-A=CD8"),
        ("V1-A", "B1-A"),
    ),
    "Sony": (("TIME", "FSC-A", "FSC-W", "BSC-A", "FITC-A=CD3", "PE-A=CD4", "AF-A"), ("FITC-A", "PE-A")),
    "Accuri": (("FSC-A", "SSC-A", "FL1-A", "FL2-A", "FL1-H", "FL2-H", "Width", "Time"), ("FL1-A", "FL2-A")),
    "Guava": (
        ("FSC-HLin", "SSC-HLin", "GRN-HLog", "YEL-HLog", "GRN-ALog", "GRN-W", "TIME"),
        ("YEL-HLog", "GRN-ALog"),
    ),
    "Stratedigm": (
        ("FSC-A", "FL1(530_30)-A=CD3", "FL2(582_42)-A=CD4", "FL1(530_30)-H", "TIME", "EVENT"),
        ("FL1(530_30)-A", "FL2(582_42)-A"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_markers_of_every_vendor_are_corrected_and_nothing_else(vendor):
    words, corrected = VENDORS[vendor]
    names = [word.split("=") for word in words]
    channels, labels = [name[0] for name in names], [name[-1] for name in names]
    found = roles(channels, labels)
    assert tuple(channel for channel, (what, _) in zip(channels, found) if what == CORRECTED) == corrected


def cells(**columns) -> AnnData:
    x = np.stack([np.broadcast_to(np.asarray(values, float), (300,)) for values in columns.values()], axis=1)
    adata = AnnData(x.astype(np.float32))
    adata.var_names = list(columns)
    return adata


def test_values_that_teach_nothing_are_set_aside_or_doubted():
    draw = np.random.default_rng(0).gamma(2, 50, (8, 300))
    few = np.r_[np.zeros(298), draw[0, :2]]
    a = cells(good=draw[1], zero=0, rare=draw[2], run=1, state=np.arange(300) % 7, more=draw[3])
    b = cells(good=draw[4], zero=draw[5], rare=few, run=2, state=np.arange(300) % 7, more=draw[6])
    batches = {"a": spreads([a]), "b": spreads([b])}
    assert unusable(batches) == {
        "zero": (AS_MEASURED, "0 in every cell of batch a"),
        "rare": (AS_MEASURED, "0 in all but 2 of 300 cells of batch b"),
        "run": (DOUBTFUL, "a single value in each batch, as the number of a sample has"),
        "state": (DOUBTFUL, "no more than 7 different values, all whole numbers"),
    }
    asked = unusable(batches, asked=["run", "state"])
    assert "state" not in asked and asked["run"][0] == AS_MEASURED  # a constant cannot be trained on, asked for or not


def test_whole_numbers_are_no_reason_for_doubt_where_all_markers_are_counted():
    draw = np.random.default_rng(0).poisson(3, (3, 300))
    assert not unusable({"a": spreads([cells(x=draw[0], y=draw[1], z=draw[2])])})


def test_the_files_of_a_batch_are_judged_together():
    assert spreads([cells(x=0), cells(x=np.arange(300))])["x"].n_unlike > 100
    assert not unusable({"a": spreads([cells(x=0.5), cells(x=np.arange(300) / 7)])})
