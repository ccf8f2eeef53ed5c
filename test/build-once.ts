import { execFileSync } from "node:child_process";

/** BATCHPREDICT_SKIP_BUILD=1 is for people who keep `tsc --watch` running. */
export default function buildOnce(): void {
  if (process.env.BATCHPREDICT_SKIP_BUILD === "1") return;
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], { stdio: "inherit" });
}
