"""CRC-32 of every column (its first 2,000 rows) of the collected Arrow and Parquet files as pyarrow reads them, for collected-values.test.ts.

usage: python pyarrow-values.py MATERIAL > pyarrow-values.json
"""
import json
import os
import struct
import sys
import zlib

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

ROWS = 2000
NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


class Unknown(Exception):
    pass


def canonical(scalar):
    if isinstance(scalar, pa.ExtensionScalar):
        scalar = scalar.value
    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    if scalar is None or not scalar.is_valid:
        return "~"
    t = scalar.type
    if pa.types.is_boolean(t):
        return "T" if scalar.as_py() else "F"
    if pa.types.is_integer(t):
        return str(scalar.as_py())
    if pa.types.is_floating(t):
        value = float(scalar.as_py())
        return "nan" if value != value else struct.pack(">d", value).hex()
    if pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t):
        return "s" + scalar.as_buffer().to_pybytes().hex()
    if pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t) or pa.types.is_binary_view(t):
        return "b" + scalar.as_buffer().to_pybytes().hex()
    if pa.types.is_decimal(t):
        value = scalar.as_py()
        sign, digits, exponent = value.as_tuple()
        unscaled = int("".join(map(str, digits)) or "0") * 10 ** (exponent + t.scale)
        return f"m{-unscaled if sign else unscaled}e{t.scale}"
    if pa.types.is_date32(t):
        return f"d{scalar.value * 86400 * 10**9}"
    if pa.types.is_date64(t):
        return f"d{scalar.value * 10**6}"
    if pa.types.is_timestamp(t) or pa.types.is_time(t) or pa.types.is_duration(t):
        return f"t{scalar.value * NANOS[t.unit]}"
    if pa.types.is_map(t):
        return "[" + ",".join("{" + canonical(one["key"]) + "," + canonical(one["value"]) + "}" for one in scalar.values) + "]"
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t):
        return "[" + ",".join(canonical(one) for one in scalar.values) + "]"
    if pa.types.is_struct(t):
        return "{" + ",".join(canonical(scalar[at]) for at in range(t.num_fields)) + "}"
    raise Unknown(str(t))


def columns(table):
    sums = []
    for column in table.slice(0, ROWS).columns:
        try:
            sums.append(zlib.crc32("\n".join(canonical(one) for one in column).encode()))
        except (Unknown, AttributeError, TypeError, ValueError, KeyError, NotImplementedError):
            sums.append(None)
    return sums


def read_arrow(path):
    with pa.memory_map(path) as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()


def main(material):
    result = {}
    for kind, read in (("arrow", read_arrow), ("parquet", lambda path: pq.ParquetFile(path, coerce_int96_timestamp_unit="us").read())):
        for entry in json.load(open(os.path.join(material, kind, "READ_RESULTS.json"))):
            path = os.path.join(material, kind, entry["file"])
            if "rows" not in entry.get("pyarrow", {}) or not os.path.exists(path):
                continue
            try:
                result[f"{kind}/{entry['file']}"] = columns(read(path))
            except Exception as error:  # noqa: BLE001
                print(entry["file"], type(error).__name__, error, file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")).replace('],"', '],\n"'))


main(sys.argv[1])
