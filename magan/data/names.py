"""What the names of channels and markers say, in the one place where such names are listed."""

import re

LINEAGE, FUNCTIONAL, TECHNICAL = KINDS = ("lineage", "functional", "technical")

# Names that say which population a cell belongs to, in capitals without signs ("HLA-DR" is HLADR;
# "CD235ab_CD61" is known by its parts). They win over TECHNICAL_NAMES, for CD45 may sit on a
# barcoding or viability metal.
LINEAGE_NAMES = frozenset(
    (
        *("CD1C", "CD3", "CD3E", "CD4", "CD7", "CD8", "CD8A", "CD8B", "CD11B", "CD11C", "CD14", "CD15", "CD16", "CD19"),
        *("CD20", "CD33", "CD34", "CD45", "CD45R", "CD45RA", "CD45RO", "B220", "CD56", "NCAM", "CD61", "CD66", "CD66B"),
        *("CD117", "CD123", "CD141", "CD161", "CD235A", "CD235AB", "CD294", "CD303", "HLADR", "TCRAB", "TCRB", "TCRGD"),
    )
)

# Channels or markers, matched whole and in any case, that carry no biology.
TECHNICAL_NAMES = {
    "time": r"time",
    "event length": r"(event|cell)[ _-]?length",
    "gaussian parameters": r"center|offset|width|residual|amplitude",
    "DNA": r"dna[ _-]?\d*|(191|193)?ir(191|193)?(di)?|(191|193)ir[ _-]?dna\d*",
    "barcode": r"bc[ _-]?\d+|barcode.*|pd10\d(di)?|pd110(di)?|(10\d|110)pd",
    "calibration beads": r"(eq)?[ _-]?bead.*|ce140(di)?|140ce",
    "viability": r"cis(platin|pt)?|viability|live.*|dead.*|l[/-]d|zombie.*|pt19\d(di)?|19\d ?pt",
    "background": r"(\d+)?bckg.*",
    "scatter": r"[fs]sc([ _-].*)?",
}

ISOTOPE = re.compile(r"\d{2,3}[A-Z][a-z]?")  # as in 150Nd_CD45RA


def split_name(channel: str, marker: str) -> tuple[str, str]:
    """Channel and marker without an isotope in front of, or an alias behind, the marker's name."""
    isotope, _, rest = marker.partition("_")
    if ISOTOPE.fullmatch(marker):  # 195Pt: an isotope that nothing was bound to
        return channel, channel
    if ISOTOPE.fullmatch(isotope) and rest:
        channel = isotope if channel == marker else channel
        first, _, alias = rest.partition("_")
        marker = first if re.match(r"CD\d", first) and not re.match(r"CD\d", alias) else rest
    return channel, marker


def marker_kind(channel: str, marker: str, *, unnamed: bool) -> str:
    """Lineage, technical or functional: the rule where no panel says.

    A name in LINEAGE_NAMES is lineage. Otherwise a channel or marker in TECHNICAL_NAMES,
    and a channel without a marker name of its own (``unnamed``) in a file where others have one, is
    technical. The rest is functional.
    """
    parts = {re.sub(r"[^A-Z0-9]", "", part.upper()) for part in (marker, *marker.split("_"))}
    if parts & LINEAGE_NAMES:
        return LINEAGE
    known = any(re.fullmatch(rule, x, re.IGNORECASE) for rule in TECHNICAL_NAMES.values() for x in (channel, marker))
    return TECHNICAL if known or unnamed else FUNCTIONAL
