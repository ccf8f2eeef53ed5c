import { basename } from "node:path";
import { BatchPredictError } from "../core/errors.ts";
import { cleanRuntimeText } from "./runtime-text.ts";

interface Explanation {
  pattern: RegExp;
  code: "BP_MODEL_INVALID" | "BP_MODEL_UNSUPPORTED" | "BP_MODEL_UNREADABLE";
  /** Completes "NAME ...". */
  says: string;
  hints: string[];
}

const EXPORT_OLDER = "export it for an older opset, or with standard operators only";

/** First match wins; the runtime's words are shown as `actual` in any case. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    pattern: /locale/i,
    code: "BP_MODEL_UNSUPPORTED",
    says: "normalises text and needs a system locale that is not installed",
    hints: [
      "install the locale en_US.UTF-8 (Debian: apt-get install locales && locale-gen en_US.UTF-8)",
      "or set LOCPATH to a folder that holds it before the program starts",
    ],
  },
  {
    pattern:
      /is not a registered function|No opset import for domain|Could not find an implementation|NOT_IMPLEMENTED|No Op registered/i,
    code: "BP_MODEL_UNSUPPORTED",
    says: "uses an operator that this version of ONNX Runtime does not have for the CPU",
    hints: [EXPORT_OLDER],
  },
  {
    pattern: /opset .*(only|guarantees|support)|Unsupported model IR version|max supported IR version|under development/i,
    code: "BP_MODEL_UNSUPPORTED",
    says: "is newer than this version of ONNX Runtime",
    hints: [EXPORT_OLDER],
  },
  {
    pattern: /Unsupported data type|Non tensor type/i,
    code: "BP_MODEL_UNSUPPORTED",
    says: "has an input or output of a type that ONNX Runtime's Node binding cannot pass",
    hints: ["put a Cast to float32 at that input or output when exporting"],
  },
  {
    pattern: /external data/i,
    code: "BP_MODEL_INVALID",
    says: "keeps weights in a file that ONNX Runtime refuses to read",
    hints: ["put the weights file itself, not a link to it, into the model's folder"],
  },
  {
    pattern: /ORT format version|ORT format/i,
    code: "BP_MODEL_UNSUPPORTED",
    says: "is in an ORT format that this version of ONNX Runtime does not read",
    hints: ["give the .onnx file it was made from"],
  },
  {
    pattern: /allocat|bad_alloc|out of memory/i,
    code: "BP_MODEL_UNREADABLE",
    says: "does not fit into memory",
    hints: ["use fewer workers (--workers 1): each loads its own copy"],
  },
];

/** @param error what the runtime threw while it created the session */
export function explainLoadError(path: string, error: unknown): BatchPredictError {
  const actual = cleanRuntimeText(error);
  const known = EXPLANATIONS.find(({ pattern }) => pattern.test(actual));
  const says = known?.says ?? "is not accepted by ONNX Runtime";
  return new BatchPredictError(known?.code ?? "BP_MODEL_INVALID", `${basename(path)} ${says}`, {
    where: { file: path },
    actual,
    hints: known?.hints ?? ["check the model with onnx.checker.check_model, or export it again"],
    cause: error,
  });
}
