"""Give each marker a single name: compare and harmonise the channel names of many files."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from magan import keys
from magan.cytometry.marker_names import CORRECTED, SYNONYMS, file_names, metal, plain, role, split_name
from magan.errors import InputError, nearest

PATH, NAME, WHY = "path", "name", "why"  # columns of the table of names, with panel, channel and marker
BY_ALIAS, BY_SPELLING, BY_SYNONYM, BY_CHANNEL = "alias", "spelling", "synonym", "channel"
Aliases = Mapping[str, str | Mapping[str, str]]  # name -> marker, or panel -> name -> marker

_SAME = {plain(name): plain(synonym) for name, synonym in SYNONYMS.items()}


def harmonise(
    files: Mapping[str, pd.DataFrame],
    panels: Mapping[str, str] | None = None,
    aliases: Aliases | None = None,
    given: Sequence[str] = (),
) -> pd.DataFrame:
    """The name of every channel of every file, and its harmonised marker.

    Names are compared without isotope (``150Nd_CD45RA``), case, signs and Greek letters, and by the list of synonyms
    in `marker_names` (CCR7 is CD197) unless one file has both. Within a panel, a channel (metal) without a name
    takes the name that it has in most files. If two names of a channel differ by a letter after a number (CD8, CD8a),
    or join synonyms (CD197_CCR7), the more frequent name replaces the rarer. Each marker is then spelled as in most
    files; a tie goes to the first spelling. An alias of the user overrides these rules.

    Parameters
    ----------
    files
        Path to var, with columns channel and marker as in the file.
    panels
        Path to panel; files of the same panel are compared by their channels too. Default: a single panel.
    aliases
        Name to marker, for all files or for each panel; a channel may stand for a marker that has no name.
    given
        Paths of files whose names hold no isotopes: names from a panel table, or genes.

    Returns
    -------
    pandas.DataFrame
        A row per file and channel: path, panel, channel and name (as in the file), marker (as harmonised) and why the
        two differ ("" where only an isotope was removed): alias, spelling, synonym or channel. Two channels of a file
        with the same marker retain their spelling in the file if they are technical or ``given``; for all further
        cases see `twins`, and for aliases without effect `unused`.
    """
    panels = panels or dict.fromkeys(files, "")
    table = pd.DataFrame(
        [
            (path, panels[path], c, m, *names, path in given)
            for path, var in files.items()
            for c, m, names in zip(var[keys.CHANNEL], var[keys.MARKER], _names(var, path in given))
        ],
        columns=[PATH, keys.PANEL, keys.CHANNEL, NAME, "bare", "short", "given"],
    ).astype({"given": bool})
    table["key"] = table["short"].map({name: plain(name) for name in table["short"].unique()})
    table[WHY] = ""
    _by_synonym(table)
    _by_channel(table)
    _by_alias(table, aliases or {})
    spelled = _spelled(table)
    table[keys.MARKER] = table["target"].fillna(table["key"].map(spelled))
    _restore_duplicates(table)
    same = (table[keys.MARKER] == table["short"]) | (table[keys.MARKER] == table[NAME])
    table.loc[~same & (table[WHY] == ""), WHY] = BY_SPELLING
    table.loc[same, WHY] = ""
    return table[[PATH, keys.PANEL, keys.CHANNEL, NAME, keys.MARKER, WHY]]


def _names(var: pd.DataFrame, is_given: bool) -> list[tuple[str, str]]:
    return (
        list(zip(var[keys.CHANNEL], var[keys.MARKER])) if is_given else file_names(var[keys.CHANNEL], var[keys.MARKER])
    )


def _by_synonym(table: pd.DataFrame) -> None:
    """Replace the rarer of two names of an antigen by the more frequent, where no file has both."""
    files = table.groupby("key")[PATH].agg(set)
    for name, synonym in _SAME.items():
        if name in files and synonym in files and not files[name] & files[synonym]:
            rare, common = sorted((name, synonym), key=lambda key: len(files[key]))
            table.loc[table["key"] == rare, [WHY, "key"]] = BY_SYNONYM, common


def _by_channel(table: pd.DataFrame) -> None:
    """Give a channel the same marker within a panel: absent and nearly equal names become the most frequent name."""
    of = table["bare"].map({name: metal(name) for name in table["bare"].unique()})
    named = table["short"] != table["bare"]
    keys_of_path = table.groupby(PATH)["key"].agg(set)
    for _, rows in table[~table["given"]].groupby([keys.PANEL, of], sort=False):
        keyed = rows.loc[named[rows.index], "key"].value_counts()
        if keyed.empty or (len(keyed) == 1 and named[rows.index].all()) or keyed.iloc[0] <= len(rows) / 2:
            continue
        common = keyed.index[0]
        for row, path, key in zip(rows.index, rows[PATH], rows["key"]):
            nearly = not named[row] or _nearly(key, common)
            if key != common and nearly and common not in keys_of_path[path]:
                table.loc[row, [WHY, "key"]] = BY_CHANNEL, common


def _nearly(first: str, second: str) -> bool:
    """CD8 and CD8a, or CD197 and CD197_CCR7; not CD45 and CD45RA."""
    short, long = sorted((first, second), key=len)
    rest = long[len(short) :]
    return long.startswith(short) and (
        (len(rest) == 1 and rest.isalpha() and short[-1].isdigit())
        or short in (_SAME.get(rest), *(k for k, v in _SAME.items() if v == rest))
    )


def alike(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of markers of two panels whose names differ by a letter after a number (CD8, CD8a), or join synonyms.

    A marker that both panels measure is in no pair.
    """
    alone = ([m for m in first if m not in second], [m for m in second if m not in first])
    return [(one, two) for one in alone[0] for two in alone[1] if _nearly(plain(one), plain(two))]


