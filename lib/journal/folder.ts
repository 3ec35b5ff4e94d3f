/**
 * What a journal needs of a disk, and what it finds there: the names in a directory, and loading.
 *
 * - `table-N` is everything that was written before `journal-N`.
 * - `journal-N`, `journal-N+1`, … are what was written since. All but the last are whole: a new one is
 *   begun only when the one before is on the disk. Behind the last record of the last there may be
 *   zeros, where it has room for more.
 * - `….new` is a file that was not finished. `lock` is held by the server that uses the directory.
 *
 * @module
 */

import { JournalError } from "./errors.ts";
import { RecoveredState } from "../replication/recovered_state.ts";
import { formatVersion, headerLine, RecordReader, sealFrame, versionOf } from "./record.ts";
import { type AnyMensagem, Mensagem } from "../mensagem.ts";

/** Loading that takes longer is told, and told again after as long. */
export const loadReportMs = 1_000;

/** A file that is written at its end. */
export interface FolderFile {
  /** Adds bytes. They survive this process, but not the machine. */
  write(bytes: Uint8Array): void;
  /**
   * Resolves when everything that was written survives the machine. The rest of the server has its
   * turn meanwhile.
   */
  sync(): Promise<void>;
  /**
   * The same, but while the disk is quick the rest of the server waits: to hand a sync to another
   * thread and to take it back costs more than such a disk needs for it.
   */
  syncInTurn(): Promise<void>;
  /** No more is written. Resolves when everything survives the machine, and nothing is behind it. */
  end(): Promise<void>;
  /** Gives the file up as it is. */
  close(): void;
}

/** A directory that one server has to itself. */
export interface Folder {
  /** How people call it. */
  readonly path: string;
  /** The names of all files in it. */
  list(): Promise<string[]>;
  /** The bytes of a file from its start. Each part is valid until the next. */
  read(name: string): AsyncIterable<Uint8Array>;
  /**
   * Makes an empty file, in the place of one with that name. Behind what is written there may be up to
   * `roomBytes` zeros.
   */
  create(name: string, roomBytes?: number): Promise<FolderFile>;
  /** Opens a file to write at its end, after cutting off what is behind so many bytes. */
  extend(name: string, bytes: number, roomBytes?: number): Promise<FolderFile>;
  /** Renames a file. Resolves when that survives the machine. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file. */
  remove(name: string): Promise<void>;
  /** Lets others use the directory. */
  close(): void;
}

/** What a directory held. */
export interface Loaded {
  /** All messages, taken. */
  readonly recovered: RecoveredState;
  /** The number of the last segment, 0 where there is none. */
  readonly last: number;
  /** How much of it is whole, in bytes. */
  readonly lastBytes: number;
  /** All segments together, in bytes. */
  readonly journalBytes: number;
  /** What was cut off the last one, in words for the operator; `undefined` where nothing was. */
  readonly cut: string | undefined;
  /** Files that are needed no more. */
  readonly stale: readonly string[];
}

/** The segment of a number. */
export function journalName(number: number): string {
  return `journal-${number}`;
}

/** The table of a number. */
export function tableName(number: number): string {
  return `table-${number}`;
}

/** The name of a file while it is being made. */
export function unfinished(name: string): string {
  return `${name}.new`;
}

/**
 * Reads everything in a directory, and changes nothing in it.
 *
 * @throws {JournalError} where it holds something else, or something that is damaged.
 */
export async function load(folder: Folder, report: (line: string) => void): Promise<Loaded> {
  const { tables, journals, stale } = await namesIn(folder);
  const base = Math.max(0, ...tables);
  const segments = journals.filter((number) => number >= base).sort((a, b) => a - b);
  const first = Math.max(base, 1);
  segments.forEach((number, index) => {
    if (number !== first + index) throw missing(folder, first + index);
  });
  if (segments.length === 0 && base > 0) throw missing(folder, base);
  const loader = new Loader(folder, report);
  if (base > 0) await loader.table(tableName(base));
  let journalBytes = 0;
  let lastBytes = 0;
  for (const number of segments) {
    lastBytes = await loader.journal(journalName(number), number === segments.at(-1));
    journalBytes += lastBytes;
  }
  const old = [
    ...tables.filter((number) => number < base).map(tableName),
    ...journals.filter((number) => number < base).map(journalName),
  ];
  loader.done();
  return {
    recovered: loader.recovered,
    last: segments.at(-1) ?? 0,
    lastBytes,
    journalBytes,
    cut: loader.cut,
    stale: [...stale, ...old],
  };
}

async function namesIn(
  folder: Folder,
): Promise<{ tables: number[]; journals: number[]; stale: string[] }> {
  const tables: number[] = [];
  const journals: number[] = [];
  const stale: string[] = [];
  for (const name of await folder.list()) {
    const match = /^(journal|table)-([1-9]\d{0,14})(\.new)?$/.exec(name);
    if (match?.[3] !== undefined) stale.push(name);
    else if (match !== null) (match[1] === "table" ? tables : journals).push(Number(match[2]));
    else if (name !== "lock") {
      throw new JournalError(
        `${folder.path} holds ${name}, which is not of this program: give each server a directory of ` +
          "its own, empty at first",
      );
    }
  }
  return { tables, journals, stale };
}

