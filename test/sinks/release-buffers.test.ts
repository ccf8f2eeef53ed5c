/** Buffers that a sink has written give their memory back without waiting for the garbage collector. */
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { releaseBuffers } from "../../src/core/release-buffers.ts";

it("takes their memory, also where one is named twice, and holds none of it", async () => {
  // Prepares; what is given to the first call is the collector's.
  releaseBuffers([]);
  const probe = (): ArrayBuffer => new ArrayBuffer(8);
  const closed = async (): Promise<boolean> => {
    const buffer = probe();
    releaseBuffers([buffer, buffer]);
    return buffer.byteLength === 0;
  };
  // The port closes when the event loop comes by.
  for (let turn = 0; !(await closed()); turn++) {
    expect(turn).toBeLessThan(10_000);
    await setImmediate();
  }
  const residentMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))![1]) / 1000;
  if (process.platform !== "linux") return;
  const before = residentMb();
  // 2 GB, never more than 1 MB of it at once; nothing here lets the collector run for its own reasons.
  for (let at = 0; at < 2000; at++) {
    const buffer = new ArrayBuffer(1 << 20);
    new Uint8Array(buffer).fill(at);
    releaseBuffers([buffer]);
    expect(buffer.byteLength).toBe(0);
  }
  expect(residentMb() - before).toBeLessThan(200);
});