def _by_alias(table: pd.DataFrame, aliases: Aliases) -> None:
    """Add the column target: the marker that the user's alias names.

    A channel stands for its marker where it has no label, or shares its label with another channel of the file.
    """
    table["target"] = pd.Series(dtype=object)
    by_channel = (table["short"] == table["bare"]) | table.duplicated([PATH, "key"], keep=False)
    for panel, name, marker in _each(aliases):
        rows = table[table[keys.PANEL] == panel] if panel else table
        of_channel = (rows[keys.CHANNEL] == name) | (rows["bare"] == name)
        exact = (rows[NAME] == name) | (rows["short"] == name) | (by_channel[rows.index] & of_channel)
        alike = (rows["key"] == plain(name)) | (rows["short"].map(plain) == plain(name))
        found = exact | (alike & ~rows[PATH].isin(rows.loc[exact, PATH]))
        table.loc[rows.index[found], ["target", "key", WHY]] = marker, plain(marker), BY_ALIAS


def _each(aliases: Aliases) -> Iterator[tuple[str, str, str]]:
    """Yield panel ("" for all), name and marker; aliases of a panel come last, so that they override."""
    yield from (("", name, marker) for name, marker in aliases.items() if isinstance(marker, str))
    yield from ((of, *pair) for of, each in aliases.items() if not isinstance(each, str) for pair in each.items())


def targets(aliases: Aliases) -> list[str]:
    """The markers that aliases name."""
    return [marker for _, _, marker in _each(aliases)]


def _spelled(table: pd.DataFrame) -> dict[str, str]:
    """Map key to the user's spelling, or else to the most frequent spelling in the files."""
    spellings = table[table[WHY] == ""].groupby("key", sort=False)["short"]
    spelled = {str(key): Counter(names).most_common(1)[0][0] for key, names in spellings}
    return spelled | {key: target for key, target in zip(table["key"], table["target"]) if isinstance(target, str)}


def _restore_duplicates(table: pd.DataFrame) -> None:
    twice = table.duplicated([PATH, keys.MARKER], keep=False)
    for row in table.index[twice]:
        channel, short, is_given = table.loc[row, ["bare", "short", "given"]]
        if is_given or role(channel, short)[0] != CORRECTED:
            table.loc[row, [keys.MARKER, WHY]] = short, ""


def read_aliases(path: Path | str) -> dict[str, Any]:
    """Aliases from a YAML file, ``name: marker`` or ``panel: {name: marker}``.

    Raises
    ------
    InputError
        The file is missing or holds anything else.
    """
    if not Path(path).is_file():
        raise InputError(f"aliases {path} does not exist; check the path")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"aliases {path}: not YAML, {' '.join(str(error).split())}; correct the file") from None
    if not _is_table(found, lambda marker: isinstance(marker, str) or _is_table(marker)):
        raise InputError(f"aliases {path}: write 'name: marker' lines, in quotes where a name is a number")
    return found


