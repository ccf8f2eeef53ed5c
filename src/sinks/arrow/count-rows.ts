import fs from "node:fs";
import { readFooter, readMessage, readPrefix } from "../../formats/arrow-messages.ts";

const TAIL_BYTES = 10;

/**
 * Rows of an Arrow file by its footer and the headers of its record batches, as a reader would find them.
 * @throws BP_INPUT_FORMAT when it is not a whole Arrow file
 */
export function countArrowRows(fd: number, path: string): number {
  const read = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, offset));
  };
  const size = fs.fstatSync(fd).size;
  const tail = read(size - TAIL_BYTES, TAIL_BYTES);
  const length = new DataView(tail.buffer).getInt32(0, true);
  let rows = 0;
  for (const { offset, metadataBytes } of readFooter(path, read(size - TAIL_BYTES - length, length)).batches) {
    const bytes = read(offset, metadataBytes);
    const prefix = readPrefix(bytes);
    const message = readMessage(path, bytes.subarray(prefix?.prefixBytes ?? 0));
    if (message.kind === "batch") rows += message.header.rows;
  }
  return rows;
}
