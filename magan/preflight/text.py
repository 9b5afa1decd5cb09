"""What a preflight found, for a reader."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import yaml

from magan import keys
from magan.cytometry.channel_table import lines
from magan.cytometry.harmonise_names import accepted, differences
from magan.errors import InputError
from magan.preflight.cautions import UNLIKE
from magan.preflight.inspect import Findings
from magan.stages.atomic_files import atomic_write

NOTED = 8  # markers, or pairs of batches, that are listed one by one


def text(found: Findings, title: str) -> str:
    """All of it, under headings, the judgement last."""
    parts = [
        (f"{title}: {overall(found)}", _indented(_files(found))),
        ("Batches", _indented(found.batches if len(found.batches) else "none")),
        *([("Panels", _listed(found.panels, ""))] if found.panels else []),
        ("Channels", _listed(lines(found.channels), "none")),
        ("Names made the same", _listed(differences(found.names), "every marker has one name in all files")),
        ("Markers that are not in all files", _listed(list(found.markers["reason"]), "none, all files have the same")),
        ("Zeros and negative values", _indented(_below(found))),
        ("Batch effects before any correction", "\n".join(f"  {line}" for line in batch_effects(found.effects))),
        ("To be considered", _listed(found.warnings, "nothing")),
        ("Estimate for one core", f"  {time_and_memory(found)}"),
        ("Faults", _listed(found.faults, "none")),
    ]
    return "\n\n".join(f"{heading}\n{body}" for heading, body in parts) + f"\n\n{judgement(found)}"


def judgement(found: Findings) -> str:
    """One sentence."""
    n_out = int((found.files["problem"] != "").sum())
    if len(found.faults) > n_out:
        return "Not ready: the run would stop."
    if n_out:
        return f"Not ready: {n_out} of {len(found.files)} files would be left out, the others would be corrected."
    n = len(found.warnings)
    return f"Ready, with {n} thing{'s' * (n > 1)} to consider." if n else "Ready."


def accept(all_found: Iterable[Findings], path: Path) -> int:
    """Write the names that were made the same as aliases, and return their number.

    Raises
    ------
    InputError
        The file is there already, or cannot be written.
    """
    if path.exists():
        raise InputError(f"{path} exists; remove it, or write the aliases to another file")
    aliases: dict[str, dict[str, str]] = {}
    for found in all_found:
        for panel, names in accepted(found.names).items():
            aliases.setdefault(panel, {}).update(names)
    flat = aliases.pop("", {})
    with atomic_write(path) as part:
        part.write_text(yaml.safe_dump({**flat, **aliases}, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return len(flat) + sum(map(len, aliases.values()))


def overall(found: Findings) -> str:
    """The numbers of files, cells and batches."""
    n_cells = int(found.files["cells"].sum())
    counts = (len(found.files), "file", "files"), (found.files[keys.BATCH].nunique(), "batch", "batches")
    files, batches = (f"{n} {one if n == 1 else many}" for n, one, many in counts)
    return f"{files}, {n_cells:,} cells, {batches}"


def _files(found: Findings) -> pd.DataFrame:
    """Without columns that say nothing; what is wrong is written below."""
    table = found.files.drop(columns=["path", "compensation"])
    table["problem"] = ["" if not problem else "left out, see faults" for problem in table["problem"]]
    return table[[c for c in table if (table[c].astype(str) != "").any()]]


def _below(found: Findings) -> pd.DataFrame | str:
    """Shares by marker and batch: of the markers in which batches differ, or else of those with most."""
    tables = []
    for what in ("zeros", "negatives"):
        shares = found.below.pivot(index="marker", columns=keys.BATCH, values=what)
        shares = shares.loc[shares.max(axis=1).sort_values(ascending=False, kind="stable").index]
        spread = shares.max(axis=1) - shares.min(axis=1)
        chosen = shares[spread > UNLIKE] if (spread > UNLIKE).any() else shares[shares.max(axis=1) > 0][:NOTED]
        table = chosen.map(lambda share: "" if pd.isna(share) else f"{share:.0%}")
        table.insert(0, "share of", what)
        table.insert(1, "flag", ["differs" if spread[marker] > UNLIKE else "" for marker in chosen.index])
        tables.append(table.reset_index())
    both = pd.concat(tables)
    return both if len(both) else "none"


def batch_effects(effects: pd.DataFrame) -> Iterator[str]:
    """Sentences on the mean EMD, in arcsinh units, and on the pairs of batches with most."""
    if effects.empty:
        yield "no two batches to compare"
        return
    mean = effects["emd"].mean()
    yield (
        f"mean EMD {mean:.3f} arcsinh units over markers and pairs of batches; "
        f"two samples of one batch would show {effects['floor'].mean():.3f}"
    )
    pairs = effects.groupby([keys.BATCH, "other"], sort=False)
    order = pairs["emd"].mean().sort_values(ascending=False)
    for batch, second in order.index[:NOTED]:
        worst = pairs.get_group((batch, second)).nlargest(3, "emd")
        listed = ", ".join(f"{marker} {value:.2f}" for marker, value in zip(worst["marker"], worst["emd"]))
        yield f"{batch} - {second}: {order[batch, second]:.3f}; worst {listed}"
    if len(order) > NOTED:
        yield f"and {len(order) - NOTED} pairs with less"


def time_and_memory(found: Findings) -> str:
    """A line with the estimates of seconds and megabytes."""
    reading, training, jobs = (found.seconds[part] for part in ("reading", "training", "jobs"))
    return (
        f"about {_span(reading)} to read, {_span(training)} to fit maps and networks, {_span(jobs)} to score, draw and "
        f"write; {found.megabytes:,.0f} MB of memory for the cells"
        f"{'. ' if found.drawn else ''}{found.drawn}"
    )


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def _indented(table: pd.DataFrame | str) -> str:
    lines = table if isinstance(table, str) else table.to_string(index=False)
    return "\n".join(f"  {line}" for line in lines.splitlines())


def _listed(lines: list[str] | tuple[str, ...], nothing: str) -> str:
    return "\n".join(f"  - {line}" for line in lines) or f"  {nothing}"
