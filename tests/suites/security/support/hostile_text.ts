/**
 * The list of characters that may reach no screen, computed from the properties of Unicode and not
 * from the code that escapes them.
 *
 * @module
 */

import { assert } from "@std/assert";

const forbidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u;
/** More combining marks on one character than any language has: a screen draws them over other lines. */
const flood = /[\p{Mn}\p{Me}]{31}/u;

/** Every character of the list. Surrogates cannot be part of UTF-8. */
export const hostileCharacters: readonly string[] = Array.from(
  { length: 0x110000 },
  (_, code) => code >= 0xd800 && code <= 0xdfff ? "" : String.fromCodePoint(code),
).filter((character) => forbidden.test(character));

/** Marks that would cover the lines above and below. */
export const markFlood = `z${"\u0301\u0336\u20dd".repeat(40)}`;

/** A text with each of them, and a flood of combining marks. `skipped` are those that it leaves out. */
export function hostileText(skipped = ""): string {
  const all = hostileCharacters.filter((character) => !skipped.includes(character));
  return `<${all.join("h")}>${markFlood}`;
}

/** Parts of it that are short enough for a key. */
export function hostileKeys(): string[] {
  const keys = [markFlood];
  for (let from = 0; from < hostileCharacters.length; from += 100) {
    keys.push(`<${hostileCharacters.slice(from, from + 100).join("h")}>`);
  }
  return keys;
}

/** Checks that nothing of the list is on a screen, except its line ends. */
export function assertClean(what: string, screen: string): void {
  const text = screen.replaceAll("\n", "");
  const found = forbidden.exec(text) ?? flood.exec(text);
  const code = found?.[0].codePointAt(0)?.toString(16);
  assert(found === null, `${what} shows U+${code}: ${JSON.stringify(text.slice(0, 2_000))}`);
  assert(text.isWellFormed(), what);
}
