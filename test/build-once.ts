import { execFileSync } from "node:child_process";

/** Workers, kernels and the command line run from dist. BATCHPREDICT_SKIP_BUILD=1 is for people who keep `tsc --watch` running. */
export default function buildOnce(): void {
  if (process.env.BATCHPREDICT_SKIP_BUILD === "1") return;
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
}
