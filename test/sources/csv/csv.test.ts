import { appendFileSync, chmodSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import iconv from "iconv-lite";
import { describe, expect, test } from "vitest";
import { BatchPredictError } from "../../../src/core/errors.ts";
import type { CsvOptions } from "../../../src/core/source.ts";
import { openCsvSource } from "../../../src/sources/csv/index.ts";
import { openCsvReader } from "../../../src/sources/csv/reader.ts";
import { bind, keepAll, readCsv, readSource, write } from "./harness.ts";

const open = (content: string | Uint8Array, csv: CsvOptions = {}, name?: string) =>
  openCsvSource([write(content, name)], { csv });
const dialect = async (content: string | Uint8Array, csv: CsvOptions = {}, name?: string) =>
  (await open(content, csv, name)).description.dialect!;

async function failure(work: Promise<unknown>): Promise<BatchPredictError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BatchPredictError);
  return error as BatchPredictError;
}

describe("sniffing", () => {
  test.each([
    ["a,b\n1,2\n3,4\n", ","],
    ["a;b;c\n1,5;2,5;3\n4,5;5,5;6\n", ";"],
    ["1,5;2,5\n4,5;5,5\n", ";"],
    ["a\tb\n1,000\t2\n", "\t"],
    ["a|b\nx, y|z\nx, w|z\n", "|"],
    ['a,b\n"x;y;z",1\n"x;y;z",2\n', ","],
    ["name\nsmith, jones\nbrown\n", ","],
  ])("delimiter of %j", async (text, delimiter) => expect((await dialect(text)).delimiter).toBe(delimiter));

  test("a .tsv name means tabs, as long as there are any", async () => {
    expect((await dialect("a b,c\td,e\n1,2\t3,4\n", {}, "x.tsv")).delimiter).toBe("\t");
    expect((await dialect("a,b\n1,2\n", {}, "x.tsv")).delimiter).toBe(",");
    expect((await dialect("a\n1\n", {}, "x.tsv")).delimiter).toBe("\t");
  });

  test("quote and escape", async () => {
    expect(await dialect("a,b\n'x,y',1\n'z',2\n")).toMatchObject({ quote: "'", escape: "'" });
    expect(await dialect('a,b\n\'tis,1\n"z",2\n')).toMatchObject({ quote: '"', escape: '"' });
    expect(await dialect('a,b\n"x\\"y, z",1\n"u",2\n')).toMatchObject({ quote: '"', escape: "\\" });
    expect(await dialect('a,b\n"x""y",1\n')).toMatchObject({ quote: '"', escape: '"' });
  });

  test.each([
    ["a,b\n1,2\n", true],
    ["1,2\n3,4\n", false],
    ["x,1\ny,2\n", false],
    ["x,y\nz,w\n", true],
    ["row_id,0.0,1.0\n7,0.2,0.8\n8,0.1,0.9\n", true],
    ["NA,1.5\n2,3.5\n4,4.5\n", false],
    ["0,1,2,3\n5.1,3.5,1.4,0.2\n4.9,3,1.4,0.2\n", true],
    [",0,1,2\n0,5.1,3.5,1.4\n", true],
    ["0,1,2\n1,2,3\n2,3,4\n", false],
    ["country,2019,2020,2021\nDE,1,2,8\n", true],
    ["1\n", false],
    ["a,b\n", true],
  ])("header of %j: %s", async (text, header) => expect((await dialect(text)).header).toBe(header));

  test("what is given wins, and is not called sniffed", async () => {
    const given = await dialect("1;2,3\n", { delimiter: ",", header: true, quote: null, encoding: "latin1" });
    expect(given).toMatchObject({ delimiter: ",", header: true, quote: null, encoding: "latin1" });
    expect(given.sniffed).toEqual(["escape", "recordDelimiter"]);
    expect(await dialect("a\t1\n", { delimiter: "\\t", quote: "none" })).toMatchObject({ delimiter: "\t", quote: null });
    expect((await dialect("a,b\n1,2\n")).sniffed).toEqual([
      "delimiter",
      "quote",
      "escape",
      "encoding",
      "header",
      "recordDelimiter",
    ]);
  });

  test("settings that contradict each other are refused by name", async () => {
    expect((await failure(open("a\n", { delimiter: '"' }))).message).toBe("delimiter and quote are the same");
    expect((await failure(open("a\n", { delimiter: ",", decimal: "," }))).message).toContain("is also the delimiter");
    const error = await failure(open("a\n", { encoding: "utf-9" }));
    expect(error.details.hints).toEqual(["did you mean --encoding utf-8?"]);
  });
});

