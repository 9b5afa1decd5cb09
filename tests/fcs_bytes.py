"""FCS files written byte by byte, after the standard and not after a library."""

import struct
from collections.abc import Mapping

VALUES = [[1.5, 200.25], [0.0, 3.0], [7.75, 90000.0]]


def write(
    path,
    rows=VALUES,
    *,
    version="3.1",
    datatype="F",
    bits=(32, 32),
    byteord="1,2,3,4",
    keywords: Mapping[str, str | None] | None = None,
    header_offsets=None,
    delimiter="|",
    keep=None,
):
    """One FCS file: header of 58 bytes, TEXT at 64, DATA at 2048; ``keywords`` of None are left out."""
    code = {("F", 32): "f", ("D", 64): "d", ("I", 16): "H", ("I", 32): "I", ("I", 8): "B"}
    order = "<" if byteord.startswith("1") else ">"
    packed = order + "".join(code[datatype, b] for b in bits)
    data = b"".join(struct.pack(packed, *row) for row in rows)
    start, stop = 2048, 2048 + len(data) - 1
    text = {
        "$BEGINDATA": str(start),
        "$ENDDATA": str(stop),
        "$BYTEORD": byteord,
        "$DATATYPE": datatype,
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(bits)),
        "$TOT": str(len(rows)),
    }
    for n, b in enumerate(bits, start=1):
        text |= {f"$P{n}B": str(b), f"$P{n}E": "0,0", f"$P{n}R": "1024", f"$P{n}N": f"C{n}", f"$P{n}S": f"CD{n}"}
    text |= keywords or {}
    words = delimiter + "".join(f"{k}{delimiter}{v}{delimiter}" for k, v in text.items() if v is not None)
    encoded = words.encode("latin-1")
    offsets = (64, 64 + len(encoded) - 1, *(header_offsets or (start, stop)), 0, 0)
    header = f"FCS{version}    ".encode() + b"".join(f"{n:>8}".encode() for n in offsets)
    path.write_bytes((header.ljust(64) + encoded).ljust(2048) + data)
    if keep is not None:
        path.write_bytes(path.read_bytes()[:keep])
    return path


def write_types(path, numbers, version="3.2", keywords=()):
    """One FCS file of records ``numbers``, little-endian, whose fields name the channels: a type for each."""
    kinds = {"f": {4: "F", 8: "D"}, "u": dict.fromkeys((1, 2, 4, 8), "I")}
    text, last = {"$PAR": str(len(numbers.dtype.names)), "$TOT": str(len(numbers))}, 2048 + numbers.nbytes - 1
    for n, name in enumerate(numbers.dtype.names, start=1):
        kind = numbers.dtype[name]
        text |= {f"$P{n}B": str(8 * kind.itemsize), f"$P{n}E": "0,0", f"$P{n}R": str(2 ** (8 * kind.itemsize))}
        text |= {f"$P{n}N": name, f"$P{n}S": name, f"$P{n}DATATYPE": kinds[kind.kind][kind.itemsize]}
    text |= {"$ENDDATA": str(last)} | dict(keywords)
    write(path, [], version=version, bits=(), keywords=text, header_offsets=(2048, last))
    path.write_bytes(path.read_bytes() + numbers.tobytes())
    return path
