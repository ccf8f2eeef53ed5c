/** The script that a Node user would write first: a row at a time from csv-parse, a batch at a time into the runtime, a row at a time into SQLite. */
import { createReadStream } from "node:fs";
import Database from "better-sqlite3";
import { parse } from "csv-parse";
import * as ort from "onnxruntime-node";

const [model, source, target] = process.argv.slice(2);
const session = await ort.InferenceSession.create(model);
const database = new Database(target);
database.exec("CREATE TABLE predictions (id INTEGER, y REAL)");
const insert = database.prepare("INSERT INTO predictions VALUES (?, ?)");
let rows = [];
async function flush() {
  const x = new Float32Array(rows.length * 20);
  rows.forEach((row, at) => {
    for (let column = 0; column < 20; column++) x[at * 20 + column] = Number(row[`f${column}`]);
  });
  const { y } = await session.run({ x: new ort.Tensor("float32", x, [rows.length, 20]) });
  database.transaction(() => rows.forEach((row, at) => insert.run(Number(row.id), y.data[at])))();
  rows = [];
}
for await (const row of createReadStream(source).pipe(parse({ columns: true }))) {
  rows.push(row);
  if (rows.length === 4096) await flush();
}
if (rows.length > 0) await flush();
database.close();