describe("what columns are", () => {
  test("numeric and kept types, as the sample proves them", async () => {
    const rows = ["1,1.5,01,x,true,,12345678901234567890,1", "2,,02,7,FALSE,,5,1.5", "-3,2,03,1,true,,5,0.1234567890123456"];
    const { description } = await open(`int,float,zip,text,bool,none,big,long\n${rows.join("\n")}\n`);
    expect(
      Object.fromEntries(description.columns.map(({ name, keptType, numeric }) => [name, `${keptType} ${numeric}`])),
    ).toEqual({
      int: "int64 true",
      float: "float64 true",
      zip: "utf8 true",
      text: "utf8 false",
      bool: "utf8 true",
      none: "utf8 true",
      big: "utf8 true",
      long: "utf8 true",
    });
    expect(description.preview[0]).toEqual(["1", "1.5", "01", "x", "true", "", "12345678901234567890", "1"]);
    expect(description).toMatchObject({ rowsEstimate: 3, rows: null, format: "csv" });
  });

  test("a type given wins; an unknown name gets a suggestion", async () => {
    const { description } = await open("zip,a\n1,2\n", { columnTypes: { zip: "utf8" } });
    expect(description.columns.map(({ keptType }) => keptType)).toEqual(["utf8", "int64"]);
    const error = await failure(open("zip,a\n1,2\n", { columnTypes: { zipp: "utf8" } }));
    expect(error).toMatchObject({ code: "BP_CONFIG", details: { hints: ['did you mean "zip"?'] } });
  });

  test("the middle and the end of a long file count too, and the estimate comes close", async () => {
    const lines = Array.from({ length: 120_000 }, (_, row) => (row === 119_990 ? "00x,1" : `${row},2`));
    const { description } = await open(`a,b\n${lines.join("\n")}\n`);
    expect(description.columns.map(({ keptType, numeric }) => [keptType, numeric])).toEqual([
      ["utf8", false],
      ["int64", true],
    ]);
    expect(Math.abs(description.rowsEstimate! - 120_000)).toBeLessThan(4000);
  });

  test("names: an unnamed index and a closing delimiter are workable, doubles are not", async () => {
    const { description } = await open(",a,b,\n0,1,2,\n");
    expect(description.columns.map(({ name, numeric }) => [name, numeric])).toEqual([
      ["c0", true],
      ["a", true],
      ["b", true],
      ["c3", false],
    ]);
    expect(description.notices).toEqual([
      'column 1 has no name in the header and is called "c0"',
      'column 4 has no name in the header and is called "c3"',
    ]);
    const doubles = await failure(open("# note\na,b,a\n1,2,3\n", { comment: "#" }));
    expect(doubles.message).toBe('the header names columns twice: "a" (columns 1, 3)');
    expect(doubles).toMatchObject({ code: "BP_SOURCE_SCHEMA", details: { where: { line: 2 } } });
    expect((await failure(open("a,,b\n1,2,3\n"))).message).toBe("the header has no name for column 2");
    expect((await open("1,2\n3,4\n")).description.columns.map(({ name }) => name)).toEqual(["c0", "c1"]);
  });
});

