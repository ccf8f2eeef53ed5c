/** The clock that all processes of one story share: a minute of it is a second. */
export const CLOCK_RATE = 60;
/** What the clock shows when the story begins. */
export const STORY_BEGINS_MS = Date.UTC(2026, 10, 21, 6, 0, 30);
export const FOLDERS = { state: "state", jobs: "jobs", out: "out", log: "log" } as const;

/** @param begunMs real time at the beginning */
export function clockOf(begunMs: number): () => number {
  return () => STORY_BEGINS_MS + (Date.now() - begunMs) * CLOCK_RATE;
}
