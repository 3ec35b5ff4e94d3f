/**
 * A journal in the files of a directory: group commit, and compaction while work goes on.
 *
 * @module
 */

import { JournalError } from "./errors.ts";
import type { JournalMessage, JournalOwner } from "../replication/journal.ts";
import type {
  JournalSummary,
  OpenJournal,
  RecoveredState,
} from "../replication/recovered_state.ts";
import {
  type Folder,
  type FolderFile,
  journalName,
  load,
  type Loaded,
  tableName,
  unfinished,
} from "./folder.ts";
import { headerLine, recordOf, sealFrame } from "./record.ts";
import { Join, Snapshot, type SnapshotEntry } from "../mensagem.ts";
import type { Entry } from "../replication/store.ts";

/**
 * A journal is written anew as a table when it has grown by this much, in bytes, and by as much as
 * the table has.
 */
export const journalBytesMin = 16 * 1024 * 1024;

/**
 * A segment of a journal is made longer by so many bytes at a time: a sync that has no new length to
 * write is cheaper.
 */
export const journalRoomBytes = 1024 * 1024;

/** A journal at rest is sealed within this time, in milliseconds. */
export const sealMs = 50;

/** The file of a table is written in parts of this size, in UTF-16 units. */
export const tableChunkChars = 256 * 1024;

/** A part is closed when this many keys were looked at, so that the event loop never waits long. */
export const tableChunkKeys = 4_096;

/** What differs from the limits, for tests. */
export interface FileJournalOptions {
  /** See {@linkcode journalBytesMin}. */
  readonly journalBytesMin?: number;
  /** See {@linkcode tableChunkKeys}. */
  readonly tableChunkKeys?: number;
}

const encoder = new TextEncoder();
const seal = recordOf(sealFrame);
/** Whom a follower followed has no meaning in a file. */
const follows = new Join("0.0.0.0:1", "", 0);

/**
 * Writes messages to a directory.
 *
 * - What is appended while the disk is at work waits, and goes with the next write and sync: one for
 *   all (group commit).
 * - The first write or sync that fails is the last: nobody knows what the disk holds then.
 * - A journal that has grown as large as the table, and no less than {@linkcode journalBytesMin}, is
 *   replaced: writing goes on in a new segment, the table is written part by part between other work,
 *   and then the old files go. So a directory is never larger than four times the table, as large as
 *   it was since the last time, and four times that minimum.
 */
export class FileJournal implements OpenJournal, AsyncDisposable {
  readonly recovered: RecoveredState;
  readonly #folder: Folder;
  readonly #options: Required<FileJournalOptions>;
  #file: FolderFile;
  /** The number of the segment that is written. */
  #number: number;
  /** The segments since the table, in bytes. */
  #journalBytes: number;
  readonly #summary: JournalSummary;
  #owner: JournalOwner | undefined;
  /** Records that wait for the disk. */
  #records = "";
  #appended = 0;
  /** Never above #appended. */
  #durable = 0;
  /** Everything that is written is on the disk, and the next record must say so. */
  #unsealed = false;
  /** Seals when it fires, if nothing is on its way then. */
  #sealing: ReturnType<typeof setTimeout> | undefined;
  #error: JournalError | undefined;
  #closing = false;
  /** Nothing more is taken. */
  #closed = false;
  #writing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  /** Resolves after the next sync. */
  #synced = Promise.withResolvers<void>();

  /**
   * Loads what is in a directory, and puts it in order.
   *
   * @throws {JournalError} where it cannot be used.
   */
  static async open(
    folder: Folder,
    report: (line: string) => void,
    options: FileJournalOptions = {},
  ): Promise<FileJournal> {
    try {
      const loaded = await load(folder, report);
      if (loaded.cut !== undefined) report(loaded.cut);
      const file = loaded.last === 0
        ? await createSegment(folder, 1)
        : await folder.extend(journalName(loaded.last), loaded.lastBytes, journalRoomBytes);
      // What was read may be in the memory of the system alone.
      await file.sync();
      const journal = new FileJournal(folder, loaded, file, options);
      for (const name of loaded.stale) await folder.remove(name);
      return journal;
    } catch (error) {
      folder.close();
      throw failure(folder, error);
    }
  }

  private constructor(
    folder: Folder,
    { recovered, last, journalBytes }: Loaded,
    file: FolderFile,
    options: FileJournalOptions,
  ) {
    this.recovered = recovered;
    this.#folder = folder;
    this.#options = { journalBytesMin, tableChunkKeys, ...options };
    this.#file = file;
    this.#number = Math.max(last, 1);
    this.#journalBytes = journalBytes;
    this.#summary = recovered.summary.copy();
    this.#seal();
  }