describe("encodings, newlines and containers", () => {
  const table = [
    ["é", "1"],
    ["中", "2"],
    ["a\nb", "3"],
  ];
  const text = 'nömé,n\né,1\n中,2\n"a\nb",3\n';

  test.each([
    ["utf-8", Buffer.from(text), "utf-8"],
    ["utf-8 with BOM", Buffer.from(`\ufeff${text}`), "utf-8"],
    ["utf-16le with BOM", Buffer.from(`\ufeff${text}`, "utf16le"), "utf-16le"],
    ["utf-16be with BOM", iconv.encode(text, "utf-16be", { addBOM: true }), "utf-16be"],
    ["gzip", gzipSync(text), "utf-8"],
    ["two gzip members", Buffer.concat([gzipSync(text.slice(0, 9)), gzipSync(text.slice(9))]), "utf-8"],
    ["gzip of utf-8 with BOM", gzipSync(`\ufeff${text}`), "utf-8"],
    ["gzip of utf-16le", gzipSync(Buffer.from(`\ufeff${text}`, "utf16le")), "utf-16le"],
  ])("%s", async (_name, bytes, encoding) => {
    for (const chunkBytes of [1, 5, 1000]) {
      const { rows, description } = await readCsv(bytes, {}, chunkBytes);
      expect(description.columns.map(({ name }) => name)).toEqual(["nömé", "n"]);
      expect(rows).toEqual(table);
      expect(description.dialect!.encoding).toBe(encoding);
    }
  });

  test("single-byte and double-byte encodings", async () => {
    const latin = await readCsv(iconv.encode("größe,n\nÄ€,1\n", "windows-1252"));
    expect(latin.rows).toEqual([["Ä€", "1"]]);
    expect(latin.description).toMatchObject({ dialect: { encoding: "windows-1252" }, columns: [{ name: "größe" }, {}] });
    expect((await readCsv(iconv.encode("größe§n\nÄ§1\n", "latin1"), { encoding: "latin1", delimiter: "§" })).rows).toEqual([
      ["Ä", "1"],
    ]);
    expect((await readCsv(iconv.encode("имя,n\nЯ,1\n", "koi8-r"), { encoding: "koi8-r" })).rows).toEqual([["Я", "1"]]);
    const sjis = await readCsv(iconv.encode("名|n\n表ソ|1\n", "shift_jis"), {
      encoding: "shift_jis",
      delimiter: "|",
      quote: '"',
      escape: "\\",
    });
    expect(sjis.rows).toEqual([["表ソ", "1"]]);
    expect(sjis.chunks[0]!.inline).toBeDefined();
  });

  test("UTF-16 without a byte order mark is seen by its zeros", async () => {
    const { rows, description } = await readCsv(Buffer.from("name,n\nabc,1\n", "utf16le"));
    expect([rows, description.dialect!.encoding]).toEqual([[["abc", "1"]], "utf-16le"]);
  });

  test("bytes that are not UTF-8 after a sound head reject their rows, and only theirs", async () => {
    const bytes = Buffer.concat([Buffer.from("a,b\nx\ufffd,1\n"), Buffer.from([0xe9, 44, 50, 10]), Buffer.from("ü,3\n")]);
    for (const chunkBytes of [1, 1000]) {
      const { rows, rejects } = await readCsv(bytes, { encoding: "utf-8" }, chunkBytes);
      expect(rows).toEqual([
        ["x\ufffd", "1"],
        ["ü", "3"],
      ]);
      expect(rejects).toMatchObject([{ code: "BP_SOURCE_CELL", rowInChunk: 1, lineInChunk: 2, byte: 11, column: "a" }]);
      expect(rejects[0]!.hints![0]).toContain("--encoding windows-1252");
    }
  });

  test("CRLF, CR only, a missing last newline, blank lines, comments", async () => {
    expect((await readCsv('a,b\r\n1,"x\r\ny"\r\n2,z')).rows).toEqual([
      ["1", "x\r\ny"],
      ["2", "z"],
    ]);
    const mac = await readCsv('a,b\r1,"x\ry"\r\r2,z\r');
    expect(mac.rows).toEqual([
      ["1", "x\ry"],
      ["2", "z"],
    ]);
    expect(mac.description.dialect!.recordDelimiter).toBe("\r");
    expect((await readCsv("\n\na,b\n\n1,2\n\r\n3,4\n\n")).rows).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
    const notes = await readCsv('# "quote\na,b\n#x,"y\n1,#2\n  #3,4\n', { comment: "#" });
    expect(notes.rows).toEqual([
      ["1", "#2"],
      ["  #3", "4"],
    ]);
  });

  test("in a file of one column blank lines are skipped and quoted empty cells are rows", async () => {
    expect((await readCsv('a\n1\n\n""\n2\n')).rows).toEqual([["1"], [null], ["2"]]);
  });

  test("stdin, plain and compressed, in pieces of any size, once", async () => {
    const file = { path: "-", sizeBytes: null, mtimeMs: null };
    for (const bytes of [Buffer.from(text), gzipSync(text), Buffer.from(`\ufeff${text}`, "utf16le")]) {
      for (const size of [1, 3, 1000]) {
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
        const source = await openCsvSource([file], { csv: {} }, Readable.from(pieces, { objectMode: true }));
        expect(source.description).toMatchObject({ bytes: null, rowsEstimate: 3 });
        expect((await readSource(source, 5)).rows).toEqual(table);
        expect(() => source.chunks({ chunkBytes: 5 })).toThrow("stdin can be read only once");
      }
    }
    expect((await failure(openCsvSource([file], { csv: {} }))).code).toBe("BP_INPUT_UNREADABLE");
    expect((await failure(openCsvSource([file], { csv: {} }, Readable.from([])))).code).toBe("BP_INPUT_FORMAT");
  });

  test("a gzip file bigger than its head goes through in order", async () => {
    const lines = Array.from({ length: 60_000 }, (_, row) => `${row},"v ${row}\n"`);
    const { rows, chunks } = await readCsv(gzipSync(`id,v\n${lines.join("\n")}\n`), {}, 100_000);
    expect(rows.length).toBe(60_000);
    expect(rows.at(-1)).toEqual(["59999", "v 59999\n"]);
    expect(chunks.length).toBeGreaterThan(5);
    for (const chunk of chunks) expect(chunk.inline!.length).toBe(chunk.byteEnd - chunk.byteStart);
  });
});

