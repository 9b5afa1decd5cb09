import pandas as pd
import pytest
import yaml

from magan.cytometry.harmonise_names import accepted, differences, harmonise, proposals, read_aliases, twins, unused
from magan.errors import InputError

MOST = {"Nd142Di": "142Nd_CD19", "Gd160Di": "CD8a", "Yb174Di": "HLA-DR", "Er167Di": "CD197", "Ir191Di": "DNA1"}


def table(channels: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"channel": list(channels), "marker": list(channels.values())})


def files(n=3, /, **odd):
    """n files that agree, and one that says some channels otherwise."""
    return {f"{i}.fcs": table(MOST) for i in range(n)} | {"odd.fcs": table(MOST | odd)}


def of_odd(**odd) -> dict[str, tuple[str, str]]:
    """Channel -> marker and why, of the odd file."""
    names = harmonise(files(**odd))
    names = names[names["path"] == "odd.fcs"]
    return {channel: (marker, why) for channel, marker, why in zip(names["channel"], names["marker"], names["why"])}


@pytest.mark.parametrize(
    ("channel", "name", "marker", "why"),
    [
        ("Yb174Di", "HLADR", "HLA-DR", "spelling"),
        ("Yb174Di", "hla_dr", "HLA-DR", "spelling"),
        ("Yb174Di", "174Yb_HLA-DR", "HLA-DR", ""),
        ("Yb174Di", "Yb174_HLA DR", "HLA-DR", "spelling"),
        ("Yb174Di", "HLA-DR(Yb174)Di", "HLA-DR", ""),
        ("Nd142Di", "CD 19", "CD19", "spelling"),
        ("Nd142Di", "Nd142Di", "CD19", "channel"),  # no name of its own
        ("Gd160Di", "cd8A", "CD8a", "spelling"),
        ("Gd160Di", "CD8", "CD8a", "channel"),
        ("Er167Di", "CCR7", "CD197", "synonym"),
        ("Er167Di", "CD197_CCR7", "CD197", "channel"),
        ("Ir191Di", "DNA_1", "DNA1", "spelling"),
        ("Nd142Di", "CD20", "CD20", ""),  # another marker on the same channel
        ("Gd160Di", "CD8ab", "CD8ab", ""),
        ("Nd142Di", "CD1-9", "CD1-9", ""),  # a sign between digits parts them
    ],
)
def test_a_name_becomes_what_most_files_call_the_marker(channel, name, marker, why):
    assert of_odd(**{channel: name})[channel] == (marker, why)


@pytest.mark.parametrize(("one", "other"), [("CD45", "CD45RA"), ("CD3", "CD38"), ("CD11b", "CD11c"), ("CD4", "CD45")])
def test_different_antigens_on_one_channel_stay_apart(one, other):
    both = {f"{i}.fcs": table({"Nd150Di": one}) for i in range(3)} | {"odd.fcs": table({"Nd150Di": other})}
    assert set(harmonise(both)["marker"]) == {one, other}


def test_a_channel_left_unnamed_by_half_of_the_files_takes_no_name():
    both = {"a": table({"Nd142Di": "CD19", "Gd160Di": "CD8"}), "b": table({"Nd142Di": "Nd142Di", "Gd160Di": "CD8"})}
    assert set(harmonise(both)["marker"]) == {"CD19", "Nd142Di", "CD8"}


def test_the_spelling_of_most_files_wins_and_the_first_among_equals():
    three = {name: table({"C1": marker}) for name, marker in {"a": "HLADR", "b": "HLA-DR", "c": "HLA-DR"}.items()}
    assert set(harmonise(three)["marker"]) == {"HLA-DR"}
    assert set(harmonise({name: three[name] for name in "ab"})["marker"]) == {"HLADR"}


def test_channels_are_compared_within_a_panel_and_names_across_panels():
    both = {f"{i}": table({"Nd142Di": "CD8a", "X": "HLA-DR"}) for i in range(3)}
    both |= {"p": table({"Nd142Di": "CD8", "X": "hladr"})}
    names = harmonise(both, {"0": "A", "1": "A", "2": "A", "p": "B"})
    assert list(names.loc[names["path"] == "p", "marker"]) == ["CD8", "HLA-DR"]


def test_aliases_of_the_user_win():
    names = harmonise(files(Yb174Di="hladr"), aliases={"HLA-DR": "MHC-II", "CD19": "CD8b", "Gd160Di": "none"})
    assert set(names.loc[names["channel"] == "Yb174Di", "marker"]) == {"MHC-II"}
    assert set(names.loc[names["channel"] == "Nd142Di", "marker"]) == {"CD8b"}
    assert set(names.loc[names["channel"] == "Gd160Di", "marker"]) == {"CD8a"}  # the channel has a name of its own
    names = harmonise(
        files(Nd142Di="Nd142Di"), dict.fromkeys(files(), "") | {"odd.fcs": "B"}, {"B": {"Nd142Di": "CD5"}}
    )
    assert set(names.loc[names["channel"] == "Nd142Di", "marker"]) == {"CD19", "CD5"}


