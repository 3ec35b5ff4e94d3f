/**
 * Writes the segments of a journal, one file after the other.
 *
 * @module
 */

import { type Folder, type FolderFile, segmentName, unfinishedName } from "./folder.ts";
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
  #bytes: number;
  /** Whether all records are on the disk and no seal says so yet. */
  #unsealed = false;

  /** Opens the last segment, cut to its valid bytes, and seals it. If `last` is 0, begins one. */
  static async open(
    folder: Folder,
    { last, lastBytes, segmentBytes }: { last: number; lastBytes: number; segmentBytes: number },
  ): Promise<SegmentWriter> {
    const file = last === 0
      ? await create(folder, 1)
      : await folder.extend(segmentName(last), lastBytes, allocateBytes);
    // The operating system may not have written the loaded bytes to the disk yet.
    await file.sync();
    return new SegmentWriter(folder, file, Math.max(last, 1), segmentBytes);
  }

  private constructor(folder: Folder, file: FolderFile, number: number, bytes: number) {
    this.#folder = folder;
    this.#file = file;
    this.#number = number;
    this.#bytes = bytes;
    this.#writeSeal();
  }

  /** The number of the segment that is written. */
  get number(): number {
    return this.#number;
  }

  /** The bytes of all segments since the last table. */
  get bytes(): number {
    return this.#bytes;
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

  /** Ends the segment and begins the next. All records must be on the disk. */
  async rotate(): Promise<void> {
    await this.#file.end();
    this.#file = await create(this.#folder, this.#number + 1);
    this.#number++;
    this.#bytes = 0;
    this.#unsealed = false;
  }

  /** Syncs and closes the segment. */
  async end(): Promise<void> {
    await this.#file.end();
  }

  /** Closes the segment as it is. */
  close(): void {
    this.#file.close();
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

/** Begins a segment. It gets its name only when its first line is on the disk. */
async function create(folder: Folder, number: number): Promise<FolderFile> {
  const name = segmentName(number);
  const file = await folder.create(unfinishedName(name), allocateBytes);
  file.write(encoder.encode(headerLine));
  await file.sync();
  await folder.rename(unfinishedName(name), name);
  return file;
}
