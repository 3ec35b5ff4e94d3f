/**
 * Control characters, spelled out for the screen.
 *
 * @module
 */

// C0, DEL and C1 move the cursor, U+2028 and U+2029 end lines, the others change text direction.
// deno-lint-ignore no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeOf(control: string): string {
  return named[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The escapes of C0, DEL and C1, made once: a long value may consist of them alone. */
const escapes = Array.from({ length: 0xa0 }, (_, code) => escapeOf(String.fromCharCode(code)));

/** Text without any control character. Most keys and values match. */
const plain = /^[ -~]*$/;

/** Returns the text with every control character spelled out, so that no value can forge a line. */
export function escapeControls(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(controls, (c) => escapes[c.charCodeAt(0)] ?? escapeOf(c));
}
