/**
 * A file descriptor that is kept free for the journal.
 *
 * @module
 */

import { isOutOfDescriptors } from "../descriptors.ts";

/**
 * An open handle that gives way when the process or the machine has no descriptor left. One is
 * enough: a compaction has at most one file open besides those that were open before.
 *
 * Everything here is synchronous: the descriptor that becomes free goes to the journal, and not to a
 * connection that is accepted meanwhile.
 */
export class SpareDescriptor {
  readonly #path: string;
  /** `undefined` while it is in use. */
  #spare: Deno.FsFile | undefined;

  /** Opens the spare handle, on the file `path`. */
  constructor(path: string) {
    this.#path = path;
    this.refill();
  }

  /** Runs `open`, and once more with the spare descriptor if there was none left. */
  use<T>(open: () => T): T {
    try {
      return open();
    } catch (error) {
      if (this.#spare === undefined || !isOutOfDescriptors(error)) throw error;
      this.close();
      return open();
    }
  }

  /** Opens the spare handle again. Call it right after a descriptor was closed. */
  refill(): void {
    try {
      this.#spare ??= Deno.openSync(this.#path);
    } catch {
      // No spare for now. The next call tries again.
    }
  }

  /** Closes the spare handle. */
  close(): void {
    this.#spare?.close();
    this.#spare = undefined;
  }
}
