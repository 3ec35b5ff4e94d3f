/**
 * Keeps the journal's new files from replacing files that are not its own.
 *
 * @module
 */

import { type Folder, unfinishedName } from "./folder.ts";
import { headerLine, headerLines } from "./record.ts";

const latin1 = new TextDecoder("latin1");

/**
 * Checks that no file has this name.
 *
 * @throws {Error} if one has it, in upper or lower case: some systems do not tell them apart.
 */
export async function checkFree(folder: Folder, name: string): Promise<void> {
  const taken = (await folder.list()).find((one) => bare(one).toLowerCase() === name);
  if (taken !== undefined) throw inTheWay(bare(taken));
}

/**
 * Checks that a file can be created under the unfinished name of `name`, and then get its name. What
 * is left of an earlier attempt may be replaced.
 *
 * @throws {Error} if another file has one of these names.
 */
export async function checkBothFree(folder: Folder, name: string): Promise<void> {
  await checkFree(folder, name);
  const unfinished = unfinishedName(name);
  const taken = (await folder.list()).find((one) => bare(one).toLowerCase() === unfinished);
  if (taken === undefined || (taken === unfinished && await isOwn(folder, taken))) return;
  throw inTheWay(bare(taken));
}

/**
 * Whether a file with an unfinished name is the journal's: it begins with the first line of one, or
 * it holds no more than a start of that line, perhaps with allocated zeros.
 */
export async function isOwn(folder: Folder, name: string): Promise<boolean> {
  let head = "";
  let read = 0;
  for await (const part of folder.read(name)) {
    head += latin1.decode(part.subarray(0, headerLine.length - head.length));
    if (headerLines.includes(head)) return true;
    const last = part.findLastIndex((byte) => byte !== 0);
    if (last >= 0 && read + last >= headerLine.length) return false;
    read += part.length;
  }
  return headerLines.some((line) => line.startsWith(head.replace(/\0+$/, "")));
}

/** A name as `Folder.list` returns it, without the mark of what is not a regular file. */
function bare(name: string): string {
  return name.replace(/\/$/, "");
}

/** The error of a name that another file has. */
export function inTheWay(name: string): Error {
  return new Error(`${name} is in the way, and is not of this journal: move that file away`);
}