def _is_table(found: object, is_marker: Callable[[object], bool] = lambda marker: isinstance(marker, str)) -> bool:
    return isinstance(found, dict) and all(isinstance(name, str) and is_marker(m) for name, m in found.items())


def unused(names: pd.DataFrame, aliases: Aliases | None) -> list[str]:
    """A sentence for each alias that stands for no name of any file, or of its panel."""
    sentences = []
    for panel, name, _ in _each(aliases or {}):
        rows = names[names[keys.PANEL] == panel] if panel else names
        pairs = list(zip(rows[keys.CHANNEL], rows[NAME]))
        known = [short for pair in pairs for short in (*pair, split_name(*pair)[1])]
        if plain(name) not in {plain(label) for label in known}:
            sentences.append(
                f"aliases: no file{f' of panel {panel}' if panel else ''} has a marker '{name}'{nearest(name, known)}"
            )
    return sentences


def twins(names: pd.DataFrame) -> dict[str, str]:
    """Path -> a sentence, for the files in which two channels measure the same marker."""
    found: dict[str, str] = {}
    twice = names[names.duplicated([PATH, keys.MARKER], keep=False)]
    for (path, marker), both in twice.groupby([PATH, keys.MARKER], sort=False):
        named = " and ".join(f"{c!r} ({n})" for c, n in zip(both[keys.CHANNEL], both[NAME]))
        by = f"marker {marker!r} is measured by {len(both)} channels, {named}"
        channel, name = both[keys.CHANNEL].iloc[1], both[NAME].iloc[1]
        example = yaml.safe_dump({channel if name == marker else name: f"{marker} (2)"}, allow_unicode=True).strip()
        found.setdefault(str(path), f"{by}; give a panel, or an alias such as {example!r}, to tell them apart")
    return found


def proposals(names: pd.DataFrame) -> list[str]:
    """A sentence for each two markers that may be the same antigen, such as CD8 and CD8a, where no file has both."""
    of_marker = {m: role(c, m)[0] == CORRECTED for c, m in zip(names[keys.CHANNEL], names[keys.MARKER])}
    biology = names[names[keys.MARKER].map(of_marker).astype(bool)]
    files = biology.groupby(keys.MARKER, sort=False)[PATH].agg(set)
    sentences = []
    for first, second in itertools.combinations(files.index, 2):
        if not files[first] & files[second] and _nearly(plain(first), plain(second)):
            rare, common = sorted((first, second), key=lambda marker: len(files[marker]))
            sentences.append(
                f"{rare} ({_places(files[rare])}) and {common} ({_places(files[common])}) may be the same marker: "
                f"if they are, give the alias '{rare}: {common}'"
            )
    return sentences


def _places(paths: Collection[str]) -> str:
    return Path(min(paths)).name if len(paths) == 1 else f"{len(paths)} files"


def differences(names: pd.DataFrame) -> list[str]:
    """The harmonised names for a reader, most files first: "b.fcs: 'cd 8a' -> CD8a (as in 29 files)"."""
    lines = []
    changed = names[names[WHY] != ""]
    groups = changed.groupby([keys.PANEL, NAME, keys.MARKER, WHY], sort=False)
    for (_, name, marker, why), rows in sorted(groups, key=lambda group: -len(group[1])):
        n_files = names[(names[keys.MARKER] == marker) & (names[WHY] == "")][PATH].nunique()
        place = Path(rows[PATH].iloc[0]).name if len(rows) == 1 else f"{len(rows)} files"
        by_channel = f"by its channel {rows[keys.CHANNEL].iloc[0]}"
        reason = {BY_ALIAS: "an alias of yours", BY_CHANNEL: by_channel}.get(str(why), "")
        reasons = [reason] if reason else []
        reasons += [f"as in {n_files} file{'s' * (n_files > 1)}"] if n_files and why != BY_ALIAS else []
        lines.append(f"{place}: {name!r} -> {marker}" + (f" ({', '.join(reasons)})" if reasons else ""))
    return lines


def accepted(names: pd.DataFrame) -> dict[str, dict[str, str]]:
    """The harmonised names as aliases by panel, to be stored with the data: panel -> name in a file -> marker."""
    changed = names[names[WHY] != ""]
    panels = changed.groupby(keys.PANEL, sort=False)
    return {str(panel): dict(zip(rows[NAME], rows[keys.MARKER])) for panel, rows in panels}
