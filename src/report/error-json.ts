/** The one shape in which programs see errors. Pure. */
import type { WireError } from "../core/errors.ts";

/** `where` and `hints` are always there, so that a script need not ask; stack traces only under --debug. */
export function errorJson(error: WireError, debug: boolean): object {
  const { code, message, where = null, hints = [], stack, exitCode: _exitCode, problems, ...more } = error;
  return {
    code,
    message,
    where,
    hints,
    ...more,
    ...(problems === undefined ? {} : { problems: problems.map((problem) => errorJson(problem, debug)) }),
    ...(debug && stack !== undefined ? { stack } : {}),
  };
}
