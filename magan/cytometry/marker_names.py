"""What the names of channels and markers say, in the single place where such names are listed."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LINEAGE, FUNCTIONAL, TECHNICAL = KINDS = ("lineage", "functional", "technical")
KIND_OF_CLASS = {"type": LINEAGE, "state": FUNCTIONAL, "none": TECHNICAL}  # CATALYST's words
CORRECTED, AS_MEASURED, DOUBTFUL = ROLES = ("corrected", "as measured", "doubtful")  # of a channel in a run
NO_LABEL = "no label, while others of the file have one"

# Names that say which population a cell belongs to, in capitals without signs ("HLA-DR" is HLADR;
# "CD235ab_CD61" is known by its parts). They win over the rules of NO_MARKER below, for CD45 may sit on a
# barcoding or viability metal.
LINEAGE_NAMES = frozenset(
    (
        *("CD1C", "CD3", "CD3E", "CD4", "CD7", "CD8", "CD8A", "CD8B", "CD11B", "CD11C", "CD14", "CD15", "CD16", "CD19"),
        *("CD20", "CD33", "CD34", "CD45", "CD45R", "CD45RA", "CD45RO", "B220", "CD56", "NCAM", "CD61", "CD66", "CD66B"),
        *("CD117", "CD123", "CD141", "CD161", "CD235A", "CD235AB", "CD294", "CD303", "HLADR", "TCRAB", "TCRB", "TCRGD"),
    )
)


class Rule(NamedTuple):
    """Names, matched whole and in any case, of channels that carry no marker."""

    reason: str
    vendor: str  # whose instruments or software write the names
    pattern: str
    of: str = "both"  # whether the pattern is searched in the "marker", the "channel" or "both"


DNA, BARCODE, BEADS, VIABILITY = "DNA stain", "barcode", "calibration beads", "viability stain"
BACKGROUND, AUTOFLUORESCENCE = "background channel", "autofluorescence"
NUMBERED, CLUSTER, EMBEDDING = "number of a sample, file or event", "cluster number", "coordinate of an embedding"

TIME, EVENT, SCATTER = "time of acquisition", "property of the event, no marker", "light scatter"
WIDTH = "width of a pulse"

# What software adds to a table of cells. The rules come before LINEAGE_NAMES: "CD3_cluster" is a cluster.
COMPUTED = (
    Rule(NUMBERED, "any", r"(sample|file|batch|patient|donor|subject|plate|well|run|tube|event|cell|object|barcode)"
         r"[ _.-]?(no|nr|num|number|id|ids|idx|index|name|origin|source|#|scattered|count)\.?"),
    Rule(NUMBERED, "R, Excel, OMIQ, FlowSOM, CytoNorm", r"id|no|nr|index|row[ _.-]?(names?|id|no)?|rownames?"
         r"|unnamed: ?\d+|x\.?1|omiq[ _.-]?\w*|original[ _]?id|file|sample|batch|donor|patient|condition"
         r"|(parent|gate)[ _.-]?(id|no|name)?|fcs[ _]?file"),
    Rule(CLUSTER, "any", r"(.*[ _.-])?(flowsom|pheno|meta|sub|consensus)?[ _.-]?clust(er)?(s|ing|ed|id)?"
         r"([ _.-].*|\d+)?"),
    Rule(CLUSTER, "FlowSOM, PhenoGraph, X-shift, SPADE, Leiden", r"(r?phenograph|flowsom|x-?shift|leiden|louvain|spade"
         r"|citrus|k-?means|depeche|flowmeans|seurat)([ _.-].*)?|som([ _.-]?(node|id|x|y|no))?"
         r"|population([ _.-]?(id|no|number))?|cell[ _.-]?(type|population)([ _.-].*)?"),
    Rule(EVENT, "magan", r"magan_\w+"),
    Rule(EMBEDDING, "FlowJo, Cytobank, OMIQ, CATALYST", r"(.*[ _.-])?(opt-?|fit-?|bh-?|a-?|h-?)?"
         r"(t-?sne|sne|umap|phate|trimap|pacmap|visne|ee?mbedd?ing|pca)[ _.-]*"
         r"(x|y|z|\d+|cs?\d*|(dim(ension)?|axis|component)?[ _.-]?\d*)"
         r"|pc_\d+|(fdl|fa|force[ _-]?directed)[ _.-]?[xy12]"),
)  # fmt: skip

# What instruments and stains add to the markers.
NO_MARKER = (
    Rule(TIME, "all instruments", r"time([ _.-]?\d+)?|timestamp|acquisition[ _]time|time \(.*\)"),
    Rule(TIME, "Miltenyi MACSQuant", r"hdr[ _-]?(t|ce|se|v)\d?"),
    Rule(TIME, "BD Influx, Partec", r"time[ _.-]?(msw|lsw|high|low)|tmsw|tlsw"),
    Rule(EVENT, "Fluidigm, Standard BioTools", r"(event|cell)[ _-]?length|center|offset|width|residual|amplitude"),
    Rule(EVENT, "BD, Beckman Coulter, Accuri, Cytek", r"(trigger )?pulse[ _-]?width|width|count|drop[ _-]?phase"
         r"|(roi|classifier|sort( result)?|sorting) ?bits.*|adc ?\d+|events?|event[ _-]?info.*|raw[ _]?events?"
         r"|(coulter )?(volume|ev)|dc|rf|opacity|doublets?|singlets?|in[ _]?(sort|gate).*"),
    Rule(WIDTH, "all instruments", r".*\w[ _-](W|width|TOF)([ _-]?(lin|log))?", "marker"),
    Rule(SCATTER, "all instruments", r"((uv|blue|violet|yellow|red|green|[uvbyrg]{1,2}|\d{3}(nm)?)[ _-]?)?[fsb]sc"
         r"([ _-]?\d)?([ _-]?(a|h|w|area|height|width|hlin|hlog|lin|log|peak|int|tof|par|perp))?"
         r"([ _-].*| ?\(.*)?"),
    Rule(SCATTER, "Beckman Coulter, CyAn", r"[fs]s([ _-]?\d)?([ _-](a|h|w|area|height|width|int|peak|tof|lin|log).*)?"),
    Rule(SCATTER, "BD FACSDiscover, other", r"(light ?loss|(forward|side|back)[ _-]?scatter|low angle|polari[sz]ed).*"
         r"|(max(imum)? intensity|total intensity|eccentricity|radial moment|delta com|diffusivity|size) ?\(.*\).*"),
    Rule(DNA, "Fluidigm", r"(191|193)?ir(191|193)?(di)?|(191|193)ir[ _-]?dna\d*|irdi", "channel"),
    Rule(DNA, "any", r"dna([ _-]?\d*| .*)|(191|193)?ir(191|193)?(di)?|(191|193)ir[ _-]?dna[ _-]?\d*"
         r"|dna[ _-]?\d?[ _-](ir)?(191|193)?(ir)?|iridium.*"
         r"|.*intercalator.*|dapi.*|hoechst.*|draq-?5.*|(vybrant )?dye ?cycle.*|syto[ _-]?\d+.*", "marker"),
    Rule(BARCODE, "any", r"bc([ _-]?\d+)?|.*barcode.*|bc[ _-]?.*pd", "marker"),
    Rule(BARCODE, "Fluidigm", r"pd10\d(di)?|pd110(di)?|(10\d|110)pd(di)?", "both"),
    Rule(BEADS, "Fluidigm, CATALYST, premessa", r"(eq|norm(ali[sz]ation)?|cali(bration)?)?[ _-]?beads?[ _-]?(dist)?.*"
         r"|beaddist|ce140(di)?|140ce(di)?", "both"),
    Rule(VIABILITY, "any", r"cis(platin|pt)?([ _-].*)?|.*viab.*|live|live[ /_-].*|.*dead.*|zombie.*"
         r"|fvs[ _-]?\d*.*|fvd.*|amine.*|7-?aad|pi|propidium.*|sytox.*|draq-?7.*"
         r"|(near[ _-]?ir|nir|aqua)([ _-]?a)?|via ?(kr?ome|dye).*|helix.*|(103)?rh(103)?(di)?|.*fixable.*|ghost.*"
         r"|to-?pro-?\d.*|(.*[ _-])?l[/_-]?d([ _-].*)?|.*[ _-]live|ef(luor)?[ _-]?(455 ?uv|506|780)", "marker"),
    Rule(VIABILITY, "Fluidigm", r"pt19\d(di)?|19\d ?pt(di)?", "both"),
    Rule(BACKGROUND, "Fluidigm", r"(\d+)?bckg.*", "both"),
    Rule(AUTOFLUORESCENCE, "Cytek, Sony, any", r"af([ _-]?(a|h|tag.*))?|auto[ _-]?fluor.*", "both"),
    Rule("no label", "any", r"empty.*|blank|unused|none|n/?a|nan|-+|\.+|_+", "marker"),
)  # fmt: skip

# What metals carry in most laboratories, and antibodies in some.
OFTEN = {BARCODE: "barcodes", BEADS: "calibration beads", VIABILITY: "viability stains"}

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
# Comp-BV421-A :: CD3, and as R writes it: Comp.BV421.A....CD3
FLOWJO = re.compile(r"(?P<channel>.*?\S)(?: *:: *|\.{4})(?P<marker>[^\s.].*)")
COMPENSATED = re.compile(r"(?:FJ)?Comp[-_ .](?=\S)", re.IGNORECASE)  # what software sets before a compensated channel

# A detector of a flow cytometer; its pulse has an area, a height and a width.
PULSE = re.compile(
    r"(?P<detector>.*\S)[ ._-](?P<pulse>A|H|W|Area|Height|Width|INT|PEAK|TOF)(?P<scale> LIN| LOG|Lin|Log)?"
)
PULSE_ORDER = ("area", "height", "width")
PULSES: dict[str, str] = dict(
    zip(
        ("A", "Area", "INT", "H", "Height", "PEAK", "W", "Width", "TOF"),
        (*3 * ["area"], *3 * ["height"], *3 * ["width"]),
    )
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
    """Channel and marker, parted where a name holds both; an isotope before and an alias behind the marker go.

    ``Comp-BV421-A :: CD3`` is channel BV421-A and marker CD3, ``150Nd_CD45RA`` is channel 150Nd and marker CD45RA.
    """
    if (found := FLOWJO.fullmatch(marker)) is not None:
        channel = COMPENSATED.sub("", found["channel"], count=1) if channel == marker else channel
        marker = found["marker"]
    if ISOTOPE.fullmatch(marker):  # 195Pt: an isotope that nothing was bound to
        return channel, channel
    if (found := TAGGED.fullmatch(marker)) is not None:
        isotope = next(found[group] for group in ("before", "first", "last", "inside") if found[group])
        rest = next(found[group] for group in "abcd" if found[group])
        if (found["last"] or found["inside"]) and _reason((*COMPUTED, *NO_MARKER), rest, rest):  # DNA_191Ir, DNA_193Ir
            return channel, marker
        channel = isotope if channel == marker else channel
        first, _, alias = rest.partition("_")
        marker = first if re.match(r"CD\d", first) and not re.match(r"CD\d", alias) else rest
    return channel, marker


def plain(name: str) -> str:
    """A name without case, signs and Greek letters: HLA-DR, hla_dr and HLADR are equal.

    A sign between two digits stays as "-", for CD3-1 is not CD31.
    """
    parts = re.findall(r"[a-z0-9]+", name.translate(GREEK).casefold())
    plain = ""
    for part in parts:
        plain += "-" + part if plain[-1:].isdigit() and part[0].isdigit() else part
    return plain or name


def metal(channel: str) -> str:
    """What a channel measures, however it is written.

    Nd142Di, 142Nd and Nd142 are 142nd; all else is `plain`, without the "Comp-" of compensated channels.
    """
    number, element = re.search(r"\d+", channel), re.search(_ELEMENT, channel)
    if METAL.fullmatch(channel) and number and element:
        return number[0] + element[0].lower()
    return plain(COMPENSATED.sub("", channel, count=1))


def pulse(channel: str) -> tuple[str, str] | None:
    """Detector and "area", "height" or "width" of a channel such as ``BV421-A``; None for any other name."""
    found = PULSE.fullmatch(COMPENSATED.sub("", channel, count=1))
    return (found["detector"] + (found["scale"] or ""), PULSES[found["pulse"]]) if found else None


def lesser_pulses(names: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Channel -> "height of BV421-A", for all but the first pulse of each detector.

    First is the area, or else the height; but a pulse with a label goes before any without.

    Parameters
    ----------
    names
        Channel and marker of every column of a file; a channel without a label is called by its channel.
    """
    found: dict[str, list[tuple[bool, int, str]]] = {}
    for channel, marker in names:
        if (parts := pulse(channel)) is not None:
            found.setdefault(parts[0], []).append((channel == marker, PULSE_ORDER.index(parts[1]), channel))
    lesser = {}
    for pulses in found.values():
        (_, _, first), *rest = sorted(pulses)
        lesser |= {channel: f"{PULSE_ORDER[place]} of {first}" for _, place, channel in rest}
    return lesser


