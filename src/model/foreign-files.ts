/** Files that people hand over as a model and that are none, by their first bytes. Each says what it is and how to get the real thing. */
interface ForeignFile {
  /** Completes "NAME is ...". */
  is: string;
  hints: string[];
}

const EXPORT_HINT = "export it to ONNX first: torch.onnx.export, skl2onnx, tf2onnx, onnxmltools or optimum do that";
const SWAPPED_HINT = "perhaps --model and --input are the wrong way round";

const SIGNATURES: readonly { at: number; bytes: string; file: ForeignFile }[] = [
  { at: 0, bytes: "PK\x03\x04", file: { is: "a zip archive", hints: ["unpack it and give the .onnx file inside", EXPORT_HINT] } },
  { at: 0, bytes: "\x1f\x8b", file: { is: "gzip-compressed", hints: ["unpack it first: gunzip"] } },
  { at: 0, bytes: "\x28\xb5\x2f\xfd", file: { is: "zstd-compressed", hints: ["unpack it first: zstd -d"] } },
  { at: 0, bytes: "\x89HDF", file: { is: "an HDF5 file (Keras saves these)", hints: [EXPORT_HINT] } },
  { at: 0, bytes: "PAR1", file: { is: "a Parquet file", hints: [SWAPPED_HINT] } },
  { at: 0, bytes: "ARROW1", file: { is: "an Arrow file", hints: [SWAPPED_HINT] } },
  { at: 0, bytes: "SQLite format 3\0", file: { is: "an SQLite database", hints: [] } },
  { at: 4, bytes: "TFL3", file: { is: "a TensorFlow Lite model", hints: [EXPORT_HINT] } },
  { at: 0, bytes: "GGUF", file: { is: "a GGUF model", hints: [EXPORT_HINT] } },
  { at: 8, bytes: '{"', file: { is: "a safetensors file: weights without a graph", hints: [EXPORT_HINT] } },
  { at: 0, bytes: "%PDF", file: { is: "a PDF", hints: [] } },
];

/** @param head the first bytes of the file, 512 are enough */
export function foreignFile(head: Uint8Array): ForeignFile | null {
  const latin1 = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString("latin1");
  for (const { at, bytes, file } of SIGNATURES) if (latin1.startsWith(bytes, at)) return file;
  // Protocols 2 to 5 of Python's pickle: joblib, scikit-learn, XGBoost, old torch.
  if (/^\x80[\x02-\x05]/.test(latin1)) return { is: "a Python pickle", hints: [EXPORT_HINT] };
  if (latin1.startsWith("version https://git-lfs")) {
    return {
      is: "a git-lfs pointer, not the model itself",
      hints: ["fetch the real file in its repository: git lfs pull"],
    };
  }
  const text = latin1.replace(/^\xef\xbb\xbf/, "").trimStart();
  if (/^<(!doctype|html|head|body|\?xml|!--)/i.test(text)) {
    return {
      is: "a web page: the download returned HTML instead of the model",
      hints: ["download it again from the raw-file address (on GitHub: the Raw button), signed in where the site asks for it"],
    };
  }
  if (/^[{[]\s*["{[\]}]/.test(text)) return { is: "JSON text", hints: [EXPORT_HINT] };
  return null;
}
