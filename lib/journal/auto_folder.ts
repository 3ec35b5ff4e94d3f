/**
 * The directory of a server that names none: `--data-dir=auto`.
 *
 * - `data/IP-PORT` is the directory of a server.
 * - `data/PORT` is that of 127.0.0.1. Earlier versions used it for every address, so it may also be
 *   that of another server: of the first that takes it. `data/PORT.server` says of which.
 *
 * @module
 */

import { ipDefault } from "../limits.ts";
import { type Address, formatAddress } from "../wire/address.ts";
import { checkPermitted, DiskFolder, exists } from "./disk.ts";
import { JournalError } from "./errors.ts";

/** The parent of these directories. */
const parent = "data";

/**
 * Locks the directory of the server that listens on `address`. Makes it if it is missing.
 *
 * @throws {JournalError} if the directory cannot be used.
 */
export async function openAutoFolder(
  address: Address,
  report: (line: string) => void,
): Promise<DiskFolder> {
  await checkPermitted(parent);
  try {
    return await openFolder(address, report);
  } catch (error) {
    if (error instanceof JournalError) throw error;
    throw new JournalError(`Cannot use ${parent}: ${(error as Error).message}`, { cause: error });
  }
}

async function openFolder(
  address: Address,
  report: (line: string) => void,
): Promise<DiskFolder> {
  const { hostname, port } = address;
  const server = formatAddress(address);
  const shared = `${parent}/${port}`;
  const own = `${parent}/${hostname.replaceAll(":", "_")}-${port}`;
  if (await exists(own)) return await DiskFolder.open(own, report);
  const there = await exists(shared);
  const owner = await ownerOf(shared);
  if (owner === server || (owner === undefined && (there || hostname === ipDefault))) {
    const folder = await take(shared, server, report);
    if (folder !== undefined) return folder;
  }
  if (there) {
    report(
      `${recordOf(shared)} says that ${shared} is the directory of ${await ownerOf(shared)}. ` +
        `${server} uses ${own}; for the other one use --data-dir=${shared}`,
    );
  }
  return await DiskFolder.open(own, report);
}

/** Locks `data/PORT` and records its server. `undefined` if another server was faster. */
async function take(
  shared: string,
  server: string,
  report: (line: string) => void,
): Promise<DiskFolder | undefined> {
  const folder = await DiskFolder.open(shared, report);
  try {
    // The lock admits one server at a time, so only one can find no record.
    const owner = await ownerOf(shared);
    if (owner === undefined) await record(shared, server);
    if (owner === undefined || owner === server) return folder;
  } catch (error) {
    folder.close();
    throw error;
  }
  folder.close();
  return undefined;
}

/** Records the server of `data/PORT`, in place of an empty record. Follows no symbolic link. */
async function record(shared: string, server: string): Promise<void> {
  if (await exists(recordOf(shared))) await Deno.remove(recordOf(shared));
  await Deno.writeTextFile(recordOf(shared), `${server}\n`, { createNew: true, mode: 0o600 });
}

/** The address of the server that has taken `data/PORT`; `undefined` if none has. */
async function ownerOf(shared: string): Promise<string | undefined> {
  try {
    if (!(await Deno.lstat(recordOf(shared))).isFile) {
      throw new Error(`${recordOf(shared)} is not a regular file`);
    }
    // An empty file is what a crash may leave.
    return (await Deno.readTextFile(recordOf(shared))).trim() || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function recordOf(shared: string): string {
  return `${shared}.server`;
}