function missing(folder: Folder, number: number): JournalError {
  return new JournalError(
    `${folder.path}/${
      journalName(number)
    } is missing: what was written to it is lost. Put it back, ` +
      "or empty the directory, and this server is sent everything by the others",
  );
}

/** Takes file after file. */
class Loader {
  readonly recovered = new RecoveredState();
  cut: string | undefined;
  readonly #folder: Folder;
  readonly #report: (line: string) => void;
  readonly #startMs = performance.now();
  #reportedMs = this.#startMs;
  #bytes = 0;

  constructor(folder: Folder, report: (line: string) => void) {
    this.#folder = folder;
    this.#report = report;
  }

  /** A table is whole or it is not there: it gets its name when it is on the disk. */
  async table(name: string): Promise<void> {
    let ended = false;
    const { reader } = await this.#read(name, (frame, offset) => {
      if (frame === undefined || ended) throw this.#damaged(name, offset);
      const message = this.#take(name, frame, offset);
      ended = message.type === "SNAPSHOT" && message.last;
    });
    if (!ended || reader.partialBytes > 0) throw this.#damaged(name, reader.offset);
  }

  /** Returns how many bytes of it are whole. */
  async journal(name: string, last: boolean): Promise<number> {
    let damagedAt: number | undefined;
    let after = 0;
    const { reader, bytes } = await this.#read(name, (frame, offset) => {
      if (frame === undefined) {
        if (!last) throw this.#damaged(name, offset);
        damagedAt ??= offset;
      } else if (damagedAt === undefined) this.#take(name, frame, offset);
      // Everything before a seal was on the disk once. So this is no write that was cut short.
      else if (`${frame}\n` === sealFrame) throw this.#damaged(name, damagedAt);
      else after++;
    });
    if (reader.partialBytes > 0 && !last) throw this.#damaged(name, reader.offset);
    const whole = damagedAt ?? reader.offset;
    if (whole < bytes) {
      this.cut =
        `${this.#folder.path}/${name}: the last ${bytes - whole} bytes, from byte ${whole} ` +
        "on, are no whole write, and are cut off: the server ended before they were on the disk, and " +
        `nothing in them was confirmed, unless somebody has cut the file${
          after > 0 ? ` (${after} records among them are whole)` : ""
        }`;
    }
    return whole;
  }

  /** Loading has ended. */
  done(): void {
    if (this.#reportedMs > this.#startMs) this.#tell("loaded");
  }

  /** `bytes` is how long the file is without zeros at its end. */
  async #read(
    name: string,
    take: (frame: string | undefined, offset: number) => void,
  ): Promise<{ reader: RecordReader; bytes: number }> {
    const reader = new RecordReader();
    let read = 0;
    let bytes = 0;
    for await (const part of this.#folder.read(name)) {
      const last = part.findLastIndex((byte) => byte !== 0);
      if (last >= 0) bytes = read + last + 1;
      read += part.length;
      this.#bytes += part.length;
      for (const { frame, offset } of reader.push(part)) take(frame, offset);
      this.#checkHeader(name, reader.header);
      this.#progress();
    }
    this.#checkHeader(name, reader.header ?? "");
    return { reader, bytes };
  }

  #checkHeader(name: string, header: string | undefined): void {
    if (header === undefined || header === headerLine.slice(0, -1)) return;
    const version = versionOf(header);
    throw new JournalError(
      version === 0
        ? `${this.#folder.path}/${name} is no file of this program, or its first line is damaged`
        : `${this.#folder.path}/${name} has format ${version}, and this program reads format ` +
          `${formatVersion}: use the version that wrote it`,
    );
  }

  #take(name: string, frame: string, offset: number): AnyMensagem {
    try {
      const message = Mensagem.decode(frame);
      if (this.recovered.add(message)) return message;
    } catch (cause) {
      throw this.#damaged(name, offset, cause);
    }
    throw this.#damaged(name, offset);
  }

  #damaged(name: string, offset: number, cause?: unknown): JournalError {
    return new JournalError(
      `${this.#folder.path}/${name} is damaged at byte ${offset}, and nothing was changed. Restore ` +
        "the directory, or empty it, and this server is sent everything by the others",
      { cause },
    );
  }

  #progress(): void {
    const now = performance.now();
    if (now - this.#reportedMs < loadReportMs) return;
    this.#reportedMs = now;
    this.#tell("loading");
  }

  #tell(verb: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1000).toFixed(1);
    const mebibytes = (this.#bytes / (1024 * 1024)).toFixed(0);
    this.#report(
      `${verb} ${this.#folder.path}: ${this.recovered.store.size} keys, ${mebibytes} MiB read, ${seconds} s`,
    );
  }
}