def file_names(channels: Iterable[str], labels: Iterable[str]) -> list[tuple[str, str]]:
    """Channel and marker of every column of a file, by `split_name`.

    A height or width that bears the label of its area is called by its channel.
    """
    names = [split_name(channel, label) for channel, label in zip(channels, labels)]
    marker_of, lesser = dict(names), lesser_pulses(names)
    first = {channel: reason.split(" of ", 1)[1] for channel, reason in lesser.items()}
    return [(c, c) if c in first and m == marker_of[first[c]] else (c, m) for c, m in names]


def looks_like_channel(name: str) -> bool:
    """Whether a name is that of a metal or a detector and so says nothing of an antigen."""
    return METAL.fullmatch(name) is not None or (pulse(name) is not None and not re.match(r"HLA[ _-]", name))


def role(channel: str, marker: str, *, unlabelled: bool = False) -> tuple[str, str]:
    """What a run does with a channel, as its names say: a member of ROLES, and the reason ("" for "corrected").

    Names of COMPUTED are never markers. Names of LINEAGE_NAMES are. Of the rest, a name of NO_MARKER is none; a
    marker on a metal that most laboratories give to barcodes, beads or viability is doubtful; and a channel without
    a label (``unlabelled``) in a file that labels others is none.
    """
    if reason := _reason(COMPUTED, channel, marker):
        return AS_MEASURED, reason
    if is_lineage(marker):
        return CORRECTED, ""
    if reason := _reason(NO_MARKER, "", marker):
        return AS_MEASURED, reason
    if reason := _reason(NO_MARKER, channel, ""):
        if reason in OFTEN and marker != channel:
            return DOUBTFUL, f"channel {channel} mostly carries {OFTEN[reason]}"
        return AS_MEASURED, reason
    return (AS_MEASURED, NO_LABEL) if unlabelled else (CORRECTED, "")


