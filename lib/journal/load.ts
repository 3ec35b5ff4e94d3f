/**
 * Loads a data directory when a server starts.
 *
 * @module
 */

import { type AnyMensagem, Mensagem } from "../mensagem.ts";
import { RecoveredState } from "../replication/recovered_state.ts";
import { JournalError } from "./errors.ts";
import { type Folder, isMistakable, parseFileName, segmentName, tableName } from "./folder.ts";
import { isOwn } from "./new_file.ts";
import {
  formatVersion,
  formatVersionMin,
  headerLines,
  RecordReader,
  sealFrame,
  versionOf,
} from "./record.ts";

/** The time between two reports of progress. A load that takes less time reports nothing. */
const loadReportMs = 1_000;

/** The number of names of foreign files that one report shows. */
const othersShownMax = 3;

/** What to do about a directory that cannot be loaded. It may hold the only copy of a write. */
const restore =
  "Restore the directory from a copy. Without one, only if another server was in sync with this " +
  "one: move the directory away, keep it, and start; the others then send everything that they hold";

/** What to do about a file that is not the journal's. */
const moveAway = "Move that file away, and leave the directory where it is";

/** What a directory held. */
export interface Loaded {
  /** The state after all messages. */
  readonly recovered: RecoveredState;
  /** The number of the last segment, 0 if there is none. */
  readonly last: number;
  /** The bytes of the last segment that are valid. */
  readonly lastBytes: number;
  /** The bytes of all segments together. */
  readonly segmentBytes: number;
  /** Whether the last segment has an older format, so that nothing may be appended to it. */
  readonly lastIsOlder: boolean;
  /** Tells the operator what is cut off the last segment; `undefined` if nothing is. */
  readonly cut: string | undefined;
  /** The names of files that were never finished. */
  readonly unfinished: readonly string[];
  /** The names of files that the table has replaced. */
  readonly replaced: readonly string[];
}

/**
 * Reads everything in a directory, and changes nothing in it.
 *
 * @throws {JournalError} if a file of the journal is missing, damaged or of another format, or if a
 *   file that is not the journal's could be taken for one.
 * @throws the reason of `stopping` if that is aborted.
 */
export async function load(
  folder: Folder,
  report: (line: string) => void,
  stopping?: AbortSignal,
): Promise<Loaded> {
  const { tables, segments, unfinished } = await namesIn(folder, report);
  const base = Math.max(0, ...tables);
  const needed = segments.filter((number) => number >= base).sort((a, b) => a - b);
  const first = Math.max(base, 1);
  needed.forEach((number, index) => {
    if (number !== first + index) throw missing(folder, first + index);
  });
  if (needed.length === 0 && base > 0) throw missing(folder, base);
  const loader = new Loader(folder, report, stopping);
  if (base > 0) await loader.table(tableName(base));
  let segmentBytes = 0;
  let lastBytes = 0;
  for (const number of needed) {
    lastBytes = await loader.segment(segmentName(number), number === needed.at(-1));
    segmentBytes += lastBytes;
  }
  loader.done();
  const replaced = [
    ...tables.filter((number) => number < base).map(tableName),
    ...segments.filter((number) => number < base).map(segmentName),
  ];
  return {
    recovered: loader.recovered,
    last: needed.at(-1) ?? 0,
    lastBytes,
    segmentBytes,
    lastIsOlder: loader.lastIsOlder,
    cut: loader.cut,
    unfinished,
    replaced,
  };
}

async function namesIn(
  folder: Folder,
  report: (line: string) => void,
): Promise<{ tables: number[]; segments: number[]; unfinished: string[] }> {
  const tables: number[] = [];
  const segments: number[] = [];
  const unfinished: string[] = [];
  const others: string[] = [];
  for (const name of await folder.list()) {
    const file = parseFileName(name);
    if (file?.unfinished) {
      if (!await isOwn(folder, name)) throw notOwn(folder, name);
      unfinished.push(name);
    } else if (file !== undefined) (file.kind === "table" ? tables : segments).push(file.number);
    else if (isOfJournal(name)) {
      throw new JournalError(
        `${folder.path}/${name.slice(0, -1)} is not a regular file, and a journal has files of ` +
          `that name. ${restore}`,
      );
    } else if (isMistakable(name)) throw mistakable(folder, name);
    else if (name !== "lock") others.push(name);
  }
  if (others.length > 0) report(othersText(folder, others.sort()));
  return { tables, segments, unfinished };
}

/** Whether something that is not a regular file has the name of a table or a segment. */
function isOfJournal(name: string): boolean {
  return name.endsWith("/") && parseFileName(name.slice(0, -1)) !== undefined;
}

function othersText({ path }: Folder, names: readonly string[]): string {
  const shown = names.slice(0, othersShownMax).join(", ");
  const more = names.length > othersShownMax ? ` and ${names.length - othersShownMax} more` : "";
  return `${path} also holds ${shown}${more}, which the journal neither reads nor changes`;
}

