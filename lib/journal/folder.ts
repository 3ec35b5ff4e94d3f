/**
 * What a journal needs from a disk, and the names of the files in a data directory.
 *
 * - `table-N` holds everything that was written before `journal-N`.
 * - `journal-N`, `journal-N+1`, … are segments: what was written after the table. All but the last
 *   are complete, because a new segment begins only when the one before is on the disk. The last
 *   may end with zeros: space allocated for more records.
 * - `….new` is an unfinished file. `lock` is locked by the server that uses the directory.
 *
 * @module
 */

/** A file that is written at its end. */
export interface FolderFile {
  /**
   * Appends bytes. They survive the end of this process, but not a power failure. If it throws, the
   * file is as before, and the call may be repeated.
   */
  write(bytes: Uint8Array): void;
  /** Resolves when all written bytes survive a power failure. The event loop goes on meanwhile. */
  sync(): Promise<void>;
  /**
   * The same, but blocks the event loop while the disk is fast. Then a sync takes less time than
   * handing it to another thread.
   */
  syncInTurn(): Promise<void>;
  /** Cuts off allocated space, and syncs. */
  cut(): Promise<void>;
  /** Whether the name in its directory still leads to this file. */
  isNamed(name: string): Promise<boolean>;
  /** Closes the file as it is. */
  close(): void;
}

/** A directory that one server has to itself. */
export interface Folder {
  /** Its path, for messages. */
  readonly path: string;
  /** The names of all files in it. The name of anything but a regular file ends with `/`. */
  list(): Promise<string[]>;
  /** The bytes of a file from its start. Each part is valid until the next one. */
  read(name: string): AsyncIterable<Uint8Array>;
  /**
   * Creates an empty file, in place of an existing one. The file may allocate up to `allocateBytes`
   * zeros behind what is written.
   */
  create(name: string, allocateBytes?: number): Promise<FolderFile>;
  /** Opens a file to append to it, after cutting it to `bytes`. */
  extend(name: string, bytes: number, allocateBytes?: number): Promise<FolderFile>;
  /**
   * Renames a file. Resolves when the new name survives a power failure.
   *
   * @throws {Error} if another file has the new name, and the system tells it. It is not replaced.
   * @throws {JournalError} if the file has its new name, but the name may not survive.
   */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file. */
  remove(name: string): Promise<void>;
  /**
   * Whether the name `lock` still leads to the file that this server has locked. Not there if the
   * directory needs no such file.
   */
  isLocked?(): Promise<boolean>;
  /** Unlocks the directory. */
  close(): void;
}

/** A file of a data directory, by its name. */
export interface FileName {
  /** Whether it holds a table or a segment. */
  readonly kind: "table" | "journal";
  /** The number in its name, from 1. */
  readonly number: number;
  /** Whether it was never finished. */
  readonly unfinished: boolean;
}

/** Reads the name of a file; `undefined` if it is neither a table's nor a segment's. */
export function parseFileName(name: string): FileName | undefined {
  const match = /^(journal|table)-([1-9]\d{0,14})(\.new)?$/.exec(name);
  if (match === null) return undefined;
  return {
    kind: match[1] === "table" ? "table" : "journal",
    number: Number(match[2]),
    unfinished: match[3] !== undefined,
  };
}

/** Whether a name is not one of the journal's, but looks like one: a person or a program changed it. */
export function isMistakable(name: string): boolean {
  return /^(journal|table)-/i.test(name) && parseFileName(name) === undefined;
}

/** The name of the segment with this number. */
export function segmentName(number: number): string {
  return `journal-${number}`;
}

/** The name of the table with this number. */
export function tableName(number: number): string {
  return `table-${number}`;
}

/** The name of a file until it is finished. */
export function unfinishedName(name: string): string {
  return `${name}.new`;
}
