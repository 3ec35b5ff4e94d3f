/**
 * The entry module of this folder. A server imports it only if it has a data directory.
 *
 * @module
 */

import { DiskFolder } from "./disk.ts";
import { FileJournal } from "./file_journal.ts";

/**
 * Opens the journal in a directory and reports what it holds. Makes the directory if it is missing.
 *
 * @throws {JournalError} if the directory cannot be used.
 */
export async function openJournal(
  path: string,
  report: (line: string) => void,
): Promise<FileJournal> {
  const journal = await FileJournal.open(await DiskFolder.open(path), report);
  const { store, timestamp, cluster } = journal.recovered;
  report(
    cluster === ""
      ? `${path} holds nothing yet`
      : `${path} holds ${store.size} keys up to timestamp ${timestamp}, cluster ${cluster}`,
  );
  return journal;
}
