/**
 * The journal as the protocol core sees it: the messages that must outlive the process, in the
 * order in which they took effect.
 *
 * `lib/journal` writes them to files. `recovered_state.ts` computes a server's state
 * from them.
 *
 * @module
 */

import {
  type Heartbeat,
  type Join,
  type JoinOk,
  type Replication,
  Snapshot,
  type Sync,
} from "../mensagem.ts";

/**
 * A message that a journal may hold.
 *
 * - `REPLICATION`: a write.
 * - `SNAPSHOT`: entries of a table, in any order. With `replace`, everything before it is forgotten.
 * - `SYNC`: the table is complete up to `timestamp`. If this server leads, its timestamps go on
 *   after `latest`: no write has a timestamp between the two.
 * - `JOIN`: from here on this server follows. `JOIN_OK`: from here on it leads.
 * - `HEARTBEAT`: everything before it was on the disk when it was written.
 */
export type JournalMessage = Replication | Snapshot | Sync | Join | JoinOk | Heartbeat;

/** Where a server writes what must outlive its process. */
export interface Journal {
  /**
   * Adds a message at the end. The owner is told later, never from inside this call, how many
   * messages are on the disk.
   */
  append(message: JournalMessage): void;
}

/** The receiver of a journal's news. */
export interface JournalOwner {
  /** The first `count` appended messages are on the disk. */
  durable(count: number): void;
  /** The journal has failed: no further message will be on the disk. */
  failed(error: Error): void;
}

/** The journal message after which a table is empty: everything before it is forgotten. */
export function clearTable(): Snapshot {
  return new Snapshot([], false, true);
}
