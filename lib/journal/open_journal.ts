/**
 * The entry module of this folder. A server imports it only if it has a data directory.
 *
 * @module
 */

import type { Address } from "../wire/address.ts";
import { openAutoFolder } from "./auto_folder.ts";
import { DiskFolder } from "./disk.ts";
import { FileJournal } from "./file_journal.ts";

export { JournalError } from "./errors.ts";

/** Servers compact at shares of the usual size from this one up to 1. */
const compactShareMin = 0.75;

/** The number of different shares. */
const compactShares = 8;

/**
 * Opens the journal in a directory and reports what it holds. Makes the directory if it is missing.
 * "auto" is the directory of the server that listens on `server`.
 *
 * @param stopping Ends the loading with an error, and changes nothing.
 * @throws {JournalError} if the directory cannot be used.
 */
export async function openJournal(
  dataDir: string,
  server: Address,
  report: (line: string) => void,
  stopping?: AbortSignal,
): Promise<FileJournal> {
  const folder = dataDir === "auto"
    ? await openAutoFolder(server, report)
    : await DiskFolder.open(dataDir, report);
  const options = { stopping, compactShare: compactShareOf(server) };
  const journal = await FileJournal.open(folder, report, options);
  const { store, timestamp, cluster } = journal.recovered;
  report(
    cluster === ""
      ? `${folder.path} holds nothing yet`
      : `${folder.path} holds ${store.size} keys up to timestamp ${timestamp}, cluster ${cluster}`,
  );
  return journal;
}

/**
 * The share of the usual size at which a server compacts. It differs between neighbours in IP or
 * port, so that the servers of a cluster do not all compact at the same write.
 */
export function compactShareOf({ hostname, port }: Address): number {
  const base = hostname.includes(":") ? 16 : 10;
  const parts = hostname.match(/[\da-f]+/gi) ?? [];
  const sum = parts.reduce((all, part) => all + parseInt(part, base), port);
  return 1 - (sum % compactShares) * (1 - compactShareMin) / compactShares;
}
