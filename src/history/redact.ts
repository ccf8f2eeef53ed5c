/** What must not be stored: passwords in addresses, and values of the secrets that a job names. */

export type Redact = (text: string) => string;

const MARK = "***";
/** user:password@ of an address, and the query fields in which keys are handed over. */
const IN_ADDRESSES: readonly [RegExp, string][] = [
  [/(\w:\/\/)[^/\s@]+@/g, `$1${MARK}@`],
  [/([?&](?:access_token|token|api_?key|key|sig|signature|secret|password|pwd)=)[^&\s"]+/gi, `$1${MARK}`],
];

/** @param values of the secrets, as the environment has them; shorter ones than 4 characters would blot out whole texts */
export function redactor(values: readonly (string | undefined)[]): Redact {
  const secrets = values.filter((value): value is string => value !== undefined && value.length >= 4);
  return (text) => {
    let clean = text;
    for (const secret of secrets) clean = clean.replaceAll(secret, MARK);
    for (const [pattern, mark] of IN_ADDRESSES) clean = clean.replace(pattern, mark);
    return clean;
  };
}

/** Names of `{secret: NAME}` anywhere in a value. */
export function secretNames(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "secret" && typeof inner === "string" ? [inner] : secretNames(inner),
  );
}

/** For JSON.stringify. */
export function redacting(redact: Redact): (key: string, value: unknown) => unknown {
  return (_key, value) => (typeof value === "string" ? redact(value) : value);
}
