/**
 * The assertion of the core's invariants.
 *
 * @module
 */

/** @throws {Error} if the condition does not hold. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}
