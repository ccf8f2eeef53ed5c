/**
 * Character encodings of CSV files. UTF-8 and the single-byte supersets of ASCII are split as bytes, as they stand in the file;
 * everything else (UTF-16, Shift_JIS, GBK, ...) could hide a delimiter's byte inside a character, so it is transcoded to UTF-8 as a stream.
 */
import { isUtf8 } from "node:buffer";
import { BatchPredictError } from "../../core/errors.ts";
import { iconv } from "../../core/iconv.ts";
import { suggest } from "../../core/suggest.ts";

const ALIASES: Record<string, string> = {
  utf8: "utf-8",
  utf8sig: "utf-8",
  ascii: "utf-8",
  usascii: "utf-8",
  latin1: "latin1",
  iso88591: "latin1",
  cp1252: "windows-1252",
  windows1252: "windows-1252",
  utf16: "utf-16le",
  utf16le: "utf-16le",
  ucs2: "utf-16le",
  utf16be: "utf-16be",
  utf32le: "utf-32le",
  utf32be: "utf-32be",
};

/** @throws BP_CONFIG for a name that iconv-lite does not know */
export function canonicalEncoding(name: string): string {
  const folded = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const alias = ALIASES[folded];
  if (alias !== undefined) return alias;
  if (folded !== "" && iconv().encodingExists(name)) return name.toLowerCase();
  const near = suggest(name, [
    "utf-8",
    "latin1",
    "windows-1252",
    "utf-16le",
    "utf-16be",
    "shift_jis",
    "gbk",
    "big5",
    "euc-kr",
    "iso-8859-15",
  ]);
  throw new BatchPredictError("BP_CONFIG", `unknown encoding "${name}"`, {
    hints: [
      near.length > 0
        ? `did you mean --encoding ${near[0]}?`
        : "use a name such as utf-8, latin1, windows-1252 or utf-16le with --encoding",
    ],
  });
}

/** 256 characters, one per byte; null when the encoding is not a single-byte superset of ASCII. */
function singleByteTable(encoding: string): string[] | null {
  if (encoding === "utf-8" || /^(?:utf|ucs)/.test(encoding)) return null;
  const table: string[] = [];
  for (let byte = 0; byte < 256; byte++) {
    let text = iconv().decode(Buffer.from([byte]), encoding);
    if (byte < 128 && text !== String.fromCharCode(byte)) return null;
    if (text.length !== 1) return null;
    // Bytes without a character stand for the control of the same number (as in the WHATWG tables): nothing is lost.
    if (text === "\ufffd") text = String.fromCharCode(byte);
    table.push(text);
  }
  // In a double-byte encoding a lone lead byte swallows its follower.
  for (let byte = 128; byte < 256; byte++) if (iconv().decode(Buffer.from([byte, 65]), encoding).length !== 2) return null;
  return table;
}

export function isTranscoded(encoding: string): boolean {
  return encoding !== "utf-8" && singleByteTable(encoding) === null;
}

/** How the bytes that chunks hold become text. */
export interface TextCodec {
  /** What csv-parse splits with: latin1 keeps every byte apart. */
  byteEncoding: "utf8" | "latin1";
  /** Text of a cell or record that was read with `byteEncoding`; null when it is the text already. */
  finish: ((text: string) => string) | null;
  decode(bytes: Uint8Array): string;
  encode(text: string): Buffer;
}

const HIGH = /[\x80-\xff]/;

/** @param encoding of the file; chunks of a transcoded file hold UTF-8 */
export function codecOf(encoding: string): TextCodec {
  const table = isTranscoded(encoding) ? null : singleByteTable(encoding);
  if (table === null) {
    return {
      byteEncoding: "utf8",
      finish: null,
      decode: (bytes) => asBuffer(bytes).toString("utf8"),
      encode: (text) => Buffer.from(text),
    };
  }
  const map = (text: string): string => {
    if (!HIGH.test(text)) return text;
    let out = "";
    for (let i = 0; i < text.length; i++) out += table[text.charCodeAt(i)]!;
    return out;
  };
  return {
    byteEncoding: "latin1",
    finish: encoding === "latin1" ? null : map,
    decode: (bytes) => map(asBuffer(bytes).toString("latin1")),
    encode: (text) => iconv().encode(text, encoding),
  };
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bytes of the UTF-8 byte order mark at the start, 3 or 0. */
export function utf8BomBytes(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** By byte order mark, by the pattern of NUL bytes, by validity. */
export function sniffEncoding(head: Uint8Array, samples: readonly Uint8Array[]): { encoding: string; bomBytes: number } {
  const utf8Bom = utf8BomBytes(head);
  if (utf8Bom > 0) return { encoding: "utf-8", bomBytes: utf8Bom };
  if (head[0] === 0xff && head[1] === 0xfe) {
    return head[2] === 0 && head[3] === 0 && head.length > 4
      ? { encoding: "utf-32le", bomBytes: 4 }
      : { encoding: "utf-16le", bomBytes: 2 };
  }
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: "utf-16be", bomBytes: 2 };
  const wide = sniffWide(head);
  if (wide !== null) return { encoding: wide, bomBytes: 0 };
  const valid = isUtf8(wholeCharacters(head, false)) && samples.every((sample) => isUtf8(wholeCharacters(sample, true)));
  return { encoding: valid ? "utf-8" : "windows-1252", bomBytes: 0 };
}

/** Western text in UTF-16 has a NUL in nearly every second byte, always on the same side. */
function sniffWide(head: Uint8Array): "utf-16le" | "utf-16be" | null {
  const length = Math.min(head.length, 4096) & ~1;
  if (length < 4) return null;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < length; i += 2) {
    if (head[i] === 0) even++;
    if (head[i + 1] === 0) odd++;
  }
  const pairs = length / 2;
  if (odd > pairs * 0.7 && even < pairs * 0.05) return "utf-16le";
  return even > pairs * 0.7 && odd < pairs * 0.05 ? "utf-16be" : null;
}

/** A sample without the characters that its edges cut through. */
function wholeCharacters(bytes: Uint8Array, cutStart: boolean): Uint8Array {
  let start = 0;
  if (cutStart) while (start < 3 && start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start++;
  let end = bytes.length;
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) end -= back;
    break;
  }
  return bytes.subarray(start, end);
}
