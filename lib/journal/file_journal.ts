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
import { CompactionPause } from "./compaction_pause.ts";
import { JournalError } from "./errors.ts";
import { type Folder, segmentName, tableName } from "./folder.ts";
import { load, type Loaded } from "./load.ts";
import { checkBothFree } from "./new_file.ts";
import { recordOf } from "./record.ts";
import { SegmentWriter } from "./segment_writer.ts";
import {
  publishTable,
  removeReplaced,
  removeUnfinishedTable,
  tableChunkKeysMax,
  writeTable,
} from "./table_file.ts";

/** Segments below this size are not compacted. */
const compactBytesMin = 16 * 1024 * 1024;

/** A record on the disk is sealed within this time. */
const sealMs = 50;

/** A directory or a lock that was removed or replaced is noticed within this time after the next write. */
const checkMs = 1_000;

/** About how much text an entry of a snapshot has besides its key and value, in UTF-16 units. */
const entryChars = 30;

/** What ends the loading, when to compact, and smaller limits for tests. */
export interface FileJournalOptions {
  /** Ends the loading with an error, before anything is changed. */
  readonly stopping?: AbortSignal | undefined;
  /** The share of the usual size at which segments are compacted, at most 1. */
  readonly compactShare?: number;
  /** Segments below this size are not compacted. */
  readonly compactBytesMin?: number;
  /** See {@linkcode tableChunkKeysMax}. */
  readonly tableChunkKeysMax?: number;
  /** The pause after the first compaction that failed. */
  readonly compactPauseMs?: number;
}

/**
 * A journal in the files of a directory, with group commit and compaction.
 *
 * - Group commit: records that are appended during a sync share the next write and sync.
 * - The first failed write or sync of a segment ends the journal, because the state of the disk is
 *   unknown then. So does a directory that was removed or replaced, or its lock.
 * - Compaction: a table replaces the segments when they are larger than it and than 16 MiB. Records
 *   go to a new segment while the table is written. Then the old files are removed. So a directory
 *   stays below four times its largest table since the last compaction, plus 64 MiB.
 * - A compaction that fails loses nothing: the records are in the segments. It is put off.
 */