def test_two_channels_that_come_to_one_marker_are_named_unless_they_are_technical():
    names = harmonise({"a.fcs": table({"Nd142Di": "CD19", "Gd160Di": "cd 19", "Ir191Di": "DNA1", "Ir193Di": "DNA 1"})})
    assert twins(names) == {
        "a.fcs": "marker 'CD19' is measured by 2 channels, 'Nd142Di' (CD19) and 'Gd160Di' (cd 19); "
        "give a panel, or an alias such as 'cd 19: CD19 (2)', to tell them apart"
    }
    assert list(names["marker"][2:]) == ["DNA1", "DNA 1"]
    told = harmonise({"a.fcs": table({"Nd142Di": "CD19", "Gd160Di": "cd 19"})}, aliases={"cd 19": "CD19 (2)"})
    assert not twins(told) and list(told["marker"]) == ["CD19", "CD19 (2)"]


def test_two_channels_of_one_label_are_told_apart_by_an_alias_of_a_channel():
    both = {"a.fcs": table({"PE-A": "CD3", "FITC-A": "CD3", "APC-A": "CD8"})}
    assert "an alias such as 'FITC-A: CD3 (2)'" in twins(harmonise(both))["a.fcs"]
    told = harmonise(both, aliases={"FITC-A": "CD3 (2)", "APC-A": "CD9"})
    assert not twins(told) and list(told["marker"]) == ["CD3", "CD3 (2)", "CD8"]  # CD8 is the only one of its label


def test_the_height_of_a_detector_that_bears_the_label_of_its_area_is_no_second_marker():
    both = {"a.fcs": table({"PE-A": "CD3", "PE-H": "CD3", "APC-H": "CD8"})}
    names = harmonise(both)
    assert not twins(names) and list(names["marker"]) == ["CD3", "PE-H", "CD8"]


def test_names_that_may_be_the_same_marker_are_proposed():
    both = {"a.csv": table({"CD8": "CD8", "CD3": "CD3"}), "b.csv": table({"CD8a": "CD8a", "CD3": "CD3"})}
    assert proposals(harmonise(both)) == [
        "CD8 (a.csv) and CD8a (b.csv) may be the same marker: if they are, give the alias 'CD8: CD8a'"
    ]
    assert not proposals(harmonise(both, aliases={"CD8": "CD8a"}))
    assert not proposals(harmonise({"a.csv": table({"CD8": "CD8", "CD8a": "CD8a"}), "b.csv": both["a.csv"]}))


def test_two_names_of_one_antigen_stay_apart_where_a_file_has_both():
    both = {"a": table({"A": "CCR7", "B": "CD197"}), "b": table({"A": "CCR7"})}
    assert list(harmonise(both)["marker"]) == ["CCR7", "CD197", "CCR7"]


def test_the_differences_are_told_and_accepted_in_one_step(tmp_path):
    odd = files(Yb174Di="hla_dr", Nd142Di="Nd142Di")
    names = harmonise(odd)
    assert differences(names) == [
        "odd.fcs: 'Nd142Di' -> CD19 (by its channel Nd142Di, as in 3 files)",
        "odd.fcs: 'hla_dr' -> HLA-DR (as in 3 files)",
    ]
    (tmp_path / "aliases.yaml").write_text(yaml.safe_dump(accepted(names)[""]))
    aliases = read_aliases(tmp_path / "aliases.yaml")
    assert aliases == {"Nd142Di": "CD19", "hla_dr": "HLA-DR"} and not unused(names, aliases)
    assert list(harmonise(odd, aliases=aliases)["marker"]) == list(names["marker"])
    alone = harmonise({"odd.fcs": odd["odd.fcs"]}, aliases=aliases)  # without the files that it was learned from
    assert set(alone["marker"]) == set(names["marker"])


def test_an_alias_for_nothing_is_told():
    names = harmonise(files())
    assert unused(names, {"HLADR": "x", "HLA-DP": "y", "B": {"CD19": "z"}}) == [
        "aliases: no file has a marker 'HLA-DP' (did you mean 'HLA-DR'?)",
        "aliases: no file of panel B has a marker 'CD19'",
    ]


@pytest.mark.parametrize("text", ["- CD3", "CD3: [a]", "3: CD3", "A: {CD3: {x: y}}", "a: b: c"])
def test_aliases_that_are_no_names_are_refused(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"aliases .*a\.yaml: (write 'name: marker' lines|not YAML)"):
        read_aliases(tmp_path / "a.yaml")
    with pytest.raises(InputError, match="does not exist"):
        read_aliases(tmp_path / "b.yaml")
