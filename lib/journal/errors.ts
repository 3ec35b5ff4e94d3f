/**
 * The error of a data directory.
 *
 * @module
 */

/** A data directory cannot be used, or no longer. Nothing in it was changed because of that. */
export class JournalError extends Error {
  /** Says what is wrong, and with which file. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
  }
}
