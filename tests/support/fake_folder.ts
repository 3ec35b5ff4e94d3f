/**
 * A directory in memory that can show what a crash or a power failure would leave of it.
 *
 * @module
 */

import type { Folder, FolderFile } from "../../lib/journal/folder.ts";

interface Contents {
  name: string;
  bytes: Uint8Array;
  /** The bytes written; allocated zeros may follow. */
  used: number;
  /** The bytes that survive a power failure. */
  synced: number;
  /** The length that survives a power failure. */
  syncedLength: number;
}

/** Hooks for a test. */
export interface FakeFolderOptions {
  /** Called before each step. If it throws, the step fails. */
  readonly before?: (step: string) => void;
  /** A sync takes until this resolves. */
  readonly syncing?: () => Promise<void>;
}

/** The number of zeros that a file allocates at a time, if it allocates at all. */
const zeroBytes = 64;

/** A directory in memory. */
export class FakeFolder implements Folder {
  readonly path = "dir";
  /** The steps so far that changed something. */
  readonly steps: string[] = [];
  options: FakeFolderOptions = {};
  closed = false;
  readonly #files = new Map<string, Contents>();
  /** The names that survive a power failure. */
  readonly #names = new Map<string, Contents>();

  /** A directory with these files, all of them synced. */
  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, contents] of Object.entries(files)) {
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      const { length } = bytes;
      const file = { name, bytes, used: length, synced: length, syncedLength: length };
      this.#files.set(name, file);
      this.#names.set(name, file);
    }
  }

  /** The contents of a file. */
  text(name: string): string {
    return new TextDecoder().decode(this.#files.get(name)!.bytes);
  }

  /** All names, sorted. */
  get names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** The size of all files together. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#files.values()) sum += bytes.length;
    return sum;
  }

  /**
   * The directory after a crash. If the process crashes, all written bytes are left. If the machine
   * does, the synced bytes are, and the first `share` of the others.
   */
  afterCrash(of: "process" | "machine", share = 0): FakeFolder {
    const names = of === "process" ? this.#files : this.#names;
    const files = [...names].map(([name, { bytes, used, synced, syncedLength }]) => {
      if (of === "process") return [name, bytes.slice()];
      const kept = Math.floor(synced + (used - synced) * share);
      const left = new Uint8Array(Math.max(kept, syncedLength));
      left.set(bytes.subarray(0, kept));
      return [name, left];
    });
    return new FakeFolder(Object.fromEntries(files));
  }

  list(): Promise<string[]> {
    return Promise.resolve(this.names);
  }

  async *read(name: string): AsyncIterable<Uint8Array> {
    const { bytes } = this.#files.get(name)!;
    // The parts end in the middle of records.
    for (let start = 0; start < bytes.length; start += 777) {
      yield await Promise.resolve(bytes.slice(start, start + 777));
    }
  }

  create(name: string, allocateBytes = 0): Promise<FolderFile> {
    return this.#do(`create ${name}`, () => {
      const file = { name, bytes: new Uint8Array(0), used: 0, synced: 0, syncedLength: 0 };
      this.#files.set(name, file);
      return this.#open(file, allocateBytes > 0);
    });
  }

  extend(name: string, length: number, allocateBytes = 0): Promise<FolderFile> {
    return this.#do(`extend ${name}`, () => {
      const file = this.#files.get(name)!;
      file.bytes = file.bytes.slice(0, length);
      file.used = length;
      file.synced = file.syncedLength = Math.min(file.synced, length);
      return this.#open(file, allocateBytes > 0);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do(`rename ${from} ${to}`, () => {
      const file = this.#files.get(from)!;
      file.name = to;
      this.#files.delete(from);
      this.#files.set(to, file);
      this.#names.delete(from);
      this.#names.set(to, file);
    });
  }

  remove(name: string): Promise<void> {
    return this.#do(`remove ${name}`, () => {
      this.#files.delete(name);
      this.#names.delete(name);
    });
  }

  close(): void {
    this.closed = true;
  }

  #open(file: Contents, allocates: boolean): FolderFile {
    const sync = async () => {
      this.#step(`sync ${file.name}`);
      const { used, bytes: { length } } = file;
      await this.options.syncing?.();
      file.synced = used;
      file.syncedLength = length;
    };
    return {
      write: (bytes) => {
        this.#step(`write ${file.name}`);
        const end = file.used + bytes.length;
        if (end > file.bytes.length) {
          const all = new Uint8Array(end + (allocates ? zeroBytes : 0));
          all.set(file.bytes);
          file.bytes = all;
        }
        file.bytes.set(bytes, file.used);
        file.used = end;
      },
      sync,
      syncInTurn: sync,
      cut: () =>
        this.#do(`cut ${file.name}`, () => {
          file.bytes = file.bytes.slice(0, file.used);
          file.synced = file.syncedLength = file.used;
        }),
      isNamed: (name) => Promise.resolve(this.#files.get(name) === file),
      close: () => {},
    };
  }

  async #do<T>(step: string, change: () => T): Promise<T> {
    await Promise.resolve();
    this.#step(step);
    return change();
  }

  #step(step: string): void {
    this.options.before?.(step);
    this.steps.push(step);
  }
}
