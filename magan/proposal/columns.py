"""From names, folders and dates to the columns of a sample sheet, each with its reason, or with the doubt."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from magan import keys
from magan.proposal.look import File

RUNS = {"batch", "run", "day", "plate", "exp", "experiment", "acq", "acquisition", "lot", "session", "week", "slide"}
SUBJECTS = {"p", "pt", "pat", "patient", "d", "donor", "hd", "hc", "r", "nr", "s", "sub", "subj", "subject", "sample"}
SUBJECTS |= {"m", "mouse", "animal", "id", "case", "control", "ctrl", "cd", "well", "tube", "rep", "replicate", "panel"}
DONORS = SUBJECTS - {"s", "sample", "well", "tube", "rep", "replicate", "panel", "cd", "control", "ctrl", "id"}
TECHNICAL = {"anchor", "bridge", "qc", "pool", "pooled", "batchcontrol", "techcontrol", "standard"}
CONTROL = {"control", "ctrl"}
GROUPS = (
    {"stim", "unstim", "stimulated", "unstimulated"},
    {"treated", "untreated", "vehicle", "drug"},
    {"wt", "ko", "het"},
    {"healthy", "hd", "hc", "patient", "case", "disease"},
    {"hd", "r", "nr", "responder", "nonresponder"},
    {"pre", "post"},
    {"tumor", "tumour", "normal"},
)
DAY = re.compile(r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?!\d)")


@dataclass(frozen=True)
class Column:
    """A column of the sheet: a value for each file, "" in all of them where there is doubt, and the reason."""

    name: str
    values: tuple[str, ...]
    reason: str


def columns(files: Sequence[File]) -> list[Column]:
    """The columns that the files speak for: sample and batch, and where names say so the others."""
    found = [_samples(files), _batches(files), *_panels(files), *_donors(files), *_groups(files), *_controls(files)]
    if any(file.transform for file in files):
        values = tuple(file.transform for file in files)
        reason = "logicle: scatter channels mean fluorescence; none: values are transformed already; blank: arcsinh"
        found.append(Column("transform", values, reason))
    return found


def _samples(files: Sequence[File]) -> Column:
    stems = [file.stem for file in files]
    values = [stem if stems.count(stem) == 1 else "_".join([*file.folders, stem]) for file, stem in zip(files, stems)]
    return Column(keys.SAMPLE, tuple(values), "the name of each file")


def _batches(files: Sequence[File]) -> Column:
    """The first kind of evidence that divides the files in exactly a single way; blank where there is none."""
    dates = tuple(file.date for file in files)
    named = list(_by_name(files))
    for kind, candidates in (
        ("names say {}", [values for word, values in named if word in RUNS]),
        ("names hold words of a common kind, {}", [v for word, v in named if word not in RUNS | SUBJECTS and word]),
        ("names hold dates, {}", [_days(files)]),
        ("files were acquired on different days, {}", [dates]),
        ("files lie in folders, {}", [tuple(file.folders[0] if file.folders else "" for file in files)]),
    ):
        useful = [values for values in candidates if _divides(values) and not _alone(values)]
        if len({_partition(values) for values in useful}) == 1:
            reason = kind.format(", ".join(dict.fromkeys(useful[0])))
            if _divides(dates) and _partition(dates) != _partition(useful[0]):
                reason += "; the acquisition dates divide the files in another way: is each of these a batch?"
            return Column(keys.BATCH, useful[0], reason)
    found = ", ".join(dict.fromkeys(filter(None, dates)))
    says = f"acquisition dates are {found}" if found else "no file holds its acquisition date"
    doubt = f"in doubt: write which files were acquired together, with the same staining and settings ({says})"
    return Column(keys.BATCH, ("",) * len(files), doubt)


def _panels(files: Sequence[File]) -> Iterator[Column]:
    for values in (values for word, values in _by_name(files) if word == "panel"):
        if _divides(values):
            yield Column(keys.PANEL, values, "names say so")
            return
    sets = list(dict.fromkeys(file.markers for file in files if file.markers))
    if len(sets) == 2 and len(sets[0] & sets[1]) < 0.8 * min(map(len, sets)):
        values = tuple(f"panel {1 + sets.index(file.markers)}" if file.markers else "" for file in files)
        yield Column(keys.PANEL, values, "the files measure two sets of markers")


def _donors(files: Sequence[File]) -> Iterator[Column]:
    found = [values for word, values in _by_name(files, whole=False) if word in DONORS]
    values = tuple(next(filter(None, options), "") for options in zip(*found)) if found else ()
    if all(values) and len({*values}) > 1:
        yield Column(keys.DONOR, values, "names say so")


def _groups(files: Sequence[File]) -> Iterator[Column]:
    words = [{re.sub(r"\d+$", "", word.lower()): re.sub(r"\d+$", "", word) for word in _words(file)} for file in files]
    for known in GROUPS:
        found = [[written for word, written in names.items() if word in known] for names in words]
        if all(len(values) == 1 for values in found) and len({values[0] for values in found}) > 1:
            yield Column(keys.GROUP, tuple(values[0] for values in found), "names say so; a correction preserves it")
            return


def _controls(files: Sequence[File]) -> Iterator[Column]:
    words = [{word.lower() for word in _words(file)} for file in files]
    sure = tuple("true" if names & TECHNICAL else "false" for names in words)
    if _divides(sure):
        yield Column(keys.IS_CONTROL, sure, "names say so: the same sample, measured in every batch")
    elif any(names & CONTROL for names in words):
        doubt = "in doubt: names say control; write true for files of a sample that was measured in every batch"
        yield Column(keys.IS_CONTROL, ("",) * len(files), doubt)


def _words(file: File) -> list[str]:
    return [word for word in re.split(r"[^A-Za-z0-9]+", file.stem) if word]


def _by_name(files: Sequence[File], whole: bool = True) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Word -> that word with its number in each name: Data -> Data23, Data29; "" where a name lacks it."""
    found: dict[str, dict[int, str]] = {}
    for number, file in enumerate(files):
        words = _words(file)
        for word, after in zip(words, [*words[1:], ""]):
            if part := re.fullmatch(r"([A-Za-z]+)(\d+)", word):
                found.setdefault(part[1].lower(), {}).setdefault(number, word)
            elif word.lower() in RUNS | {"panel"} and after:
                found.setdefault(word.lower(), {}).setdefault(number, f"{word}_{after}")
    for word, values in found.items():
        if len(values) == len(files) or not whole:
            yield word, tuple(values.get(number, "") for number in range(len(files)))


def _days(files: Sequence[File]) -> tuple[str, ...]:
    return tuple(found[0] if (found := DAY.search(file.stem)) else "" for file in files)


def _divides(values: Sequence[str]) -> bool:
    return all(values) and len({*values}) > 1


def _alone(values: Sequence[str]) -> bool:
    """Whether each of three files or more would be a batch: what differs so is more likely the sample."""
    return len({*values}) == len(values) > 2


def _partition(values: Sequence[str]) -> tuple[int, ...]:
    return tuple(values.index(value) for value in values)
