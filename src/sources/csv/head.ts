/** The beginning of an input in the bytes that its chunks will hold (decompressed, transcoded), and the stream behind it. */
import type { Readable } from "node:stream";
import type { CsvOptions, SourceFile } from "../../core/source.ts";
import { resolveEncoding } from "./dialect.ts";
import { isTranscoded, utf8BomBytes } from "./encoding.ts";
import {
  type Bytes,
  changedError,
  fileBytes,
  gunzipped,
  inputError,
  isGzip,
  openInput,
  PeekedBytes,
  readFully,
  transcoded,
} from "./input.ts";

export interface InputHead {
  compression: "none" | "gzip";
  encoding: string;
  /** In the raw file. */
  bomBytes: number;
  /** Byte where text begins in the bytes that chunks hold: behind a UTF-8 byte order mark. */
  textStart: number;
  bytes: Buffer;
  /** `bytes` is the whole input. */
  complete: boolean;
  /** Only a stream can serve this input: gzip, stdin, transcoded. */
  streamed: boolean;
  /** Blocks from the middle and the end (plain files only). */
  samples: Buffer[];
}

const SAMPLE_BYTES = 32 * 1024;
const SAMPLES = 8;

/** Looks at stdin and keeps what it looked at; null for files, which can be opened again. */
export function stdinBytes(stdin: Readable | undefined): PeekedBytes | null {
  return stdin === undefined ? null : new PeekedBytes(stdin as Bytes);
}

/**
 * @param wanted bytes of head to see
 * @param known encoding of the first file, which all others share
 */
export async function readHead(
  file: SourceFile,
  options: CsvOptions,
  stdin: PeekedBytes | null,
  wanted: number,
  known: string | null,
): Promise<InputHead> {
  const raw = await rawHead(file, stdin, wanted, known === null);
  const gzip = isGzip(raw.head);
  let { head, ended } = raw;
  if (gzip) {
    const source = new PeekedBytes(gunzipped(stdin === null ? fileBytes(file) : replay(stdin, wanted), file.path));
    ({ head, ended } = await source.peek(wanted));
    await source.close();
  }
  const samples = gzip ? [] : raw.samples;
  const { encoding, bomBytes } =
    known === null ? resolveEncoding(options, head, samples) : { encoding: known, bomBytes: utf8BomBytes(head) };
  const wide = isTranscoded(encoding);
  if (wide) head = await decodeHead(head, encoding);
  return {
    compression: gzip ? "gzip" : "none",
    encoding,
    bomBytes,
    textStart: encoding === "utf-8" ? utf8BomBytes(head) : 0,
    bytes: head,
    complete: ended,
    streamed: gzip || wide || stdin !== null,
    samples: wide ? [] : samples,
  };
}

/** The whole input in the bytes that chunks hold. stdin is consumed by it. */
export function streamOf(file: SourceFile, head: Pick<InputHead, "compression" | "encoding">, stdin: PeekedBytes | null): Bytes {
  let bytes: Bytes = stdin === null ? fileBytes(file) : stdin.read();
  if (head.compression === "gzip") bytes = gunzipped(bytes, file.path);
  return isTranscoded(head.encoding) ? transcoded(bytes, head.encoding) : bytes;
}

async function rawHead(
  file: SourceFile,
  stdin: PeekedBytes | null,
  wanted: number,
  sampled: boolean,
): Promise<{ head: Buffer; ended: boolean; samples: Buffer[] }> {
  if (stdin !== null) return { ...(await stdin.peek(wanted)), samples: [] };
  const handle = await openInput(file.path);
  try {
    const size = file.sizeBytes ?? 0;
    const head = Buffer.alloc(Math.min(wanted, size));
    const length = await readFully(handle, head, 0);
    if (length < head.length) throw changedError(file, `${length} bytes`);
    const samples: Buffer[] = [];
    const step = (size - head.length - SAMPLE_BYTES) / (SAMPLES - 1);
    for (let i = 0; sampled && step > SAMPLE_BYTES && i < SAMPLES; i++) {
      const block = Buffer.alloc(SAMPLE_BYTES);
      const read = await readFully(handle, block, Math.floor(head.length + i * step));
      samples.push(block.subarray(0, read));
    }
    return { head, ended: head.length === size, samples };
  } catch (error) {
    throw inputError(error, file.path);
  } finally {
    await handle.close();
  }
}

/** Compressed bytes that were peeked, without consuming them: the head shows at least as many decompressed ones, or all there are. */
async function* replay(stdin: PeekedBytes, wanted: number): AsyncGenerator<Uint8Array> {
  let given = 0;
  for (let asked = Math.min(wanted, 4096); ; asked *= 2) {
    const { head, ended } = await stdin.peek(asked);
    if (head.length > given) yield head.subarray(given);
    given = head.length;
    if (ended) return;
  }
}

async function decodeHead(head: Buffer, encoding: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of transcoded(one(head), encoding)) parts.push(part);
  return Buffer.concat(parts);
}

async function* one(block: Uint8Array): AsyncGenerator<Uint8Array> {
  yield block;
}