  begin(owner: JournalOwner): void {
    this.#owner = owner;
    if (this.#records !== "") this.#start();
  }

  append(message: JournalMessage): void {
    if (this.#error !== undefined || this.#closed) return;
    this.#summary.add(message);
    this.#appended++;
    this.#records += recordOf(message.encode());
    if (this.#owner !== undefined) this.#start();
  }

  /** Writes what waits, and lets others use the directory. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#writing;
    await this.#compacting;
    this.#closed = true;
    clearTimeout(this.#sealing);
    this.#sealAtRest();
    if (this.#error !== undefined) this.#file.close();
    else await this.#file.end().catch((error) => this.#fail(error));
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
    await undefined; // all that comes in this turn goes together
    while (this.#records !== "" && this.#error === undefined) {
      const text = this.#unsealed ? seal + this.#records : this.#records;
      const count = this.#appended;
      this.#records = "";
      this.#put(text);
      await this.#file.syncInTurn();
      if (this.#error !== undefined) return; // compaction has failed meanwhile
      this.#unsealed = true;
      this.#durable = count;
      this.#owner!.durable(count);
      this.#synced.resolve();
      this.#synced = Promise.withResolvers();
      if (this.#grown) await this.#rotate();
      else this.#sealing ??= setTimeout(() => this.#sealAtRest(), sealMs);
    }
    this.#writing = undefined;
  }

  #put(text: string): void {
    const bytes = encoder.encode(text);
    this.#file.write(bytes);
    this.#journalBytes += bytes.length;
  }

  /** A server that writes on says with the next write that this one is on the disk. */
  #sealAtRest(): void {
    this.#sealing = undefined;
    if (this.#writing !== undefined || !this.#unsealed || this.#error !== undefined) return;
    try {
      this.#seal();
    } catch (error) {
      this.#fail(error);
    }
  }

  #seal(): void {
    this.#put(seal);
    this.#unsealed = false;
  }

  get #grown(): boolean {
    if (this.#compacting !== undefined || this.#closing) return false;
    const { store } = this.recovered;
    // An entry of a snapshot has some 30 characters besides.
    const live = store.chars + 30 * store.size;
    return this.#journalBytes > Math.max(this.#options.journalBytesMin, live);
  }

  /** Everything is on the disk, and everything that waited for that is in the table. */
  async #rotate(): Promise<void> {
    await this.#file.end();
    this.#file = await createSegment(this.#folder, this.#number + 1);
    this.#number++;
    this.#journalBytes = 0;
    this.#unsealed = false;
    this.#compacting = this.#compact(this.#number)
      .catch((error) => this.#fail(error))
      .finally(() => this.#compacting = undefined);
  }

  /**
   * Writes the table that takes the place of all segments before `number`. What is written meanwhile
   * is in the segments from there on, whether the table has it already or not.
   */
  async #compact(number: number): Promise<void> {
    const name = tableName(number);
    const file = await this.#folder.create(unfinished(name));
    try {
      const head = this.#summary.messages(follows).map((message) => recordOf(message.encode()));
      file.write(encoder.encode(headerLine + head.join("")));
      for (const chunk of this.#chunks()) {
        file.write(encoder.encode(recordOf(chunk.encode())));
        await file.sync(); // and the rest of the server has its turn
        if (this.#closing || this.#error !== undefined) return;
      }
    } finally {
      file.close();
    }
    // The table may hold what is not on the disk yet, and must not be ahead of its segments.
    const count = this.#appended;
    while (this.#durable < count && this.#error === undefined) await this.#synced.promise;
    if (this.#error !== undefined) return;
    await this.#folder.rename(unfinished(name), name);
    for (const old of await this.#folder.list()) {
      const match = /^(?:journal|table)-(\d+)$/.exec(old);
      if (match !== null && Number(match[1]) < number) await this.#folder.remove(old);
    }
  }

  /** The table in parts, while writing goes on: keys that come later are not needed. */
  *#chunks(): Iterable<Snapshot> {
    const { store } = this.recovered;
    const entries: Iterator<[string, Entry]> = store.entries();
    let left = store.size;
    do {
      const chunk: SnapshotEntry[] = [];
      let chars = 0;
      while (left > 0 && chunk.length < this.#options.tableChunkKeys && chars < tableChunkChars) {
        const next = entries.next();
        if (next.done) left = 0; // all was forgotten meanwhile
        else {
          const [key, { value, timestamp }] = next.value;
          chunk.push([key, value, timestamp]);
          chars += key.length + value.length;
          left--;
        }
      }
      yield new Snapshot(chunk, left === 0);
    } while (left > 0);
  }

  #fail(error: unknown): void {
    this.#writing = undefined;
    if (this.#error !== undefined) return;
    this.#error = failure(this.#folder, error);
    clearTimeout(this.#sealing);
    this.#records = "";
    this.#synced.resolve();
    this.#owner?.failed(this.#error);
  }
}

/** A segment has its name only when its first line is on the disk. */
async function createSegment(folder: Folder, number: number): Promise<FolderFile> {
  const name = journalName(number);
  const file = await folder.create(unfinished(name), journalRoomBytes);
  file.write(encoder.encode(headerLine));
  await file.sync();
  await folder.rename(unfinished(name), name);
  return file;
}

function failure(folder: Folder, error: unknown): JournalError {
  if (error instanceof JournalError) return error;
  return new JournalError(
    `Cannot write to ${folder.path}: ${(error as Error).message}. Nothing more is confirmed`,
    { cause: error },
  );
}
