"""What a user would write instead: read all, predict in batches, write. Prints its own use of the machine as JSON."""
import json
import resource
import sys

library, model, source, target = sys.argv[1:5]
BATCH = 4096
NAMES = [f"f{i}" for i in range(20)]


def predict(x):
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(model)
    x = np.ascontiguousarray(x, dtype=np.float32)
    parts = [session.run(None, {"x": x[i : i + BATCH]})[0][:, 0] for i in range(0, len(x), BATCH)]
    return np.concatenate(parts)


if library == "polars":
    import polars as pl

    frame = pl.read_csv(source) if source.endswith(".csv") else pl.read_parquet(source)
    y = predict(frame.select(NAMES).to_numpy())
    pl.DataFrame({"id": frame["id"], "y": y}).write_parquet(target)
elif library == "pandas":
    import pandas as pd

    frame = pd.read_csv(source) if source.endswith(".csv") else pd.read_parquet(source)
    out = pd.DataFrame({"id": frame["id"], "y": predict(frame[NAMES].to_numpy())})
    if target.endswith(".db"):
        import sqlite3

        with sqlite3.connect(target) as connection:
            out.to_sql("predictions", connection, index=False, if_exists="replace")
    else:
        out.to_parquet(target)
else:
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    if source.endswith(".csv"):
        table = pa.csv.read_csv(source)
    elif source.endswith(".parquet"):
        table = pq.read_table(source)
    else:
        with pa.memory_map(source) as file:
            table = pa.ipc.open_stream(file).read_all()
    x = np.column_stack([table[name].to_numpy() for name in NAMES])
    pq.write_table(pa.table({"id": table["id"], "y": predict(x)}), target)

use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpuSeconds": use.ru_utime + use.ru_stime, "peakBytes": use.ru_maxrss * 1024}))
