/**
 * Characters that a screen does not show as they are, spelled out.
 *
 * @module
 */

// Cc moves the cursor, Zl and Zp end lines, Cf is invisible or changes the direction of text. The
// joiner within an emoji is the only Cf that stays. `dashboard/page/dom.js` has the same rule.
const invisible =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])(\u200d)(?=\p{Extended_Pictographic})|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One `\uXXXX` for each UTF-16 unit, so that JSON with escapes is still JSON. */
function escapeOf(character: string): string {
  return named[character] ??
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The escapes of C0, DEL and C1, made once: a long value may consist of them alone. */
const escapes = Array.from({ length: 0xa0 }, (_, code) => escapeOf(String.fromCharCode(code)));

/** Text that needs no escape. Most keys and values match. */
const plain = /^[ -~]*$/;

/**
 * Returns the text with every control and format character spelled out, so that no text can forge a
 * line or hide a part of itself. Call it at the last place before a screen.
 */
export function escapeControls(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(
    invisible,
    (c, joiner: string | undefined) => joiner ?? escapes[c.charCodeAt(0)] ?? escapeOf(c),
  );
}
