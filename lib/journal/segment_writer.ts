/**
 * Writes the segments of a journal, one file after the other.
 *
 * @module
 */

import { type Folder, type FolderFile, segmentName, unfinishedName } from "./folder.ts";
import type { Loaded } from "./load.ts";
import { checkBothFree } from "./new_file.ts";
import { headerLine, recordOf, sealFrame } from "./record.ts";

/** A segment allocates disk space in steps of this size: a sync without a new length is faster. */
const allocateBytes = 1024 * 1024;

const encoder = new TextEncoder();
const seal = recordOf(sealFrame);

/** Appends records to the last segment, and begins new segments. */
export class SegmentWriter {
  readonly #folder: Folder;
  #file: FolderFile;
  #number: number;
  /** The bytes of the segment that is written. */
  #bytes: number;
  /** The bytes of the segments before it that no table has replaced yet. */
  #bytesBefore: number;
  /** Whether all records are on the disk and no seal says so yet. */
  #unsealed = false;

  /**
   * Opens the last segment, cut to its valid bytes, and seals it. If `last` is 0 or it has an older
   * format, begins one: the version that wrote it would take new records for damage.
   *
   * @throws {Error} if a segment cannot be opened or begun.
   */
  static async open(
    folder: Folder,
    { last, lastBytes, segmentBytes, lastIsOlder }: Pick<
      Loaded,
      "last" | "lastBytes" | "segmentBytes" | "lastIsOlder"
    >,
  ): Promise<SegmentWriter> {
    if (last > 0) {
      const file = await folder.extend(segmentName(last), lastBytes, allocateBytes);
      // The operating system may not have written the loaded bytes to the disk yet.
      await file.sync();
      const writer = new SegmentWriter(folder, file, last, [lastBytes, segmentBytes - lastBytes]);
      const failure = lastIsOlder ? await writer.rotate() : undefined;
      if (failure === undefined) return writer;
      writer.close();
      throw failure;
    }
    const file = await begin(folder, 1);
    await folder.rename(unfinishedName(segmentName(1)), segmentName(1));
    return new SegmentWriter(folder, file, 1, [0, 0]);
  }

  private constructor(
    folder: Folder,
    file: FolderFile,
    number: number,
    [bytes, bytesBefore]: readonly [number, number],
  ) {
    this.#folder = folder;
    this.#file = file;
    this.#number = number;
    this.#bytes = bytes;
    this.#bytesBefore = bytesBefore;
    this.#writeSeal();
  }

  /** The number of the segment that is written. */
  get number(): number {
    return this.#number;
  }

  /** The bytes of all segments since the last table. */
  get bytes(): number {
    return this.#bytesBefore + this.#bytes;
  }

  /** Appends records, after a seal if one is due. */
  write(records: string): void {
    this.#write(this.#unsealed ? seal + records : records);
  }

  /** Resolves when all records survive a power failure. */
  async sync(): Promise<void> {
    await this.#file.syncInTurn();
    this.#unsealed = true;
  }

  /** Writes a seal if one is due. */
  seal(): void {
    if (this.#unsealed) this.#writeSeal();
  }

  /**
   * Ends the segment and begins the next. All records must be on the disk. Returns the error if the
   * next one cannot be begun: then the segment goes on, except after a JournalError.
   *
   * @throws {Error} if the segment itself cannot be written any more.
   */
  async rotate(): Promise<Error | undefined> {
    const name = segmentName(this.#number + 1);
    let next: FolderFile | undefined;
    try {
      await checkBothFree(this.#folder, name);
    } catch (error) {
      return error as Error;
    }
    try {
      next = await begin(this.#folder, this.#number + 1);
    } catch (error) {
      await this.#removeUnfinished(name);
      return error as Error;
    }
    try {
      await this.#file.cut();
    } catch (error) {
      next.close();
      throw error;
    }
    try {
      await this.#folder.rename(unfinishedName(name), name);
    } catch (error) {
      next.close();
      await this.#removeUnfinished(name);
      return error as Error;
    }
    this.#file.close();
    this.#file = next;
    this.#number++;
    this.#bytesBefore += this.#bytes;
    this.#bytes = 0;
    this.#unsealed = false;
    return undefined;
  }

  /** Notes that a table has replaced all segments before this one. */
  replaced(): void {
    this.#bytesBefore = 0;
  }

  /** Whether the name of the segment still leads to the file that is written. */
  async isInPlace(): Promise<boolean> {
    const file = this.#file;
    return await file.isNamed(segmentName(this.#number)) || file !== this.#file;
  }

  /** Syncs and closes the segment. */
  async end(): Promise<void> {
    await this.#file.cut();
    this.#file.close();
  }

  /** Closes the segment as it is. */
  close(): void {
    this.#file.close();
  }

  /** Removes what is left of a segment that could not be begun. The next start would do it too. */
  async #removeUnfinished(name: string): Promise<void> {
    await this.#folder.remove(unfinishedName(name)).catch(() => {});
  }

  #writeSeal(): void {
    this.#write(seal);
    this.#unsealed = false;
  }

  #write(text: string): void {
    const bytes = encoder.encode(text);
    this.#file.write(bytes);
    this.#bytes += bytes.length;
  }
}

/** Begins a segment under its unfinished name. It gets its own when its first line is on the disk. */
async function begin(folder: Folder, number: number): Promise<FolderFile> {
  const file = await folder.create(unfinishedName(segmentName(number)), allocateBytes);
  try {
    file.write(encoder.encode(headerLine));
    await file.sync();
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
