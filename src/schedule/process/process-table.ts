/**
 * Which process is meant, across restarts and reboots. A pid alone is reused; a pid with its start time and the boot it belongs
 * to never is (field 22 of /proc/PID/stat, proc(5)). Without /proc only the pid is known, and a reused one counts as alive until
 * its lease ends.
 */
import fs from "node:fs";
import os from "node:os";
import process from "node:process";
import { isErrno } from "../../core/errors.ts";
import type { ProcessIdentity } from "../run-row.ts";

export interface ProcessTable {
  self(): ProcessIdentity;
  /** Identity of a child of ours. */
  identify(pid: number): ProcessIdentity;
  /** "elsewhere": another machine or container, about which nothing is known here. */
  look(identity: ProcessIdentity): "alive" | "dead" | "elsewhere";
  /** To the whole process group that the process leads, or to it alone when it leads none. One that is gone is no error. */
  signalGroup(pid: number, signal: NodeJS.Signals): void;
  signal(pid: number, signal: NodeJS.Signals): void;
}

export function nodeProcessTable(): ProcessTable {
  const host = hostName();
  const bootId = readBootId();
  const identify = (pid: number): ProcessIdentity => ({ host, bootId, pid, startTime: startTimeOf(pid) ?? "" });
  return {
    self: () => identify(process.pid),
    identify,
    look: (identity) => {
      if (identity.host !== host) return "elsewhere";
      if (identity.bootId !== bootId) return "dead";
      const startTime = startTimeOf(identity.pid);
      if (startTime === null) return "dead";
      return identity.startTime === "" || startTime === "" || startTime === identity.startTime ? "alive" : "dead";
    },
    signalGroup: (pid, signal) => void (send(-pid, signal) || send(pid, signal)),
    signal: (pid, signal) => void send(pid, signal),
  };
}

/** @returns false: there is none */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}

/** A container is a machine of its own: its pids mean nothing outside of its namespace. */
function hostName(): string {
  try {
    return `${os.hostname()}/${fs.readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return os.hostname();
  }
}

function readBootId(): string {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
}

/** null: no such process (a zombie that nobody waited for counts as gone); "": alive, start unknown. */
function startTimeOf(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets of its own.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? "");
  } catch (error) {
    if (fs.existsSync("/proc/self/stat")) return isErrno(error, "ENOENT", "ESRCH") ? null : "";
  }
  try {
    process.kill(pid, 0);
    return "";
  } catch (error) {
    return isErrno(error, "EPERM") ? "" : null;
  }
}