describe("values and rejects", () => {
  const content = 'id,age,note\n1,2.5,ok\n2,n/a,"two\nlines"\n\n3,4\n4,,x\n5,6,7,8\n6,1e39,last\n';
  const plan = (onError: "fail" | "reject") => (description: Parameters<typeof keepAll>[0]) => ({
    ...keepAll(description),
    inputs: [{ ...bind(description, "float32", ["age"]), input: "age" }],
    onError,
  });

  test("good rows feed the tensors; bad ones come with their place, their text and a mend", async () => {
    for (const chunkBytes of [1, 20, 1000]) {
      const { decoded, rejects, rows } = await readCsv(content, {}, chunkBytes, plan("reject"));
      expect(decoded.flatMap((chunk) => Array.from(chunk.tensors[0]!.data as Float32Array))).toEqual([
        2.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
      ]);
      expect(rows.map(([id]) => id)).toEqual(["1", "4", "6"]);
      expect(
        rejects.map(({ rowInChunk, lineInChunk, byte, code, column, raw }) => [rowInChunk, lineInChunk, byte, code, column, raw]),
      ).toEqual([
        [1, 2, 21, "BP_SOURCE_CELL", "age", '2,n/a,"two\nlines"'],
        [2, 5, 40, "BP_SOURCE_RECORD", "note", "3,4"],
        [4, 7, 49, "BP_SOURCE_RECORD", null, "5,6,7,8"],
      ]);
      expect(rejects.map(({ message }) => message)).toEqual([
        'cannot read "n/a" as float32 for model input "age"',
        "the record has only 2 of 3 cells",
        "the record has 4 cells, 1 more than there are columns",
      ]);
      expect(rejects[0]!.hints).toEqual([
        'add "n/a" to --null-values if it means that the value is missing',
        "put bad rows aside with --on-error reject",
      ]);
      const counts = decoded.flatMap((chunk) => chunk.counts);
      expect(counts).toHaveLength(2);
      expect(counts).toEqual(
        expect.arrayContaining([
          { column: "age", kind: "missing", count: 1 },
          { column: "age", kind: "overflow", count: 1 },
        ]),
      );
      expect(decoded.reduce((sum, chunk) => sum + chunk.lines, 0)).toBe(content.split("\n").length - 1);
    }
  });

  test("on-error fail stops at the first bad row of the chunk", async () => {
    const { decoded } = await readCsv(content, {}, 1000, plan("fail"));
    expect(decoded[0]).toMatchObject({ rowsRead: 2, rows: 1, rejects: [{ rowInChunk: 1 }] });
    expect(Array.from(decoded[0]!.sourceRows!)).toEqual([0]);
    expect(decoded[0]!.tensors[0]!.data).toHaveLength(1);
  });

  test("source rows tell where good rows stood; null when all are good", async () => {
    const { decoded } = await readCsv("a,b\n1,2\n3\n4,5\n", {}, 1000);
    expect(Array.from(decoded[0]!.sourceRows!)).toEqual([0, 2]);
    expect((await readCsv("a,b\n1,2\n", {}, 1000)).decoded[0]!.sourceRows).toBeNull();
  });

  test("missing cells obey their policy, per type", async () => {
    const csv = { nullValues: ["", "NA"] };
    const many = await readCsv("f,i,s\n1,2,x\n,NA,\n", csv, 1000, (description) => ({
      ...keepAll(description),
      inputs: [
        bind(description, "float16", ["f"], "nan", "half"),
        bind(description, "int64", ["i"], { value: "-7" }, "int"),
        bind(description, "string", ["s"], "reject", "text"),
        bind(description, "string", ["i"], { value: "none" }, "other"),
      ],
    }));
    expect(many.decoded[0]!.tensors.map(({ data }) => Array.from(data as Iterable<unknown>))).toEqual([
      [0x3c00, 0x7e00],
      [2n, -7n],
      ["x", ""],
      ["2", "none"],
    ]);
    const strict = await readCsv("f,s\n,x\n1,NA\n", csv, 1000, (description) => ({
      ...keepAll(description),
      inputs: [bind(description, "float32", ["f"], "reject", "f"), bind(description, "string", ["s"], "reject", "s")],
    }));
    expect(strict.rejects.map(({ message }) => message)).toEqual([
      'no value for model input "f" (float32)',
      'no value for model input "s" (string)',
    ]);
    const wrong = readCsv("f\n1\n", {}, 9, (d) => ({ ...keepAll(d), inputs: [bind(d, "int8", ["f"], { value: "1.5" })] }));
    expect(await failure(wrong)).toMatchObject({ code: "BP_CONFIG", message: expect.stringContaining('"1.5"') });
  });

  test("several columns make rows of a tensor, in the order of the binding", async () => {
    const { decoded } = await readCsv("a,b,c\n1,2,3\n4,5,6\n", {}, 1000, (d) => ({
      ...keepAll(d),
      inputs: [bind(d, "int32", ["c", "a"], "reject")],
    }));
    expect(decoded[0]!.tensors[0]!.data).toEqual(Int32Array.of(3, 1, 6, 4));
  });

  test("a kept cell that its proven type cannot hold is rejected with the way out", async () => {
    const { rows, rejects } = await readCsv("zip,b\n1,2\n007,3\n", { columnTypes: { zip: "int64" } }, 1000, (d) =>
      keepAll(d, "source"),
    );
    expect(rows).toEqual([[1n, 2n]]);
    expect(rejects).toMatchObject([{ message: 'cannot keep "007" as int64 in column "zip"', columnIndex: 1, raw: "007,3" }]);
    expect(rejects[0]!.hints![0]).toBe("keep the column as text with --column-type zip=utf8");
  });

  test("locate finds a row after it was read", async () => {
    const source = await open('# note\na,b\n1,2\n\n"x\ny",3\n4,5\n', { comment: "#" });
    const reader = await openCsvReader(source.description, keepAll(source.description));
    for await (const chunk of source.chunks({ chunkBytes: 1000 })) {
      await reader.read(chunk);
      expect(await reader.locate(chunk, 1)).toEqual({ lineInChunk: 4, byte: 16, raw: '"x\ny",3' });
      expect(await reader.locate(chunk, 9)).toEqual({ lineInChunk: null, byte: null, raw: null });
    }
    await reader.close();
  });
});

