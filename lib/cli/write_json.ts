/**
 * Values on standard output, for other programs.
 *
 * @module
 */

import { escapeControls } from "./escape.ts";
import type { Terminal } from "./terminal.ts";

/** Writes a value as one line of JSON, control characters spelled out. */
export function writeJson({ out }: Pick<Terminal, "out">, value: unknown): void {
  out(`${escapeControls(JSON.stringify(value))}\n`);
}
