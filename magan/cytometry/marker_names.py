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
    "barcode": r"bc([ _-]?\d+)?|barcode.*|pd10\d(di)?|pd110(di)?|(10\d|110)pd",
    "calibration beads": r"(eq)?[ _-]?bead.*|ce140(di)?|140ce",
    "viability": r"cis(platin|pt)?|viability|live.*|dead.*|l[/-]d|zombie.*|pt19\d(di)?|19\d ?pt",
    "background": r"(\d+)?bckg.*",
    "scatter": r"[fs]sc([ _-].*)?",
}

_TECHNICAL = re.compile("|".join(f"(?:{rule})" for rule in TECHNICAL_NAMES.values()), re.IGNORECASE)

ISOTOPE = re.compile(r"\d{2,3}[A-Z][a-z]?")  # as in 150Nd_CD45RA

# Elements that antibodies, barcodes or DNA stains are made with; their order of letters and digits varies.
_ELEMENT = "Rh|Pd|Ag|Cd|In|Te|Xe|Cs|Ba|La|Ce|Pr|Nd|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Hf|Ta|Os|Ir|Pt|Au|Pb|Bi|Y|I"
_METAL = rf"(?:\d{{2,3}}(?:{_ELEMENT})|(?:{_ELEMENT})\d{{2,3}})(?:D[id])?"
METAL = re.compile(_METAL)
TAGGED = re.compile(
    rf"(?P<before>{ISOTOPE.pattern})_(?P<a>.+)"  # 150Nd_CD45RA
    rf"|(?P<first>{_METAL})[_\- ]+(?P<b>.+)"  # Nd150-CD45RA
    rf"|(?P<c>.+?)[_\- ]+(?P<last>{_METAL})"  # CD45RA_150Nd
    rf"|(?P<d>.+?) ?\((?P<inside>{_METAL})\)(?:D[id])?"  # CD45RA(Nd150)Di
)

GREEK = str.maketrans({"α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "κ": "k", "λ": "l"})

# One antigen, two names: whichever is rarer among the files gives way.
SYNONYMS = {
    "CCR4": "CD194", "CCR5": "CD195", "CCR6": "CD196", "CCR7": "CD197", "CRTH2": "CD294", "CTLA4": "CD152",
    "CXCR3": "CD183", "CXCR4": "CD184", "CXCR5": "CD185", "EpCAM": "CD326", "FAS": "CD95", "ICAM1": "CD54",
    "ICOS": "CD278", "IL2RA": "CD25", "IL3RA": "CD123", "IL7RA": "CD127", "LAG3": "CD223", "NCAM": "CD56",
    "NKG2A": "CD159a", "NKG2D": "CD314", "NKp30": "CD337", "NKp46": "CD335", "OX40": "CD134", "PD1": "CD279",
    "PDL1": "CD274", "PDL2": "CD273", "TIM3": "CD366", "granzyme B": "GzB",
}  # fmt: skip


def split_name(channel: str, marker: str) -> tuple[str, str]:
    """Channel and marker without an isotope beside, or an alias behind, the marker's name."""
    if ISOTOPE.fullmatch(marker):  # 195Pt: an isotope that nothing was bound to
        return channel, channel
    if (found := TAGGED.fullmatch(marker)) is not None:
        isotope = next(found[group] for group in ("before", "first", "last", "inside") if found[group])
        rest = next(found[group] for group in "abcd" if found[group])
        if (found["last"] or found["inside"]) and _technical(rest):  # DNA_191Ir beside DNA_193Ir
            return channel, marker
        channel = isotope if channel == marker else channel
        first, _, alias = rest.partition("_")
        marker = first if re.match(r"CD\d", first) and not re.match(r"CD\d", alias) else rest
    return channel, marker


def plain(name: str) -> str:
    """A name without case, signs and Greek letters: HLA-DR, hla_dr and HLADR are one.

    A sign between two digits stays as "-", for CD3-1 is not CD31.
    """
    parts = re.findall(r"[a-z0-9]+", name.translate(GREEK).casefold())
    plain = ""
    for part in parts:
        plain += "-" + part if plain[-1:].isdigit() and part[0].isdigit() else part
    return plain or name


def metal(channel: str) -> str:
    """What a channel measures, however it is written: Nd142Di, 142Nd and Nd142 are 142nd; others are `plain`."""
    if METAL.fullmatch(channel):
        return re.search(r"\d+", channel)[0] + re.search(_ELEMENT, channel)[0].lower()
    return plain(channel)


def marker_kind(channel: str, marker: str, *, unnamed: bool) -> str:
    """Lineage, technical or functional: the rule where no panel says.

    A name in LINEAGE_NAMES is lineage. Otherwise a channel or marker in TECHNICAL_NAMES,
    and a channel without a marker name of its own (``unnamed``) in a file where others have one, is
    technical. The rest is functional.
    """
    parts = {re.sub(r"[^A-Z0-9]", "", part.upper()) for part in (marker, *marker.split("_"))}
    if parts & LINEAGE_NAMES:
        return LINEAGE
    return TECHNICAL if _technical(channel) or _technical(marker) or unnamed else FUNCTIONAL


def _technical(name: str) -> bool:
    return _TECHNICAL.fullmatch(name) is not None
