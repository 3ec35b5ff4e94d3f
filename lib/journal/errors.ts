/**
 * The error of a data directory.
 *
 * @module
 */

/** A data directory cannot be opened, or a write to it has failed. */
export class JournalError extends Error {
  /** `message` names the directory or file, and what the operator can do. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "JournalError";
  }
}
