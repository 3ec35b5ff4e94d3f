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
  /** Appends bytes. They survive the end of this process, but not a power failure. */
  write(bytes: Uint8Array): void;
  /** Resolves when all written bytes survive a power failure. The event loop goes on meanwhile. */
  sync(): Promise<void>;
  /**
   * The same, but blocks the event loop while the disk is fast. Then a sync takes less time than
   * handing it to another thread.
   */
  syncInTurn(): Promise<void>;
  /** Cuts off allocated space, syncs, and closes the file. */
  end(): Promise<void>;
  /** Closes the file as it is. */
  close(): void;
}

/** A directory that one server has to itself. */
export interface Folder {
  /** Its path, for messages. */
  readonly path: string;
  /** The names of all files in it. The name of a subdirectory ends with `/`. */
  list(): Promise<string[]>;
  /** The bytes of a file from its start. Each part is valid until the next one. */
  read(name: string): AsyncIterable<Uint8Array>;
  /**
   * Creates an empty file, or empties an existing one. The file may allocate up to `allocateBytes`
   * zeros behind what is written.
   */
  create(name: string, allocateBytes?: number): Promise<FolderFile>;
  /** Opens a file to append to it, after cutting it to `bytes`. */
  extend(name: string, bytes: number, allocateBytes?: number): Promise<FolderFile>;
  /** Renames a file. Resolves when the new name survives a power failure. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file. */
  remove(name: string): Promise<void>;
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

/** Reads the name of a file; `undefined` if the file is neither a table nor a segment. */
export function parseFileName(name: string): FileName | undefined {
  const match = /^(journal|table)-([1-9]\d{0,14})(\.new)?$/.exec(name);
  if (match === null) return undefined;
  return {
    kind: match[1] === "table" ? "table" : "journal",
    number: Number(match[2]),
    unfinished: match[3] !== undefined,
  };
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
