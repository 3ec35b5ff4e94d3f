/**
 * The value of a key that only the holder of a lock may write.
 *
 * @module
 */

/** A value with the fencing token of its writer. */
export interface Fenced {
  /** The timestamp of the lock. */
  readonly token: number;
  /** A text that no other write has. */
  readonly by: string;
}

/** The value in a text that {@linkcode JSON.stringify} made. */
export function parseFenced(text: string): Fenced {
  return JSON.parse(text);
}
