/**
 * A journal in the files of a directory.
 *
 * @module
 */

import type { JournalMessage, JournalOwner } from "../replication/journal.ts";
import type {
  JournalSummary,
  OpenJournal,
  RecoveredState,
} from "../replication/recovered_state.ts";
import { AppendQueue } from "./append_queue.ts";
import { JournalError } from "./errors.ts";
import type { Folder } from "./folder.ts";
import { load, type Loaded } from "./load.ts";
import { recordOf } from "./record.ts";
import { SegmentWriter } from "./segment_writer.ts";
import { publishTable, tableChunkKeysMax, writeTable } from "./table_file.ts";

/** Segments below this size are not compacted. */
const compactBytesMin = 16 * 1024 * 1024;

/** A record on the disk is sealed within this time. */
const sealMs = 50;

/** About how much text an entry of a snapshot has besides its key and value, in UTF-16 units. */
const entryChars = 30;

/** Smaller limits, for tests. */
export interface FileJournalOptions {
  /** Segments below this size are not compacted. */
  readonly compactBytesMin?: number;
  /** See {@linkcode tableChunkKeysMax}. */
  readonly tableChunkKeysMax?: number;
}

/**
 * A journal in the files of a directory, with group commit and compaction.
 *
 * - Group commit: records that are appended during a sync share the next write and sync.
 * - The first failed write or sync ends the journal, because the state of the disk is unknown then.
 * - Compaction: a table replaces the segments when they are larger than it and than 16 MiB. Records
 *   go to a new segment while the table is written. Then the old files are removed. So a directory
 *   stays below four times its largest table since the last compaction, plus 64 MiB.
 */
export class FileJournal implements OpenJournal, AsyncDisposable {
  readonly recovered: RecoveredState;
  readonly #folder: Folder;
  readonly #options: Required<FileJournalOptions>;
  readonly #segments: SegmentWriter;
  readonly #queue = new AppendQueue();
  /** The state after all messages so far, without the entries. A table begins with it. */
  readonly #summary: JournalSummary;
  /** `undefined` until `begin`. Records wait until then. */
  #owner: JournalOwner | undefined;
  /** "closing": records are still written, compaction stops. "closed": appends are ignored. */
  #phase: "open" | "closing" | "closed" = "open";
  /** Set by the first failed write or sync; appends are ignored from then on. */
  #error: JournalError | undefined;
  #sealTimer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;

  /**
   * Loads a directory, and removes what is torn or no longer needed. Closes `folder` if that fails.
   *
   * @throws {JournalError} if the directory cannot be used.
   */
  static async open(
    folder: Folder,
    report: (line: string) => void,
    options: FileJournalOptions = {},
  ): Promise<FileJournal> {
    try {
      const loaded = await load(folder, report);
      if (loaded.cut !== undefined) report(loaded.cut);
      const segments = await SegmentWriter.open(folder, loaded);
      for (const name of loaded.stale) await folder.remove(name);
      return new FileJournal(folder, loaded, segments, options);
    } catch (error) {
      folder.close();
      if (error instanceof JournalError) throw error;
      const { message } = error as Error;
      throw new JournalError(`Cannot use ${folder.path}: ${message}`, { cause: error });
    }
  }

  private constructor(
    folder: Folder,
    { recovered }: Loaded,
    segments: SegmentWriter,
    options: FileJournalOptions,
  ) {
    this.recovered = recovered;
    this.#folder = folder;
    this.#segments = segments;
    this.#options = { compactBytesMin, tableChunkKeysMax, ...options };
    this.#summary = recovered.summary.copy();
  }

  begin(owner: JournalOwner): void {
    this.#owner = owner;
    if (!this.#queue.empty) this.#start();
  }

  append(message: JournalMessage): void {
    if (this.#error !== undefined || this.#phase === "closed") return;
    this.#summary.add(message);
    this.#queue.append(recordOf(message.encode()));
    if (this.#owner !== undefined) this.#start();
  }

  /** Writes the waiting records, and unlocks the directory. */
  async close(): Promise<void> {
    this.#phase = "closing";
    await this.#writing;
    await this.#compacting;
    this.#phase = "closed";
    clearTimeout(this.#sealTimer);
    this.#seal();
    if (this.#error !== undefined) this.#segments.close();
    else await this.#segments.end().catch((error) => this.#fail(error));
    this.#folder.close();
  }

  /** The same as {@linkcode FileJournal.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(): void {
    this.#writing ??= this.#write().catch((error) => this.#fail(error));
  }

  async #write(): Promise<void> {
    await undefined; // records of the same turn share one write
    while (!this.#queue.empty && this.#error === undefined) {
      const { records, count } = this.#queue.take();
      this.#segments.write(records);
      await this.#segments.sync();
      if (this.#error !== undefined) return; // a compaction has failed meanwhile
      this.#owner!.durable(count);
      this.#queue.markDurable(count);
      if (this.#compactionDue()) await this.#rotate();
      else this.#sealTimer ??= setTimeout(() => this.#seal(), sealMs);
    }
    this.#writing = undefined;
  }

  /** Seals the last records. If a write is under way, the next write begins with the seal. */
  #seal(): void {
    this.#sealTimer = undefined;
    if (this.#writing !== undefined || this.#error !== undefined) return;
    try {
      this.#segments.seal();
    } catch (error) {
      this.#fail(error);
    }
  }

  #compactionDue(): boolean {
    if (this.#compacting !== undefined || this.#phase !== "open") return false;
    const { store } = this.recovered;
    const tableChars = store.chars + entryChars * store.size;
    return this.#segments.bytes > Math.max(this.#options.compactBytesMin, tableChars);
  }

  /** Begins a segment, and a table that replaces all segments before it. */
  async #rotate(): Promise<void> {
    await this.#segments.rotate();
    this.#compacting = this.#compact(this.#segments.number)
      .catch((error) => this.#fail(error))
      .finally(() => this.#compacting = undefined);
  }

  async #compact(number: number): Promise<void> {
    const contents = {
      summary: this.#summary,
      store: this.recovered.store,
      chunkKeysMax: this.#options.tableChunkKeysMax,
    };
    const stopped = () => this.#phase !== "open" || this.#error !== undefined;
    if (!await writeTable(this.#folder, number, contents, stopped)) return;
    // The table must not be ahead of the segments: every write in it must be durable first.
    if (await this.#queue.whenDurable()) await publishTable(this.#folder, number);
  }

  #fail(error: unknown): void {
    this.#writing = undefined;
    if (this.#error !== undefined) return;
    this.#error = writeError(this.#folder, error);
    clearTimeout(this.#sealTimer);
    this.#queue.fail();
    this.#owner?.failed(this.#error);
  }
}

function writeError(folder: Folder, error: unknown): JournalError {
  return new JournalError(
    `Cannot write to ${folder.path}: ${(error as Error).message}. No further write is acknowledged`,
    { cause: error },
  );
}