export class FileJournal implements OpenJournal, AsyncDisposable {
  readonly recovered: RecoveredState;
  readonly #folder: Folder;
  readonly #options: Required<Omit<FileJournalOptions, "compactPauseMs" | "stopping">>;
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
  /** Whether the compaction under way has to stop, because the segment needs its room. */
  #tableGivenUp = false;
  /** The state at the start of the segment that is written, until a table replaces those before. */
  #rotatedAt: JournalSummary | undefined;
  readonly #pause: CompactionPause;
  #checkTimer: ReturnType<typeof setTimeout> | undefined;
  #checking: Promise<void> | undefined;

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
      const loaded = await load(folder, report, options.stopping);
      if (loaded.cut !== undefined) report(loaded.cut);
      for (const name of loaded.unfinished) await folder.remove(name);
      const segments = await SegmentWriter.open(folder, loaded);
      for (const name of loaded.replaced) await folder.remove(name);
      return new FileJournal(folder, loaded, segments, { report, ...options });
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
    { report, ...options }: FileJournalOptions & { readonly report: (line: string) => void },
  ) {
    this.recovered = recovered;
    this.#folder = folder;
    this.#segments = segments;
    this.#options = { compactShare: 1, compactBytesMin, tableChunkKeysMax, ...options };
    this.#pause = new CompactionPause(folder.path, report, options.compactPauseMs);
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
    await this.#checking;
    this.#phase = "closed";
    this.#clearTimers();
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
      await this.#writeRecords(records);
      await this.#segments.sync();
      if (this.#error !== undefined) return; // the directory went away meanwhile
      this.#owner!.durable(count);
      this.#queue.markDurable(count);
      this.#checkTimer ??= setTimeout(() => this.#check(), checkMs);
      if (this.#compactionDue()) await this.#startCompaction();
      else this.#sealTimer ??= setTimeout(() => this.#seal(), sealMs);
    }
    this.#writing = undefined;
  }

  /** Writes records. On a full disk a table that is being written makes room for them. */
  async #writeRecords(records: string): Promise<void> {
    try {
      this.#segments.write(records);
    } catch (error) {
      if (this.#compacting === undefined || !isDiskFull(error)) throw error;
      this.#tableGivenUp = true;
      this.#queue.wake();
      await this.#compacting;
      this.#segments.write(records);
    }
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

  #check(): void {
    this.#checkTimer = undefined;
    this.#checking ??= this.#failIfGone().finally(() => this.#checking = undefined);
  }

  /**
   * Ends the journal if its directory went away, because the records go to a file without a name.
   * So it does if the lock went away, because another server may use the directory.
   */
  async #failIfGone(): Promise<void> {
    if (!await this.#segments.isInPlace()) {
      const name = segmentName(this.#segments.number);
      return this.#fail(
        new Error(`${name} is no longer in it: the directory was removed, moved or replaced`),
      );
    }
    if (await this.#folder.isLocked?.() ?? true) return;
    this.#fail(
      new Error(
        "its file lock was removed or replaced, so that another server may have written there",
      ),
    );
  }

  #compactionDue(): boolean {
    if (this.#compacting !== undefined || this.#phase !== "open") return false;
    const { store } = this.recovered;
    const tableChars = store.chars + entryChars * (store.size + store.tombstones);
    const { compactBytesMin, compactShare } = this.#options;
    return this.#segments.bytes > Math.max(compactBytesMin, tableChars) * compactShare &&
      this.#pause.over(performance.now());
  }

  /**
   * Begins a segment, and a table that replaces all segments before it. If the last compaction got
   * no further than the segment, its table is tried again.
   */
  async #startCompaction(): Promise<void> {
    const failure = this.#rotatedAt === undefined ? await this.#segments.rotate() : undefined;
    if (failure !== undefined) return await this.#putOff(failure);
    const summary = this.#rotatedAt ??= this.#summary.copy();
    this.#compacting = this.#compact(this.#segments.number, summary)
      .catch((error) => this.#putOff(error))
      .finally(() => this.#compacting = undefined);
  }

  async #compact(number: number, summary: JournalSummary): Promise<void> {
    this.#tableGivenUp = false;
    const contents = {
      summary,
      store: this.recovered.store,
      chunkKeysMax: this.#options.tableChunkKeysMax,
    };
    const stopped = () => this.#phase !== "open" || this.#error !== undefined || this.#tableGivenUp;
    await checkBothFree(this.#folder, tableName(number));
    let published = false;
    try {
      // The table must not be ahead of the segments: every write in it must be durable first.
      const complete = await writeTable(this.#folder, number, contents, stopped) &&
        await this.#queue.whenDurable(() => this.#tableGivenUp);
      if (complete) {
        await publishTable(this.#folder, number);
        published = true;
      }
    } finally {
      if (!published) await removeUnfinishedTable(this.#folder, number);
    }
    if (!published) {
      if (this.#tableGivenUp) throw new Error("no room for the table beside the segments");
      return;
    }
    this.#rotatedAt = undefined;
    this.#segments.replaced();
    await removeReplaced(this.#folder, number);
    this.#pause.end();
  }

  /** Puts a compaction off: every record is in the segments. */
  async #putOff(error: Error): Promise<void> {
    if (error instanceof JournalError) return this.#fail(error);
    await this.#failIfGone();
    if (this.#error === undefined) this.#pause.begin(error, performance.now());
  }

  #fail(error: unknown): void {
    this.#writing = undefined;
    if (this.#error !== undefined) return;
    this.#error = writeError(this.#folder, error);
    this.#clearTimers();
    this.#queue.fail();
    this.#owner?.failed(this.#error);
  }

  #clearTimers(): void {
    clearTimeout(this.#sealTimer);
    clearTimeout(this.#checkTimer);
  }
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "ENOSPC" || code === "EDQUOT";
}

function writeError(folder: Folder, error: unknown): JournalError {
  return new JournalError(
    `Cannot write to ${folder.path}: ${(error as Error).message}. No further write is acknowledged`,
    { cause: error },
  );
}
