import { describe, expect, it } from "vitest";
import { BatchPredictError } from "../../src/core/errors.ts";
import type { RunEvent, RunProgress, RunSummary } from "../../src/core/events.ts";
import { RunHandle } from "../../src/run/run-handle.ts";

const progress = (rowsRead: number): RunEvent => ({ type: "progress", progress: { rowsRead } as RunProgress });
const notice = (message: string): RunEvent => ({ type: "notice", message });
const succeeded = { status: "succeeded", rows: { read: 3 } } as RunSummary;
const failed = {
  status: "failed",
  error: { code: "BP_SOURCE_CELL", message: "cannot read", where: { row: 3 }, exitCode: 1 },
} as RunSummary;

/** A run that tells its events at once and ends when it is let go. */
function told(events: RunEvent[], summary: RunSummary): { handle: RunHandle; finish(): void } {
  let finish = (): void => {};
  const handle = new RunHandle(async (onEvent) => {
    for (const event of events) onEvent(event);
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    onEvent({ type: "finished", summary });
    return summary;
  });
  return { handle, finish: () => finish() };
}

async function all(handle: RunHandle): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of handle) events.push(event);
  return events;
}

describe("a run handle", () => {
  it("gives the summary to who awaits it, and the events to who iterates, in any order", async () => {
    const { handle, finish } = told([notice("a"), progress(1)], succeeded);
    const events = all(handle);
    finish();
    expect(await handle).toBe(succeeded);
    expect(await events).toEqual([notice("a"), progress(1), { type: "finished", summary: succeeded }]);
    expect(await handle).toBe(succeeded);
  });

  it("keeps the events for who comes late", async () => {
    const { handle, finish } = told([notice("a")], succeeded);
    finish();
    await handle;
    expect((await all(handle)).map((event) => event.type)).toEqual(["notice", "finished"]);
  });

  it("replaces progress that nobody read, but loses no other event and no last progress", async () => {
    const many = Array.from({ length: 1000 }, (_, at) => progress(at));
    const { handle, finish } = told([...many, notice("half"), ...many, progress(2000)], succeeded);
    finish();
    await handle;
    expect(await all(handle)).toEqual([progress(999), notice("half"), progress(2000), { type: "finished", summary: succeeded }]);
  });

  it("gives progress to a reader who keeps up, one by one", async () => {
    let tell: (event: RunEvent) => void = () => {};
    let finish: (summary: RunSummary) => void = () => {};
    const handle = new RunHandle((onEvent) => {
      tell = onEvent;
      return new Promise((resolve) => {
        finish = resolve;
      });
    });
    const iterator = handle[Symbol.asyncIterator]();
    for (let at = 0; at < 5; at++) {
      const next = iterator.next();
      tell(progress(at));
      expect((await next).value).toEqual(progress(at));
    }
    const end = iterator.next();
    finish(succeeded);
    expect(await end).toEqual({ done: true, value: undefined });
  });

  it("of a failed run rejects with the coded error, and still tells the finished event", async () => {
    const { handle, finish } = told([], failed);
    finish();
    const error = await handle.then(
      () => expect.fail("it was fulfilled"),
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(BatchPredictError);
    expect(error).toMatchObject({ code: "BP_SOURCE_CELL", message: "cannot read", details: { where: { row: 3 }, exitCode: 1 } });
    expect(await all(handle)).toEqual([{ type: "finished", summary: failed }]);
  });

  it("turns what no summary tells into a coded error", async () => {
    const handle = new RunHandle(() => Promise.reject(new TypeError("a bug")));
    await expect(Promise.resolve(handle)).rejects.toMatchObject({ code: "BP_INTERNAL", message: "TypeError: a bug" });
    expect(await all(handle)).toEqual([]);
  });

  it("of a failed run that is only iterated is no unhandled rejection", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const { handle, finish } = told([], failed);
      finish();
      await all(handle);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("unhandledRejection", note);
    }
    expect(unhandled).toEqual([]);
  });
});