describe("inputs that cannot be read", () => {
  const drain = async (content: string | Uint8Array, csv: CsvOptions = {}) => failure(readCsv(content, csv, 50_000));

  test("empty, absent, unreadable; a header alone is no error", async () => {
    for (const empty of ["", "\ufeff", "\n\n"]) expect((await failure(open(empty))).code).toBe("BP_INPUT_FORMAT");
    const absent = { path: join(tmpdir(), "batchpredict-no-such-file.csv"), sizeBytes: null, mtimeMs: null };
    expect((await failure(openCsvSource([absent], { csv: {} }))).code).toBe("BP_INPUT_NOT_FOUND");
    expect((await failure(openCsvSource([{ path: tmpdir(), sizeBytes: 5, mtimeMs: 5 }], { csv: {} }))).code).toBe(
      "BP_INPUT_UNREADABLE",
    );
    const none = await readCsv("a,b\n");
    expect([none.rows, none.chunks, none.description.columns.every(({ numeric }) => numeric)]).toEqual([[], [], true]);
    if (process.getuid?.() !== 0) {
      const locked = write("a\n1\n");
      chmodSync(locked.path, 0);
      expect((await failure(openCsvSource([locked], { csv: {} }))).code).toBe("BP_INPUT_UNREADABLE");
    }
  });

  test("an unclosed quote is named where it opens, in files and streams", async () => {
    const text = `a,b\n1,2\n3,"x\n${"4,5\n".repeat(100)}`;
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      const error = await drain(bytes);
      expect(error).toMatchObject({
        code: "BP_SOURCE_LIMIT",
        message: "a quoted field is never closed",
        details: { where: { line: 3, byte: 10 } },
      });
      expect(error.details.hints![0]).toContain("--quote none");
    }
    expect((await readCsv(text, { quote: null })).rows).toHaveLength(102);
  });

  test("a record over the limit is named where it begins, whatever the chunk size", async () => {
    const text = `a,b\n1,2\n33333333333333333333,${"4".repeat(100)}\n5,6\n`;
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      for (const chunkBytes of [1, 30, 100_000]) {
        const error = await failure(readCsv(bytes, { maxRecordBytes: 64 }, chunkBytes));
        expect(error).toMatchObject({ code: "BP_SOURCE_LIMIT", message: "a record is longer than 64 bytes" });
        expect(error.details.where).toMatchObject({ line: 3, byte: 8 });
      }
    }
    expect(await failure(open(text, { maxRecordBytes: 3 }))).toMatchObject({
      code: "BP_SOURCE_LIMIT",
      details: { where: { line: 1 } },
    });
    expect((await readCsv(text, { maxRecordBytes: 122 }, 100_000)).rows).toHaveLength(3);
  });

  test("damaged gzip", async () => {
    const body = Array.from({ length: 200_000 }, (_, row) => `${row},${(row * 7919) % 10007}`).join("\n");
    const whole = gzipSync(`a,b\n${body}\n`);
    expect(await drain(whole.subarray(0, whole.length - 9))).toMatchObject({ code: "BP_INPUT_FORMAT" });
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6]! ^= 255;
    expect(await drain(flipped)).toMatchObject({
      code: "BP_INPUT_FORMAT",
      message: "the gzip data is corrupt or ends too early",
    });
    expect((await failure(open(whole.subarray(0, 100)))).code).toBe("BP_INPUT_FORMAT");
  });

  test.each([
    ["grown", (path: string) => appendFileSync(path, "9,9\n")],
    ["truncated", (path: string) => writeFileSync(path, "a,b\n1,2\n")],
    ["rewritten", (path: string) => utimesSync(path, 1000, 1000)],
  ])("a file that is %s meanwhile is noticed by planner and reader", async (_how, change) => {
    const content = `a,b\n${"1,2\n".repeat(500_000)}`;
    const file = write(content);
    const source = await openCsvSource([file], { csv: {} });
    const reader = await openCsvReader(source.description, keepAll(source.description));
    const chunks = source.chunks({ chunkBytes: 1000 })[Symbol.asyncIterator]();
    const { value } = await chunks.next();
    await reader.read(value!);
    change(file.path);
    expect(
      (await failure(reader.read({ ...value!, byteStart: content.length - 4, byteEnd: content.length } as never))).code,
    ).toBe("BP_INPUT_CHANGED");
    const rest = (async () => {
      while (!(await chunks.next()).done);
    })();
    expect((await failure(rest)).code).toBe("BP_INPUT_CHANGED");
    await reader.close();
    const streamed = write(gzipSync(content));
    const second = await openCsvSource([streamed], { csv: {} });
    change(streamed.path);
    expect(["BP_INPUT_CHANGED", "BP_INPUT_FORMAT"]).toContain((await failure(readSource(second, 1e9))).code);
  });

  test("a stopped plan says so", async () => {
    const source = await open("a\n1\n");
    const chunks = source.chunks({ chunkBytes: 1, signal: AbortSignal.abort() })[Symbol.asyncIterator]();
    expect((await failure(Promise.resolve(chunks.next()))).code).toBe("BP_INTERRUPTED");
  });
});

