// Bundled before it runs (test/child-script.ts). Opens a sink, writes batches of 500 rows, says so and waits to be killed. argv: JSON of SinkOptions, number
// of batches (20). An error is printed in its wire form on stderr after abort, and the exit code is 3.
import { Field, Float32, Int64, makeData } from "apache-arrow";
import { toWire } from "../../src/core/errors.ts";
import { openSink } from "../../src/sinks/registry.ts";
import { recordBatchOf, sinkBatchOf } from "../wire.ts";

const options = JSON.parse(process.argv[2]);
const sink = await openSink(options);
try {
  sink.open();
  for (let n = 0; n < Number(process.argv[3] ?? 20); n++) {
    const rows = 500;
    const fields = [new Field("id", new Int64(), true), new Field("score", new Float32(), true)];
    const children = [
      makeData({ type: new Int64(), length: rows, data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(1_000_000 + n * rows + i)) }),
      makeData({ type: new Float32(), length: rows, data: new Float32Array(rows).fill(0.5) }),
    ];
    sink.write(sinkBatchOf(recordBatchOf(fields, children)));
  }
  process.stdout.write("written\n");
  setInterval(() => {}, 1000);
} catch (error) {
  sink.abort();
  process.stderr.write(JSON.stringify(toWire(error)));
  process.exitCode = 3;
}