def kind_of(marker: str, role: str) -> str:
    """Lineage, technical or functional: the rule where no panel says.

    Technical is what is not corrected. Of the rest, LINEAGE_NAMES are lineage, and others functional.
    """
    if role != CORRECTED:
        return TECHNICAL
    return LINEAGE if is_lineage(marker) else FUNCTIONAL


def is_lineage(marker: str) -> bool:
    """Whether a marker, or a part of it between underscores, is in LINEAGE_NAMES."""
    parts = {re.sub(r"[^A-Z0-9]", "", part.upper()) for part in (marker, *marker.split("_"))}
    return bool(parts & LINEAGE_NAMES)


_COMPILED = {rule: re.compile(rule.pattern, re.IGNORECASE) for rule in (*COMPUTED, *NO_MARKER)}


def _forms(name: str) -> tuple[str, str]:
    """A name, and the name before R wrote signs as dots and software set "Comp-" before it: FSC.A, Comp-DAPI-A."""
    return name, COMPENSATED.sub("", re.sub(r"[.]+", "-", name).strip("-"), count=1) or name


def _reason(rules: tuple[Rule, ...], channel: str, marker: str) -> str:
    """The reason of the first rule that a name matches, or ""."""
    for rule in rules:
        names = {"marker": (marker,), "channel": (channel,), "both": (channel, marker)}[rule.of]
        if any(_COMPILED[rule].fullmatch(form) for name in names if name for form in _forms(name.strip())):
            return rule.reason
    return ""