describe("several files", () => {
  test("headers are skipped, lines and chunks go on", async () => {
    const files = [write("a,b\n1,2\n3\n"), write("\ufeffa,b\r\n5,6\r\n"), write(gzipSync("a,b\n7,8\n9\n")), write("a,b\n")];
    for (const chunkBytes of [1, 1000]) {
      const { rows, rejects, chunks } = await readSource(await openCsvSource(files, { csv: {} }), chunkBytes);
      expect(rows.map(([a]) => a)).toEqual(["1", "5", "7"]);
      expect(rejects.map(({ rowInChunk, lineInChunk, byte }) => [rowInChunk, lineInChunk, byte])).toEqual([
        [1, 2, 8],
        [4, 2, 8],
      ]);
      expect(chunks.map(({ index }) => index)).toEqual([...chunks.keys()]);
      expect([...new Set(chunks.map(({ file }) => file))]).toEqual([0, 1, 2]);
    }
  });

  test("a different header is named by file and column", async () => {
    const first = write("id,age\n1,2\n");
    const other = write("id,years\n1,2\n");
    const error = await failure(openCsvSource([first, other], { csv: {} }));
    expect(error.message).toBe(`column 2 is "years" here, but "age" in ${first.path}`);
    expect(error).toMatchObject({
      code: "BP_SOURCE_SCHEMA",
      details: { where: { file: other.path, column: "age", columnIndex: 2 } },
    });
    const narrow = await failure(openCsvSource([first, write("id\n1\n")], { csv: {} }));
    expect(narrow.message).toContain("column 2 is no such column here");
    expect((await failure(openCsvSource([first, write("")], { csv: {} }))).code).toBe("BP_INPUT_FORMAT");
  });

  test("a later file can widen a type", async () => {
    const { description } = await openCsvSource([write("a\n1\n"), write("a\n01\n")], { csv: {} });
    expect(description.columns[0]!.keptType).toBe("utf8");
  });
});

test("a value beyond the head of a wide header is read with a longer head", async () => {
  const names = Array.from({ length: 60_000 }, (_, i) => `feature_${i}`);
  const { description, rows } = await readCsv(`${names.join(",")}\n${names.map((_, i) => i).join(",")}\n`, {}, 1000);
  expect([description.columns.length, rows[0]!.at(-1)]).toEqual([60_000, "59999"]);
});
