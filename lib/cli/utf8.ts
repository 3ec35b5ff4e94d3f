/**
 * The decoder for text from outside. It refuses bytes that are not UTF-8, and replaces none.
 *
 * @module
 */

import { UsageError } from "./flags.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8, a byte order mark included. `undefined` if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Whether bytes begin with the byte order mark of UTF-16, as some Windows programs write it. */
export function isUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
}

/**
 * Refuses bytes in UTF-16.
 *
 * @param what Names the text in the error.
 * @throws {UsageError} if they begin with the byte order mark of UTF-16.
 */
export function refuseUtf16(bytes: Uint8Array, what: string): void {
  if (!isUtf16(bytes)) return;
  throw new UsageError(`${what} is UTF-16, with a byte order mark: save it as UTF-8`);
}

/**
 * Decodes UTF-8, a byte order mark included.
 *
 * @param what Names the text in the error.
 * @throws {UsageError} if it is not UTF-8.
 */
export function textOf(bytes: Uint8Array, what: string): string {
  refuseUtf16(bytes, what);
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new UsageError(`${what} is not UTF-8: save it as UTF-8`);
}
