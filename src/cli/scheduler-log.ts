/** What a scheduler says while it goes: one line per event, for a terminal, a journal or a container's log; under --json one document per line. */
import { toWire } from "../core/errors.ts";
import { errorText, placeText } from "../report/error-text.ts";
import { stateText } from "../report/jobs-history.ts";
import { endedText } from "../report/scheduler-text.ts";
import type { SchedulerNews } from "../schedule/process/scheduler.ts";
import { historyEntry } from "../schedule/process/views.ts";
import type { Terminal } from "./terminal.ts";

export class SchedulerLog {
  readonly #terminal: Terminal;
  readonly #nowMs: () => number;

  constructor(terminal: Terminal, nowMs: () => number) {
    this.#terminal = terminal;
    this.#nowMs = nowMs;
  }

  say(text: string): void {
    this.#terminal.say(`${this.#stamp()} ${text}`);
  }

  warn(text: string): void {
    this.#terminal.warn(`${this.#stamp()} ${text}`);
  }

  news(news: SchedulerNews): void {
    const { paint, json, debug } = this.#terminal;
    if (json) this.#terminal.print(JSON.stringify({ at: new Date(this.#nowMs()).toISOString(), ...plain(news) }));
    switch (news.type) {
      case "started":
        this.say(`▶ ${news.run.job} ${news.run.runKey} started (${news.run.trigger}, run ${news.run.id})`);
        break;
      case "ended":
        this.say(endedText(historyEntry(news.run), paint));
        break;
      case "recorded": {
        const more = news.slots > 1 ? ` and ${news.slots - 1} more` : "";
        this.say(`${stateText(news.state)} ${news.job} ${news.runKey}${more} (${news.reason})`);
        break;
      }
      case "stopping":
        this.say(`stopping ${news.run.job} ${news.run.runKey} (${news.reason})`);
        break;
      case "recovered": {
        const next = news.state === "scheduled" ? "it runs again" : news.state;
        this.say(`${news.run.job} ${news.run.runKey}: its process is gone; ${next}`);
        break;
      }
      case "jobs":
        this.say(
          `${news.jobs.length} ${news.jobs.length === 1 ? "job" : "jobs"}, ${news.jobs.filter(({ schedule }) => schedule !== null).length} with a schedule`,
        );
        for (const { message, where } of news.problems) this.warn(`${placeText(where) ?? "a job file"}: ${message}`);
        break;
      case "trouble":
        this.#terminal.complain(`${this.#stamp()} trouble ${news.doing}: ${errorText(toWire(news.error), paint, debug)}`);
        break;
    }
  }

  #stamp(): string {
    return new Date(this.#nowMs()).toISOString().slice(0, 19).replace("T", " ");
  }
}

function plain(news: SchedulerNews): object {
  if (news.type === "jobs") return { type: news.type, jobs: news.jobs.map(({ name }) => name), problems: news.problems };
  if (news.type === "trouble") return { type: news.type, doing: news.doing, error: toWire(news.error).message };
  return "run" in news ? { ...news, run: historyEntry(news.run) } : news;
}
