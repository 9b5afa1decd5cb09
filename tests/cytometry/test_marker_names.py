import pytest

from magan.cytometry.marker_names import file_names, kind_of, lesser_pulses, metal, plain, role, split_name
from magan.errors import nearest


def marker_kind(channel, marker, *, unlabelled=False):
    return kind_of(marker, role(channel, marker, unlabelled=unlabelled)[0])


@pytest.mark.parametrize(
    ("channel", "marker", "expected"),
    [
        ("Nd150Di", "150Nd_CD45RA", ("Nd150Di", "CD45RA")),
        ("150Nd_CD45RA", "150Nd_CD45RA", ("150Nd", "CD45RA")),
        ("Nd143Di", "143Nd_CD123_IL-3R", ("Nd143Di", "CD123")),
        ("Er167Di", "167Er_CD197_CCR7", ("Er167Di", "CD197")),
        ("Yb173Di", "173Yb_HLA-DR", ("Yb173Di", "HLA-DR")),
        ("Y89Di", "89Y_CD45", ("Y89Di", "CD45")),
        ("Sm150Di", "150Sm_p_STAT5", ("Sm150Di", "p_STAT5")),
        ("In113Di", "CD235ab_CD61", ("In113Di", "CD235ab_CD61")),
        ("In113Di", "113In_CD235ab_CD61", ("In113Di", "CD235ab_CD61")),
        ("Pt195Di", "195Pt", ("Pt195Di", "Pt195Di")),
        ("CD3", "CD3", ("CD3", "CD3")),
        ("Nd150Di", "Nd150_CD45RA", ("Nd150Di", "CD45RA")),
        ("Nd150Di", "150Nd-CD45RA", ("Nd150Di", "CD45RA")),
        ("Nd150Di", "CD45RA_150Nd", ("Nd150Di", "CD45RA")),
        ("CD45RA(Nd150)Di", "CD45RA(Nd150)Di", ("Nd150", "CD45RA")),
        ("Ir191Di", "DNA_191Ir", ("Ir191Di", "DNA_191Ir")),  # beside DNA_193Ir
        ("Pd104Di", "BC_104Pd", ("Pd104Di", "BC_104Pd")),
        ("Cd112Di", "CD112", ("Cd112Di", "CD112")),  # an antigen, no metal
        ("Er168Di", "Ki67_clone", ("Er168Di", "Ki67_clone")),
        ("FL1-A", "Comp-BV421-A :: CD3", ("FL1-A", "CD3")),  # the channel has a name of its own
        ("Comp-BV421-A :: CD3", "Comp-BV421-A :: CD3", ("BV421-A", "CD3")),
        ("Comp.BV421.A....CD3", "Comp.BV421.A....CD3", ("BV421.A", "CD3")),  # as R writes it
    ],
)
def test_isotope_and_alias_are_taken_off(channel, marker, expected):
    assert split_name(channel, marker) == expected


@pytest.mark.parametrize(
    ("channel", "marker"),
    [
        ("Time", "Time"),
        ("Event_length", "Event_length"),
        ("Ir191Di", "DNA1"),
        ("Ir193Di", "Ir193Di"),
        ("191Ir", "DNA_1"),
        ("Pd104Di", "BC2"),
        ("Pd110Di", "Pd110Di"),
        ("Ce140Di", "Ce140Di"),
        ("beadDist", "beadDist"),
        ("Center", "Center"),
        ("Offset", "Offset"),
        ("Width", "Width"),
        ("Residual", "Residual"),
        ("Pt195Di", "Cisplatin"),
        ("Pt198Di", "Dead"),
        ("V500-A", "Live/Dead"),
        ("FSC-A", "FSC-A"),
        ("SSC-H", "SSC-H"),
        *((name, name) for name in ("FSC.A", "SSC.A", "Time.", "Comp-DAPI-A")),
        *(("R780-A", name) for name in ("eFluor 780", "eF506", "Fixable Yellow", "Aqua LD", "LD", "L-D", "NIR")),
        *(("R780-A", name) for name in ("Ghost Red 780", "AmCyan Live", "TO-PRO-3", "Aqua-A", "APC-H7 L/D")),
        ("BCKG190Di", "190BCKG"),
    ],
)
def test_channels_without_biology_are_technical(channel, marker):
    assert marker_kind(channel, marker) == "technical"


@pytest.mark.parametrize("marker", ["CD3", "CD8a", "HLA-DR", "HLADR", "hla-dr", "CD235ab_CD61", "TCRgd"])
def test_known_population_markers_are_lineage(marker):
    assert marker_kind("Nd142Di", marker) == "lineage"


@pytest.mark.parametrize("marker", ["pSTAT5", "PD-L1", "FoxP3.A", "LDHA", "Ki67", "CD25", "FoxP3", "Timeless", "Bcl2"])
def test_other_markers_are_functional_unless_they_are_the_unnamed_ones(marker):
    assert marker_kind("Nd142Di", marker) == "functional"
    assert marker_kind("Nd142Di", marker, unlabelled=True) == "technical"


@pytest.mark.parametrize("channel", ["Pd104Di", "Pt196Di", "Ce140Di"])
def test_a_lineage_name_wins_over_a_technical_metal(channel):
    assert marker_kind(channel, "CD45") == "lineage"


def test_the_nearest_name_is_offered_and_a_far_one_is_not():
    assert nearest("cd8A", ["CD8a", "CD3"]) == " (did you mean 'CD8a'?)"
    assert nearest("zzz", ["CD8a", "CD3"]) == ""


@pytest.mark.parametrize("name", ["HLA-DR", "HLADR", "hla_dr", "HLA DR", "HLA.DR"])
def test_signs_and_case_do_not_matter(name):
    assert plain(name) == "hladr"


def test_what_makes_another_antigen_does_matter():
    assert plain("TCRγδ") == plain("TCRgd") and plain("IL-17A") == plain("IL17a")
    assert plain("CD3-1") == plain("CD3_1") != plain("CD31") and plain("CD8a") != plain("CD8")


def test_a_metal_is_known_however_it_is_written():
    assert {metal(name) for name in ("Nd142Di", "142Nd", "Nd142", "142NdDi")} == {"142nd"}
    assert metal("Ir191Di") == "191ir" and metal("I127Di") == "127i" and metal("In113Di") == "113in"
    assert metal("CD112") == "cd112" != metal("Cd112Di") == "112cd" and metal("FSC-A") == "fsca"


def test_a_height_with_the_label_of_its_area_is_called_by_its_channel():
    channels, labels = ["FSC-A", "BV421-H", "BV421-A", "PE-H", "PE-A"], ["FSC-A", "CD3", "CD3", "CD4 height", "CD4"]
    assert file_names(channels, labels) == [
        ("FSC-A", "FSC-A"), ("BV421-H", "BV421-H"), ("BV421-A", "CD3"), ("PE-H", "CD4 height"), ("PE-A", "CD4"),
    ]  # fmt: skip


def test_the_area_comes_first_and_a_pulse_with_a_label_before_those_without():
    names = [("BV421-H", "CD3"), ("BV421-A", "CD3"), ("PE-A", "PE-A"), ("PE-H", "CD4"), ("APC-H", "CD8")]
    assert lesser_pulses(names) == {"BV421-H": "height of BV421-A", "PE-A": "area of PE-H"}
