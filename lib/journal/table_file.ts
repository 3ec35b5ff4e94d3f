/**
 * Writes a table to a file, so that the segments before it can be removed.
 *
 * @module
 */

import { Join, Snapshot, type SnapshotEntry } from "../mensagem.ts";
import type { JournalSummary } from "../replication/recovered_state.ts";
import { entryOf } from "../replication/snapshot.ts";
import type { Store } from "../replication/store.ts";
import { type Folder, parseFileName, tableName, unfinishedName } from "./folder.ts";
import { checkFree } from "./new_file.ts";
import { headerLine, recordOf } from "./record.ts";

/** A chunk is closed at this many keys, so that the event loop is never blocked for long. */
export const tableChunkKeysMax = 4_096;

/** A chunk is closed at this much text, in UTF-16 units. */
const tableChunkChars = 256 * 1024;

const encoder = new TextEncoder();
/** A JOIN says that the server is a follower. Its address has no meaning in a file. */
const follows = new Join("0.0.0.0:1", "", 0);

/** What {@linkcode writeTable} writes. */
export interface TableContents {
  /** All but the entries. */
  readonly summary: JournalSummary;
  /** The entries. They may change while they are written: the segments have the changes. */
  readonly store: Store;
  /** See {@linkcode tableChunkKeysMax}. */
  readonly chunkKeysMax: number;
}

/**
 * Writes an unfinished table, chunk by chunk between other work. Stops once `stopped` returns true.
 * Returns whether the table is complete.
 */
export async function writeTable(
  folder: Folder,
  number: number,
  { summary, store, chunkKeysMax }: TableContents,
  stopped: () => boolean,
): Promise<boolean> {
  const file = await folder.create(unfinishedName(tableName(number)));
  try {
    const head = summary.messages(follows).map((message) => recordOf(message.encode()));
    file.write(encoder.encode(headerLine + head.join("")));
    for (const chunk of chunksOf(store, chunkKeysMax)) {
      file.write(encoder.encode(recordOf(chunk.encode())));
      await file.sync(); // other work goes on meanwhile
      if (stopped()) return false;
    }
    return true;
  } finally {
    file.close();
  }
}

/**
 * Gives a table its name. From then on it replaces the segments before it.
 *
 * @throws {Error} if another file has that name.
 */
export async function publishTable(folder: Folder, number: number): Promise<void> {
  await checkFree(folder, tableName(number));
  await folder.rename(unfinishedName(tableName(number)), tableName(number));
}

/** Removes what is left of a table that was not published. The next start would do it too. */
export async function removeUnfinishedTable(folder: Folder, number: number): Promise<void> {
  await folder.remove(unfinishedName(tableName(number))).catch(() => {});
}

/** Removes the files that a table has replaced. */
export async function removeReplaced(folder: Folder, number: number): Promise<void> {
  for (const old of await folder.list()) {
    const file = parseFileName(old);
    if (file !== undefined && !file.unfinished && file.number < number) await folder.remove(old);
  }
}

/**
 * Entries and tombstones in chunks. Keys that are added meanwhile may be left out. Each chunk has the
 * floor of its moment: a tombstone that is forgotten before its turn is below the next one.
 */
function* chunksOf(store: Store, chunkKeysMax: number): Iterable<Snapshot> {
  const walk = store.held();
  let next = walk.next().value;
  do {
    const chunk: SnapshotEntry[] = [];
    let chars = 0;
    while (next !== undefined && chunk.length < chunkKeysMax && chars < tableChunkChars) {
      const entry = entryOf(...next);
      chunk.push(entry);
      chars += entry[0].length + (entry[1]?.length ?? 0);
      next = walk.next().value;
    }
    yield new Snapshot(chunk, next === undefined, undefined, store.floorSettled || undefined);
  } while (next !== undefined);
}
