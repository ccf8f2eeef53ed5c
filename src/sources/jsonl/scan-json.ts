/**
 * One JSON object, member by member, without turning its numbers into doubles: a value comes out as its kind and its text, so int64 and
 * decimals keep every digit. Strict RFC 8259, but for `NaN`, `Infinity` and `-Infinity`, which Python's json module writes.
 */

export const ABSENT = 0;
export const NUMBER = 1;
export const STRING = 2;
export const BOOL = 3;
export const ARRAY = 4;
export const OBJECT = 5;
export type JsonKind = 0 | 1 | 2 | 3 | 4 | 5;

/** What a value's text is: digits of a number, the characters of a string, `true`, the JSON of an array or object; "" for null. */
export type TakeValue = (kind: JsonKind, text: string) => void;

export interface Members {
  /** Called for each key. @returns false when the value is not wanted, or a word of complaint */
  key(name: string): boolean | string;
  value: TakeValue;
}

export interface JsonProblem {
  /** Position in the text. */
  at: number;
  message: string;
}

/** Deeper values are refused: the scanner recurses. */
const MAX_DEPTH = 256;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const MINUS = 45;
const PLUS = 43;
const DOT = 46;

const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

export class JsonScanner {
  private text = "";
  private at = 0;
  private end = 0;
  private problem: JsonProblem | null = null;
  /** Of the string just passed. */
  private escaped = false;
  /** The array that `elements` went through last holds arrays. */
  nested = false;

  /** text[start, end) as one object. @returns null, or what is wrong with it; members before the fault have been given */
  object(text: string, start: number, end: number, members: Members): JsonProblem | null {
    this.begin(text, start, end);
    if (text.charCodeAt(this.at) !== OPEN_BRACE) {
      const shown =
        this.at < end ? `a JSON object was expected, not ${JSON.stringify(text[this.at])}` : "there is no JSON object";
      return { at: this.at, message: shown };
    }
    const value: TakeValue = (kind, part) => members.value(kind, part);
    if (this.passObject({ key: (name) => members.key(name), value }, 0)) {
      this.blanks();
      if (this.at < end)
        this.fail(
          `there is more behind the object: ${JSON.stringify(text.slice(this.at, Math.min(end, this.at + 20)).trimEnd())}`,
        );
    }
    return this.problem;
  }

  /** Elements of an array that `object` has given, nested arrays one after the other. */
  elements(array: string, take: TakeValue): void {
    this.begin(array, 0, array.length);
    this.nested = false;
    this.passArray(take, 0);
  }

  private begin(text: string, start: number, end: number): void {
    this.text = text;
    this.at = start;
    this.end = end;
    this.problem = null;
    this.blanks();
  }

  private fail(message: string): false {
    const cut = this.at >= this.end;
    this.problem ??= { at: this.at, message: cut ? "the line ends before its JSON object does" : message };
    return false;
  }

  private blanks(): void {
    const { text, end } = this;
    while (this.at < end) {
      const c = text.charCodeAt(this.at);
      if (c !== 32 && c !== 9 && c !== 13 && c !== 10) return;
      this.at++;
    }
  }

  /** The next character behind blanks, NaN at the end. */
  private next(): number {
    this.blanks();
    return this.at < this.end ? this.text.charCodeAt(this.at) : Number.NaN;
  }

  private passObject(members: Members | null, depth: number): boolean {
    if (depth > MAX_DEPTH) return this.fail(`values are nested more than ${MAX_DEPTH} deep`);
    this.at++;
    if (this.next() === CLOSE_BRACE) {
      this.at++;
      return true;
    }
    for (;;) {
      if (this.next() !== QUOTE) return this.fail("a key in double quotes was expected");
      const keyAt = this.at;
      if (!this.passString()) return false;
      let wanted: boolean | string = false;
      if (members !== null) {
        const key = this.stringText(keyAt);
        if (key === null) return false;
        wanted = members.key(key);
        if (typeof wanted === "string") {
          this.at = keyAt;
          return this.fail(wanted);
        }
      }
      if (this.next() !== COLON) return this.fail('":" was expected behind a key');
      this.at++;
      this.blanks();
      if (!this.passValue(wanted === true ? members!.value : null, depth)) return false;
      const c = this.next();
      this.at++;
      if (c === CLOSE_BRACE) return true;
      if (c !== COMMA) {
        this.at--;
        return this.fail('"," or "}" was expected behind a value');
      }
    }
  }

