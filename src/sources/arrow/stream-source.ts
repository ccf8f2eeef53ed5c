/** An Arrow stream from a pipe: each record batch becomes a chunk that carries its own schema, the dictionaries as they stand, and the batch. */
import type { Readable } from "node:stream";
import type { Schema, Vector } from "apache-arrow";
import type { Chunk, RowChunk } from "../../core/chunk.ts";
import { BatchPredictError } from "../../core/errors.ts";
import type { ChunkPlanOptions, Source, SourceDescription } from "../../core/source.ts";
import { BatchLoader } from "../../formats/arrow-body.ts";
import { addDictionary } from "../../formats/arrow-dictionaries.ts";
import { DAMAGED_HINTS, refuseArrow } from "../../formats/arrow-error.ts";
import { describeColumns } from "../describe-columns.ts";
import { previewRows } from "./arrow-preview.ts";
import { packedMessages, type StreamMessage, streamMessages } from "./stream-messages.ts";

/** Of a batch that comes later, beyond the first one, for which memory was planned: texts are longer here and shorter there. */
const MORE_BYTES = 4 << 20;
const MORE_SHARE = 1.25;

interface OpenedStream {
  path: string;
  schema: Schema;
  schemaBytes: Uint8Array;
  /** Messages before and with the first record batch; they are not read again. */
  pending: StreamMessage[];
  rest: AsyncGenerator<StreamMessage, void>;
}

/** @param stdin may be a file too: its rows stand before its index */
export async function openStreamSource(stdin: Readable | undefined): Promise<Source> {
  if (stdin === undefined) throw new BatchPredictError("BP_INTERNAL", "stdin was asked for and not given");
  const stream = await openStream("-", stdin);
  return new StreamSource(await describe(stream), stream);
}

class StreamSource implements Source {
  private first: OpenedStream | undefined;

  constructor(
    readonly description: SourceDescription,
    first: OpenedStream,
  ) {
    this.first = first;
  }

  async *chunks({ limited, signal }: ChunkPlanOptions): AsyncGenerator<Chunk> {
    const stream = this.takeFirst();
    const planned = limited ? (this.description.indivisible?.bytes ?? 0) : Number.POSITIVE_INFINITY;
    let index = 0;
    try {
      for await (const chunk of chunksOf(stream)) {
        if (signal?.aborted) return;
        checkSize(stream.path, chunk, planned);
        yield { ...chunk, index: index++ };
      }
    } finally {
      await stream.rest.return();
    }
    // A pipe cannot be opened again for its schema, so a stream without rows says itself what it would have held.
    if (index === 0) yield { kind: "rows", index, file: 0, unit: -1, rowStart: 0, rowEnd: 0, inline: join([stream.schemaBytes]) };
  }

  async close(): Promise<void> {
    await this.first?.rest.return();
    this.first = undefined;
  }

  /** The stream that the description was made from: stdin can be read only once. */
  private takeFirst(): OpenedStream {
    const { first } = this;
    this.first = undefined;
    if (first === undefined) throw new BatchPredictError("BP_INTERNAL", "stdin can be read only once");
    return first;
  }
}

async function openStream(path: string, stdin: Readable): Promise<OpenedStream> {
  const rest = streamMessages(path, stdin);
  const start = await rest.next();
  if (start.done || start.value.message.kind !== "schema")
    throw refuseArrow(path, "it does not begin with a schema", DAMAGED_HINTS);
  const pending: StreamMessage[] = [];
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    pending.push(next.value);
    if (next.value.message.kind === "batch") break;
  }
  return { path, schema: start.value.message.schema, schemaBytes: start.value.bytes, pending, rest };
}

/** @throws BP_MEMORY_LIMIT for a batch that memory was not planned for: it cannot be handed out in parts */
function checkSize(path: string, chunk: Omit<RowChunk, "index">, planned: number): void {
  const bytes = chunk.inline!.length;
  if (bytes <= planned * MORE_SHARE + MORE_BYTES) return;
  const [has, least] = [bytes, planned].map((size) => `${Math.ceil(size / 1e6)} MB`);
  throw new BatchPredictError("BP_MEMORY_LIMIT", `record batch ${chunk.unit} of the stream is too large for the memory limit`, {
    where: { file: path },
    expected: `about ${least}, like the first record batch, for which memory was planned`,
    actual: `${has}`,
    hints: ["write smaller record batches", "or give the stream as a file: of a file batches are read in parts"],
  });
}

async function describe(stream: OpenedStream): Promise<SourceDescription> {
  const batch = stream.pending.at(-1);
  const held = stream.pending.reduce((sum, { bytes }) => sum + bytes.length, stream.schemaBytes.length);
  const rows = batch?.message.kind === "batch" ? batch.message.header.rows : 0;
  return {
    format: "arrow-stream",
    files: [{ path: stream.path, sizeBytes: null, mtimeMs: null }],
    columns: describeColumns(stream.schema, stream.path),
    dialect: null,
    rows: null,
    rowsEstimate: null,
    bytes: null,
    ...(rows === 0 ? {} : { indivisible: { what: "a record batch of the stream", bytes: held, rows } }),
    preview: await preview(stream),
  };
}

async function preview({ path, schema, pending }: OpenedStream): Promise<string[][]> {
  const open = (): BatchLoader => {
    const dictionaries = new Map<number, Vector>();
    for (const { bytes } of pending) {
      for (const { message, body } of packedMessages(path, bytes)) {
        const read = (at: number, length: number): Uint8Array => body.subarray(at, at + length);
        if (message.kind === "dictionary") addDictionary(path, schema, message, { read }, dictionaries);
        else if (message.kind === "batch") return new BatchLoader(path, schema.fields, message.header, { read }, dictionaries);
      }
    }
    throw new BatchPredictError("BP_INTERNAL", "a preview of a stream without rows was asked for");
  };
  return pending.at(-1)?.message.kind === "batch" ? previewRows(open, schema) : [];
}

async function* chunksOf(stream: OpenedStream): AsyncGenerator<Omit<RowChunk, "index">> {
  const dictionaries = new Map<number, Uint8Array[]>();
  let unit = 0;
  for await (const { message, bytes } of allMessages(stream)) {
    if (message.kind === "schema") throw refuseArrow(stream.path, "it holds a second schema", DAMAGED_HINTS);
    if (message.kind === "dictionary") {
      const known = message.isDelta ? dictionaries.get(message.id) : undefined;
      if (known === undefined) dictionaries.set(message.id, [bytes]);
      else known.push(bytes);
      continue;
    }
    const { rows } = message.header;
    if (rows > 0)
      yield {
        kind: "rows",
        file: 0,
        unit,
        rowStart: 0,
        rowEnd: rows,
        inline: join([stream.schemaBytes, ...[...dictionaries.values()].flat(), bytes]),
      };
    unit++;
  }
}

async function* allMessages({ pending, rest }: OpenedStream): AsyncGenerator<StreamMessage, void> {
  // Taken out one by one, so that the first batch is not held while the rest is read.
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) yield next;
  for (;;) {
    const next = await rest.next();
    if (next.done) return;
    yield next.value;
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
