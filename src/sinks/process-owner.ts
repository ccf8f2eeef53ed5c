/**
 * Who a file belongs to, told by its name: `<pid>-<start>-<host>`. The name is the lock, and it dies with the process without native
 * code: pid together with the process's start time (field 22 of /proc/PID/stat, clock ticks since boot) is never reused; `host` is a
 * hash of host name and pid namespace, because a pid of another container or of another machine on a shared disk says nothing
 * here. Systems without /proc know only whether the pid is alive: a reused pid keeps a leftover until a later run.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import { isErrno } from "../core/errors.ts";

export const OWNER_PATTERN = /^(\d+)-(\d+)-([0-9a-f]{8})$/;
/** A live owner of another host touches its file far more often than this. */
const SILENT_MS = 120_000;

export function ownOwner(): string {
  return `${process.pid}-${startTime(process.pid) ?? 0}-${hostTag()}`;
}

/** Of a run that was suspended: nobody's, free to be taken over. */
export function noOwner(): string {
  return `0-0-${hostTag()}`;
}

/** @param touchedMs when the owner's file was last written to: all that can be known of an owner of another host */
export function ownerAlive(owner: string, touchedMs: number): boolean {
  const parts = OWNER_PATTERN.exec(owner);
  if (parts === null || parts[1] === "0") return false;
  if (parts[3] !== hostTag()) return Date.now() - touchedMs < SILENT_MS;
  return isAlive(Number(parts[1]), Number(parts[2]));
}

/** For people: the holder of an output. */
export function ownerText(owner: string): string {
  const parts = OWNER_PATTERN.exec(owner);
  if (parts === null) return "an unknown process";
  return parts[3] === hostTag() ? `process ${parts[1]}` : `process ${parts[1]} of another machine or container`;
}

function isAlive(pid: number, started: number): boolean {
  const now = startTime(pid);
  if (now !== null) return now === started;
  if (fs.existsSync("/proc/self/stat")) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, "EPERM");
  }
}

/** Clock ticks after boot; null where /proc does not know the process (proc(5)) or it is dead and only waits to be reaped. */
function startTime(pid: number): number | null {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The second field is the command in parentheses and may itself hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : Number(fields[19]);
}

let hostTagCache: string | undefined;
function hostTag(): string {
  if (hostTagCache === undefined) {
    let namespace = "";
    try {
      namespace = fs.readlinkSync("/proc/self/ns/pid");
    } catch {
      // Systems without /proc have one namespace.
    }
    hostTagCache = createHash("sha256").update(`${os.hostname()}\n${namespace}`).digest("hex").slice(0, 8);
  }
  return hostTagCache;
}