  /** @param take gets the elements, flattened */
  private passArray(take: TakeValue | null, depth: number): boolean {
    if (depth > MAX_DEPTH) return this.fail(`values are nested more than ${MAX_DEPTH} deep`);
    this.at++;
    if (this.next() === CLOSE_BRACKET) {
      this.at++;
      return true;
    }
    for (;;) {
      const nested = this.next() === OPEN_BRACKET;
      if (nested) this.nested = true;
      if (!(nested ? this.passArray(take, depth + 1) : this.passValue(take, depth))) return false;
      const c = this.next();
      this.at++;
      if (c === CLOSE_BRACKET) return true;
      if (c !== COMMA) {
        this.at--;
        return this.fail('"," or "]" was expected behind a value');
      }
    }
  }

  private passValue(take: TakeValue | null, depth: number): boolean {
    const start = this.at;
    if (start >= this.end) return this.fail("");
    const c = this.text.charCodeAt(start);
    switch (c) {
      case QUOTE: {
        if (!this.passString()) return false;
        if (take === null) return true;
        const text = this.stringText(start);
        if (text === null) return false;
        take(STRING, text);
        return true;
      }
      case OPEN_BRACE:
        return this.passObject(null, depth + 1) && this.give(take, OBJECT, start);
      case OPEN_BRACKET:
        return this.passArray(null, depth + 1) && this.give(take, ARRAY, start);
      case 116:
        return this.passWord("true") && this.give(take, BOOL, start);
      case 102:
        return this.passWord("false") && this.give(take, BOOL, start);
      case 110:
        if (!this.passWord("null")) return false;
        take?.(ABSENT, "");
        return true;
      case 78:
        return this.passWord("NaN") && this.give(take, NUMBER, start);
      case 73:
        return this.passWord("Infinity") && this.give(take, NUMBER, start);
      default:
        return this.passNumber(c) && this.give(take, NUMBER, start);
    }
  }

  private give(take: TakeValue | null, kind: JsonKind, start: number): true {
    take?.(kind, this.text.slice(start, this.at));
    return true;
  }

  private passWord(word: string): boolean {
    if (this.at + word.length > this.end || !this.text.startsWith(word, this.at)) return this.fail("a JSON value was expected");
    this.at += word.length;
    return true;
  }

  private passNumber(first: number): boolean {
    const start = this.at;
    if (first === MINUS) {
      this.at++;
      if (this.text.charCodeAt(this.at) === 73) return this.passWord("Infinity");
    }
    const whole = this.at;
    if (!this.passDigits()) {
      this.at = start;
      return this.fail("a JSON value was expected");
    }
    if (this.at - whole > 1 && this.text.charCodeAt(whole) === 48) {
      this.at = start;
      return this.fail("a number begins with a needless 0");
    }
    if (this.at < this.end && this.text.charCodeAt(this.at) === DOT) {
      this.at++;
      if (!this.passDigits()) return this.fail("digits were expected behind the decimal point");
    }
    if (this.at < this.end && (this.text.charCodeAt(this.at) | 32) === 101) {
      this.at++;
      const sign = this.text.charCodeAt(this.at);
      if (sign === MINUS || sign === PLUS) this.at++;
      if (!this.passDigits()) return this.fail("digits were expected in the exponent");
    }
    return true;
  }

  private passDigits(): boolean {
    const { text, end } = this;
    const start = this.at;
    let at = start;
    while (at < end) {
      const digit = text.charCodeAt(at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      at++;
    }
    this.at = at;
    return at > start;
  }

  private passString(): boolean {
    const { text, end } = this;
    let at = this.at + 1;
    this.escaped = false;
    for (; at < end; at++) {
      const c = text.charCodeAt(at);
      if (c === QUOTE) {
        this.at = at + 1;
        return true;
      }
      if (c < 32) {
        this.at = at;
        return this.fail("a control character stands in a string, where JSON wants \\u and its number");
      }
      if (c === BACKSLASH) {
        this.escaped = true;
        ESCAPE.lastIndex = at;
        if (at + 1 < end && !ESCAPE.test(text)) {
          this.at = at;
          return this.fail("a string holds a backslash that JSON does not know");
        }
        at++;
      }
    }
    this.at = end;
    return this.fail("");
  }

  /** Of the string from `start` up to here. Null: its escapes name half a character. */
  private stringText(start: number): string | null {
    if (!this.escaped) return this.text.slice(start + 1, this.at - 1);
    const text = JSON.parse(this.text.slice(start, this.at)) as string;
    if (!LONE_SURROGATE.test(text)) return text;
    this.at = start;
    this.fail("a string holds half of a surrogate pair, which is no character");
    return null;
  }
}