function mistakable({ path }: Folder, name: string): JournalError {
  return new JournalError(
    `${path}/${name} can be mistaken for a file of the journal, which are named like journal-1 and ` +
      `table-1. ${moveAway}`,
  );
}

function notOwn({ path }: Folder, name: string): JournalError {
  return new JournalError(
    `${path}/${name} has the name of an unfinished file of the journal, but its first line is not ` +
      `one: it is not of this program. ${moveAway}`,
  );
}

function missing(folder: Folder, number: number): JournalError {
  return new JournalError(
    `${folder.path}/${segmentName(number)} is missing, and its writes with it. ${restore}`,
  );
}

/** Loads one file after the other into one state. */
class Loader {
  readonly recovered = new RecoveredState();
  cut: string | undefined;
  /** Whether the file that was read last has an older format. */
  lastIsOlder = false;
  readonly #folder: Folder;
  readonly #report: (line: string) => void;
  readonly #stopping: AbortSignal | undefined;
  readonly #startMs = performance.now();
  #reportedMs = this.#startMs;
  #bytes = 0;

  constructor(folder: Folder, report: (line: string) => void, stopping?: AbortSignal) {
    this.#folder = folder;
    this.#report = report;
    this.#stopping = stopping;
  }

  /** Loads a table. It must be complete: it gets its name only when it is on the disk. */
  async table(name: string): Promise<void> {
    let ended = false;
    const { reader } = await this.#read(name, (frame, offset) => {
      if (frame === undefined || ended) throw this.#damaged(name, offset);
      const message = this.#take(name, frame, offset);
      ended = message.type === "SNAPSHOT" && message.last;
    });
    if (!ended || reader.partialBytes > 0) throw this.#damaged(name, reader.offset);
  }

  /** Loads a segment. Returns how many of its bytes are valid: all, except in the last segment. */
  async segment(name: string, last: boolean): Promise<number> {
    let damagedAt: number | undefined;
    let validAfter = 0;
    const { reader, bytes } = await this.#read(name, (frame, offset) => {
      if (frame === undefined) {
        if (!last) throw this.#damaged(name, offset);
        damagedAt ??= offset;
      } else if (damagedAt === undefined) this.#take(name, frame, offset);
      // A seal says that everything before it was on the disk. So the damage is not a torn write.
      else if (`${frame}\n` === sealFrame) throw this.#damaged(name, damagedAt);
      else validAfter++;
    });
    if (reader.partialBytes > 0 && !last) throw this.#damaged(name, reader.offset);
    const valid = damagedAt ?? reader.offset;
    if (valid < bytes) this.cut = this.#cutText(name, valid, bytes, validAfter);
    return valid;
  }

  /** Reports the end of a load whose progress was reported. */
  done(): void {
    if (this.#reportedMs > this.#startMs) this.#tell("loaded");
  }

  /** Passes each record to `take`. `bytes` is the length of the file without zeros at its end. */
  async #read(
    name: string,
    take: (frame: string | undefined, offset: number) => void,
  ): Promise<{ reader: RecordReader; bytes: number }> {
    const reader = new RecordReader();
    let read = 0;
    let bytes = 0;
    for await (const part of this.#folder.read(name)) {
      this.#stopping?.throwIfAborted();
      const last = part.findLastIndex((byte) => byte !== 0);
      if (last >= 0) bytes = read + last + 1;
      read += part.length;
      this.#bytes += part.length;
      const records = reader.push(part);
      // First: the records of another format would look damaged.
      this.#checkHeader(name, reader.header);
      for (const { frame, offset } of records) take(frame, offset);
      this.#progress();
    }
    this.#checkHeader(name, reader.header ?? "");
    return { reader, bytes };
  }

  #checkHeader(name: string, header: string | undefined): void {
    if (header === undefined) return;
    const version = versionOf(header);
    this.lastIsOlder = version < formatVersion;
    if (headerLines.includes(`${header}\n`)) return;
    throw new JournalError(
      version === 0
        ? `${this.#folder.path}/${name} has the name of a file of the journal, but its first line ` +
          `is not one: it is damaged or not of this program. ${restore}`
        : `${this.#folder.path}/${name} has format ${version}, and this program reads the formats ` +
          `${formatVersionMin} to ${formatVersion}: use the version that wrote it`,
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

  #cutText(name: string, valid: number, bytes: number, validAfter: number): string {
    const records = validAfter > 0 ? ` (valid records among them: ${validAfter})` : "";
    return `${this.#folder.path}/${name}: the last ${
      bytes - valid
    } bytes, from byte ${valid} on, ` +
      `are not a complete write and are cut off${records}. The server ended before they were on ` +
      "the disk. Nothing in them was acknowledged, unless the file was cut by hand";
  }

  #damaged(name: string, offset: number, cause?: unknown): JournalError {
    return new JournalError(
      `${this.#folder.path}/${name} is damaged at byte ${offset}, and nothing was changed. ${restore}`,
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
