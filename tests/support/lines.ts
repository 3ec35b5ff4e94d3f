import { assert } from "@std/assert";

/** The lines of a text that ends with a line end. */
export function linesOf(text: string): string[] {
  assert(text === "" || text.endsWith("\n"), `half a line: ${text.slice(-200)}`);
  return text.split("\n").slice(0, -1);
}
