"""What is fetched is where it will be looked for."""

from magan.datasets import registry
from magan.stages.fetch import fetch


def test_sets_of_the_same_files_share_them(mirror, tmp_path):
    (place,) = fetch("emoji_fx", str(mirror), tmp_path)
    assert place == tmp_path / "emoji" / "emoji_pairs_64.npz"
    assert registry.fetch("emoji_noto", cache=tmp_path) == {place.name: place}  # already there
