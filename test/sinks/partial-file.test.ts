import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import { openPartial, provenCommits } from "../../src/sinks/partial-file.ts";

const RUN = "01890a5d-ac96-774b-bcce-b302099a8057";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "batchpredict-partial-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function caught(action: () => unknown): BatchPredictError {
  try {
    action();
  } catch (error) {
    if (error instanceof BatchPredictError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a file under construction", () => {
  it("is invisible until it is published, then whole and alone", () => {
    const target = path.join(folder, "out.parquet");
    const partial = openPartial(target, RUN);
    partial.write(bytes("one "));
    partial.write(bytes("two"));
    expect(fs.existsSync(target)).toBe(false);
    expect(path.basename(partial.tempPath)).toBe(`.out.parquet.${RUN}.partial`);
    expect(partial.bytesWritten).toBe(7);
    partial.publish({ replace: false });
    partial.discard();
    expect(fs.readdirSync(folder)).toEqual(["out.parquet"]);
    expect(fs.readFileSync(target, "utf8")).toBe("one two");
  });

  it("leaves no trace when discarded, however often", () => {
    const partial = openPartial(path.join(folder, "out.csv"), RUN);
    partial.write(bytes("x"));
    partial.discard();
    partial.discard();
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it("does not overwrite a file that appeared meanwhile", () => {
    const target = path.join(folder, "out.csv");
    const partial = openPartial(target, RUN);
    partial.write(bytes("new"));
    fs.writeFileSync(target, "theirs");
    const error = caught(() => partial.publish({ replace: false }));
    expect(error.code).toBe("BP_OUTPUT_EXISTS");
    expect(error.details.hints?.join()).toContain("--if-exists replace");
    partial.discard();
    expect(fs.readFileSync(target, "utf8")).toBe("theirs");
    expect(fs.readdirSync(folder)).toEqual(["out.csv"]);
  });

  it("replaces when told, and keeps the old file's permissions", () => {
    const target = path.join(folder, "out.csv");
    fs.writeFileSync(target, "old");
    fs.chmodSync(target, 0o640);
    const partial = openPartial(target, RUN);
    partial.write(bytes("new"));
    expect(fs.readFileSync(target, "utf8")).toBe("old");
    partial.publish({ replace: true });
    expect(fs.readFileSync(target, "utf8")).toBe("new");
    expect(fs.statSync(target).mode & 0o777).toBe(0o640);
  });

  it.each(["present", "dangling"])("writes through a symbolic link whose target is %s, and keeps the link", (kind) => {
    const real = path.join(folder, "data");
    fs.mkdirSync(real);
    const final = path.join(real, "real.csv");
    if (kind === "present") fs.writeFileSync(final, "old");
    const link = path.join(folder, "link.csv");
    fs.symlinkSync("data/real.csv", link);
    const partial = openPartial(link, RUN);
    expect(path.dirname(partial.tempPath)).toBe(real);
    partial.write(bytes("new"));
    partial.publish({ replace: kind === "present" });
    expect(fs.lstatSync(link).isSymbolicLink()).toBe(true);
    expect(fs.readFileSync(final, "utf8")).toBe("new");
  });

  it("takes names at the limit of the file system", () => {
    const target = path.join(folder, `${"ü".repeat(125)}.csv`);
    const partial = openPartial(target, RUN);
    partial.publish({ replace: false });
    expect(fs.existsSync(target)).toBe(true);
  });
});

describe("a path that cannot be written", () => {
  it.each([
    ["an absent folder", (): string => path.join(folder, "no", "out.csv"), /there is no folder .*no/, "mkdir -p"],
    [
      "a file as folder",
      (): string => {
        fs.writeFileSync(path.join(folder, "file"), "");
        return path.join(folder, "file", "out.csv");
      },
      /is not a folder/,
      "--output",
    ],
    ["a folder as file", (): string => folder, /it is a folder/, "predictions.parquet"],
    ["a device", (): string => "/dev/null", /not a regular file/, "--output"],
    [
      "a link to itself",
      (): string => {
        fs.symlinkSync("loop", path.join(folder, "loop"));
        return path.join(folder, "loop");
      },
      /leads to itself/,
      undefined,
    ],
    ["a name of 300 letters", (): string => path.join(folder, "x".repeat(300)), /too long/, "--output"],
  ])("is refused: %s", (_, target, message, hint) => {
    const error = caught(() => openPartial(target(), RUN));
    expect(error.code).toBe("BP_OUTPUT_PATH");
    expect(error.message).toMatch(message);
    if (hint !== undefined) expect(error.details.hints?.join()).toContain(hint);
  });

  it.skipIf(process.getuid?.() === 0)("is refused: a folder without write permission", () => {
    fs.chmodSync(folder, 0o500);
    expect(caught(() => openPartial(path.join(folder, "out.csv"), RUN)).message).toContain("no permission");
    fs.chmodSync(folder, 0o700);
  });

  it.skipIf(spawnSync("prlimit", ["--version"]).status !== 0)("ends as BP_DISK_FULL when the room runs out", () => {
    const limit = (value: string): void => void execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${value}:`]);
    const target = path.join(folder, "out.csv");
    const partial = openPartial(target, RUN);
    limit("65536");
    const error = caught(() => partial.write(new Uint8Array(1 << 20)));
    limit("unlimited");
    expect(error.code).toBe("BP_DISK_FULL");
    expect(error.details.where?.file).toBe(target);
    expect(partial.bytesWritten).toBe(65536);
    partial.discard();
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe("commits", () => {
  it("are proven by the bytes of the file, from the first on", () => {
    const partial = openPartial(path.join(folder, "out.csv"), RUN);
    const commits = ["one ", "two ", "three"].map((text) => {
      partial.write(bytes(text));
      return { bytes: partial.bytesWritten, crc: partial.crc };
    });
    partial.close();
    expect(provenCommits(partial.tempPath, commits)).toBe(3);
    fs.truncateSync(partial.tempPath, 9);
    expect(provenCommits(partial.tempPath, commits)).toBe(2);
    fs.writeFileSync(partial.tempPath, "one tWo three");
    expect(provenCommits(partial.tempPath, commits)).toBe(1);
    fs.rmSync(partial.tempPath);
    expect(provenCommits(partial.tempPath, commits)).toBe(0);
  });

  it("are gone on from: what stood behind the last one is forgotten", () => {
    const target = path.join(folder, "out.csv");
    const first = openPartial(target, RUN);
    first.write(bytes("kept "));
    const { bytesWritten, crc } = first;
    first.write(bytes("lost"));
    first.close();
    const second = openPartial(target, RUN, { resume: true });
    second.truncate(bytesWritten, crc);
    second.write(bytes("new"));
    expect(provenCommits(second.tempPath, [{ bytes: second.bytesWritten, crc: second.crc }])).toBe(1);
    second.publish({ replace: false });
    expect(fs.readFileSync(target, "utf8")).toBe("kept new");
  });
});
