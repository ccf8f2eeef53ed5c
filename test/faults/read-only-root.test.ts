/**
 * A container as careful people make it: a user who is not root, no home, everything mounted read-only, one folder to write to. Made of a mount
 * namespace, so it needs root on Linux, and a checkout that other users may read.
 */
import { execFile, execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BINARY, type Workdir, workdir } from "../cli/batchpredict.ts";
import { run, writeFlowers } from "../cli/iris.ts";

const NOBODY = 65_534;
const OUTPUTS = ["a.parquet", "b.db", "c.csv", "d.jsonl", "e.arrow"];

/** Everything but `writable` is read-only in it, the folder for temporary files too. */
function confined(writable: string, command: readonly string[]): [string, string[]] {
  const mounts = 'mount --bind "$0" "$0" && mount -o bind,remount,ro / && cd "$0" && exec "$@"';
  const user = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--no-new-privs"];
  const env = ["env", "-i", `PATH=${process.env.PATH}`, "TMPDIR=/usr", "NO_COLOR=1"];
  return ["unshare", ["--mount", "sh", "-c", mounts, writable, ...user, ...env, process.execPath, BINARY, ...command]];
}

let dir: Workdir;
let writable: string;
beforeAll(() => {
  dir = workdir();
  fs.chmodSync(dir.path, 0o755);
  writable = dir.file("data");
  fs.mkdirSync(writable);
  fs.chownSync(writable, process.getuid?.() === 0 ? NOBODY : -1, -1);
});
afterAll(() => dir.remove());

function canConfine(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  try {
    execFileSync(...confined(writable, ["--version"]), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

it("a run as nobody, with one folder to write to, leaves its outputs, rejects and history there and says nothing", async (test) => {
  if (!canConfine()) {
    console.warn("skipped: a read-only root needs root, unshare and setpriv, and a checkout that others may read");
    test.skip();
  }
  const input = writeFlowers(dir, "in.csv", 500, (row, record) => (row === 7 ? record.replace(/,[^,]*,/, ",bad,") : record));
  for (const output of OUTPUTS) {
    const args = [...run(input, output, "--on-error", "reject", "--json"), "--state-dir", "state"];
    const { code, stdout, stderr } = await ended(...confined(writable, args));
    expect({ output, code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).not.toMatch(/error|EROFS|EACCES|cannot/i);
    expect(JSON.parse(stdout)).toMatchObject({ status: "succeeded", rows: { read: 500, predicted: 499, rejected: 1 } });
  }
  const made = fs.readdirSync(writable);
  expect(made.filter((name) => name.endsWith(".journal") || name.endsWith(".partial"))).toEqual([]);
  expect(made).toEqual(expect.arrayContaining([...OUTPUTS, "state"]));
  expect(fs.statSync(path.join(writable, "a.parquet")).uid).toBe(NOBODY);
  expect(fs.readdirSync(path.join(writable, "state/runs")).length).toBe(OUTPUTS.length);
  // The folder is what it seems: outside of it nothing can be made.
  const outside = await ended(...confined(writable, run(input, path.join(dir.path, "out.csv"))));
  expect(outside.code).toBe(2);
  expect(outside.stderr).toMatch(/^error BP_OUTPUT_PATH: /m);
}, 120_000);

function ended(file: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(file, args, (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }));
  });
}
