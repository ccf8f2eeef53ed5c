/** The runtime's own error texts, made fit to show: without colours, source paths of its build machine and C++ signatures. */

const ANSI = /\x1b\[[0-9;]*m/g;
/** "/onnxruntime_src/onnxruntime/core/graph/model.cc:197 onnxruntime::Model::Model(const X&, ...)::<lambda()> " */
const SOURCE_PLACE =
  /(?:\b[A-Za-z]:(?=[\\/]))?[^\s:]+\.(?:cc|cpp|cxx|h|hpp):\d+\s+(?:[\w:~<>*&, ]+\((?:[^()]|\([^()]*\))*\)(?:\s*const)?(?:::<lambda\([^)]*\)>)?(?:\s*\[with[^\]]*\])?\s*)?/g;

export function cleanRuntimeText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(ANSI, "").replace(SOURCE_PLACE, "").replace(/\s+/g, " ").trim();
}

/** The operator that failed, when the runtime says so: `node "Tf" (TfIdfVectorizer)`. */
export function failedNode(text: string): string | null {
  const match = /while running (\S+) node\. Name:'([^']*)'/.exec(text);
  if (match === null) return null;
  return match[2] ? `node "${match[2]}" (${match[1]})` : `a ${match[1]} node`;
}
