/**
 * Characters that a screen does not show as they are, spelled out.
 *
 * @module
 */

/** What is done with a code point. */
type Treatment = typeof notKnown | typeof shown | typeof spelled | typeof mark | typeof joiner;
const notKnown = 0;
const shown = 1;
const spelled = 2;
/** A combining mark: shown, unless there are many on one character. */
const mark = 3;
/** Shown only within an emoji. */
const joiner = 4;

// Cc moves the cursor, Zl and Zp end lines, Cf is invisible or changes the direction of text. Cs and
// noncharacters are no text. `dashboard/page/dom.js` has the same rules.
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const combining = /[\p{Mn}\p{Me}]/u;
const joinerInEmoji =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d(?=\p{Extended_Pictographic})/uy;

/**
 * Combining marks on one character. More of them are drawn over other lines, and no language has more
 * (Stream-Safe Text of UAX #15).
 */
const marksMax = 30;

const named: Readonly<Record<number, string>> = { 9: "\\t", 10: "\\n", 13: "\\r" };

/** The bytes in hexadecimal. */
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** One `\uXXXX` for each UTF-16 unit, so that JSON with escapes is still JSON. */
function escapeOf(code: number): string {
  if (code > 0xffff) {
    const rest = code - 0x10000;
    return escapeOf(0xd800 + (rest >> 10)) + escapeOf(0xdc00 + (rest & 0x3ff));
  }
  return named[code] ?? `\\u${hex[code >> 8]}${hex[code & 0xff]}`;
}

/** By code point: its treatment, once it has been met. A regular expression takes far longer. */
const treatments = new Uint8Array(0x110000);

function treat(code: number): Treatment {
  const character = String.fromCodePoint(code);
  if (character === "\u200d") return joiner;
  if (hidden.test(character)) return spelled;
  return combining.test(character) ? mark : shown;
}

// Most keys and values match one of these. Ranges cost time, so ASCII has a test of its own.
const ascii = /^[ -~]*$/;
const latin1 = /^[ -~\xa0-\xac\xae-\xff]*$/;

/**
 * Returns the text with every control and format character spelled out, so that no text can forge a
 * line or hide a part of itself. Call it at the last place before a screen.
 */
export function escapeControls(text: string): string {
  if (ascii.test(text) || latin1.test(text)) return text;
  let result = "";
  let copied = 0;
  let marks = 0;
  let marksEnd = 0;
  for (let at = 0; at < text.length; at++) {
    if (treatments[text.charCodeAt(at)] === shown) continue;
    const start = at;
    const code = text.codePointAt(start)!;
    if (code > 0xffff) at++;
    const treatment = treatments[code] ||= treat(code);
    if (treatment === mark) {
      marks = start === marksEnd ? marks + 1 : 1;
      marksEnd = at + 1;
    }
    if (
      treatment === spelled || treatment === mark && marks > marksMax ||
      treatment === joiner && !joins(text, start)
    ) {
      result += text.slice(copied, start) + escapeOf(code);
      copied = at + 1;
    }
  }
  return copied === 0 ? text : result + text.slice(copied);
}

/** Whether the joiner at a place is within an emoji. */
function joins(text: string, at: number): boolean {
  joinerInEmoji.lastIndex = at;
  return joinerInEmoji.test(text);
}
