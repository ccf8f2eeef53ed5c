/** What turns the bytes of one chunk into tensors. Every implementation gives the same result as the one on csv-parse. */
import type { BindingPlan } from "../../core/binding-plan.ts";
import type { DecodedChunk } from "../../core/chunk.ts";
import type { SourceDescription } from "../../core/source.ts";

export interface CsvDecoder {
  /** Memory to read the next chunk into, where that saves a copy; it must hold until `locate` of that chunk is done. */
  reserve?(length: number): Uint8Array | undefined;
  /**
   * @param bytes whole records, no header
   * @param byteStart absolute offset of the first byte
   * @param linesBefore counted into `lines` and `lineInChunk`
   * @param check called before anything is made of bytes that may end within a quoted field; throws where they do and are to be left alone
   */
  decode(bytes: Uint8Array, byteStart: number, linesBefore: number, check?: () => void): DecodedChunk;
}

export type MakeCsvDecoder = (description: SourceDescription, plan: BindingPlan) => CsvDecoder;
