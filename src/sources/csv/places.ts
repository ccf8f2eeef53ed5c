/** Places of rejected records, found by a second pass over the chunk's bytes. */
import type { ChunkReject } from "../../core/chunk.ts";
import type { TextCodec } from "./encoding.ts";
import { placeRecords, type Tokens } from "./records.ts";
import type { Complaint } from "./rejects.ts";

/** @param complaints in ascending order of rows, one per row */
export function placeComplaints(
  complaints: readonly Complaint[],
  bytes: Uint8Array,
  tokens: Tokens,
  codec: TextCodec,
  byteStart: number,
  linesBefore: number,
): ChunkReject[] {
  if (complaints.length === 0) return [];
  const places = placeRecords(
    bytes,
    tokens,
    complaints.map(({ rowInChunk }) => rowInChunk),
  );
  return complaints.map((complaint, at) => {
    const place = places[at];
    if (place === undefined) return { ...complaint, lineInChunk: null, byte: null, raw: null };
    return {
      ...complaint,
      lineInChunk: linesBefore + place.line,
      byte: byteStart + place.start,
      raw: codec.decode(bytes.subarray(place.start, place.contentEnd)),
    };
  });
}
