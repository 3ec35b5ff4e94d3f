/**
 * Long values, which are sent and printed as they came.
 *
 * @module
 */

import type { Part } from "./frames.ts";

/** The byte of a backslash. No other character has it in UTF-8. */
const backslash = 0x5c;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The length from which on a value is long, in UTF-16 units. */
export const longValueChars = 768;

/** A value: text if it is short, an object with its bytes if it is long. */
export type Value = string | LongValue;

/** The value that was decoded last, and its text: its line of the console comes next. */
let newest: { readonly value: LongValue; readonly text: string } | undefined;

/**
 * A long value as its JSON.
 *
 * Every frame with the value contains this JSON, and so does a line of the console if it shows the value
 * as it is. ASCII is kept as text, which is encoded as fast as bytes are copied. All else is kept as
 * bytes: encoding it takes fifty times as long.
 */
export class LongValue {
  /**
   * What a console shows of the value: its JSON without the quotes, its text, or that with escapes. The
   * console finds it out once; `undefined` before.
   */
  shownAs: "json" | "text" | "escaped" | undefined;

  /** Takes the JSON without its quotes: text in memory of its own if it is ASCII, otherwise bytes. */
  constructor(readonly inner: Part) {}

  /** The value of a text. */
  static of(text: string): LongValue {
    const json = JSON.stringify(text);
    const bytes = encoder.encode(json);
    return new LongValue(bytes.length === json.length ? json.slice(1, -1) : bytes.slice(1, -1));
  }

  /** The value with this JSON and this text. The text is remembered until the next value is decoded. */
  static decoded(inner: Part, text: string): LongValue {
    const value = new LongValue(inner);
    newest = { value, text };
    return value;
  }

  /** The length of the JSON without quotes, in bytes: at least that of the text in UTF-8. */
  get length(): number {
    return this.inner.length;
  }

  /** The JSON without its quotes, decoded each time if it is not ASCII. */
  get innerText(): string {
    return typeof this.inner === "string" ? this.inner : decoder.decode(this.inner);
  }

  /** Whether the JSON escapes any character. */
  get hasEscapes(): boolean {
    const { inner } = this;
    return typeof inner === "string" ? inner.includes("\\") : inner.includes(backslash);
  }

  /** The text. */
  get text(): string {
    if (newest?.value === this) return newest.text;
    return this.hasEscapes ? JSON.parse(`"${this.innerText}"`) : this.innerText;
  }

  /** The text, so that `JSON.stringify` encodes a message with the value. */
  toJSON(): string {
    return this.text;
  }
}

/** The text of a value, or `null` of none. */
export function textOfValue<V extends Value | null>(value: V): V extends null ? null : string;
export function textOfValue(value: Value | null): string | null {
  return value === null || typeof value === "string" ? value : value.text;
}
