/**
 * What a console shows of long values.
 *
 * @module
 */

import type { Part } from "../wire/frames.ts";
import type { LongValue } from "../wire/long_value.ts";
import { escapeControls } from "./escape.ts";

/** The size of the values that are remembered, in bytes as they are shown. */
export const shownBytesMax = 8 * 1024 * 1024;

const encoder = new TextEncoder();

/**
 * Long values as a console shows them.
 *
 * Most are shown as their JSON, which is stored. The others, those with quotes or control characters,
 * have to be parsed and escaped. The bytes of those that were shown twice are remembered, as many as
 * fit; the oldest are forgotten first.
 */
export class ShownValues {
  readonly #remembered = new Map<LongValue, Uint8Array<ArrayBuffer>>();
  /** Invariant: the size of all #remembered, at most shownBytesMax. */
  #bytes = 0;

  /** The size of what is remembered, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is shown of a value, on one line. */
  of(value: LongValue): Part {
    if (value.shownAs === undefined) return firstShown(value);
    if (value.shownAs === "json") return value.inner;
    return this.#remembered.get(value) ?? this.#remember(value);
  }

  #remember(value: LongValue): Part {
    const bytes = encoder.encode(
      value.shownAs === "text" ? value.text : escapeControls(value.text),
    );
    this.#remembered.set(value, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#remembered) {
      if (this.#bytes <= shownBytesMax) break;
      this.#remembered.delete(oldest);
      this.#bytes -= length;
    }
    return bytes;
  }
}

/** Matches ASCII JSON in which a character is not spelled as {@linkcode escapeControls} spells it. */
const otherSpelling = /\\(?![nrt]|u00(?:0[0-8bcef]|1[\da-f]|7f))|\x7f/;

/** Finds out what is shown of a value. */
function firstShown(value: LongValue): Part {
  const { inner } = value;
  if (typeof inner === "string" && !otherSpelling.test(inner)) {
    value.shownAs = "json";
    return inner;
  }
  const { text } = value;
  const shown = escapeControls(text);
  if (shown !== text) value.shownAs = "escaped";
  else value.shownAs = value.hasEscapes ? "text" : "json";
  return value.shownAs === "json" ? inner : shown;
}
