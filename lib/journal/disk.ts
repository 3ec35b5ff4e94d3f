/**
 * A data directory on a disk. The only file of the journal that touches one.
 *
 * @module
 */

import { JournalError } from "./errors.ts";
import type { Folder, FolderFile } from "./folder.ts";

/** If the last sync took less time, the next one blocks the event loop: `FolderFile.syncInTurn`. */
const fastSyncMs = 1;

/** Files are read in parts of this size. */
const readBytes = 256 * 1024;

/** A directory that is locked against other servers. */
export class DiskFolder implements Folder {
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Locks the directory, after making it if it is missing. Never prompts for permissions.
   *
   * @throws {JournalError} if this process may not write there, or another server uses it.
   */
  static async open(path: string): Promise<DiskFolder> {
    for (const name of ["read", "write"] as const) {
      if ((await Deno.permissions.query({ name, path })).state === "granted") continue;
      throw new JournalError(
        `Cannot use ${path}: no permission to ${name} it. "deno task server:durable" may only ` +
          'use the directory "data"; --help says how to allow another one',
      );
    }
    let lock: Deno.FsFile | undefined;
    try {
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      lock = await Deno.open(`${path}/lock`, { create: true, write: true, mode: 0o600 });
      if (await lock.tryLock(true)) return new DiskFolder(path, lock);
    } catch (error) {
      lock?.close();
      const reason = error instanceof Deno.errors.AlreadyExists ||
          error instanceof Deno.errors.NotADirectory
        ? "it is not a directory"
        : (error as Error).message;
      throw new JournalError(`Cannot use ${path}: ${reason}`, { cause: error });
    }
    lock.close();
    throw new JournalError(
      `Cannot use ${path}: another server uses it. Give each server a directory of its own`,
    );
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name, isFile } of Deno.readDir(this.path)) {
      names.push(isFile ? name : `${name}/`);
    }
    return names;
  }

  async *read(name: string): AsyncIterable<Uint8Array> {
    using file = await Deno.open(this.#file(name));
    const buffer = new Uint8Array(readBytes);
    for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
      yield buffer.subarray(0, count);
    }
  }

  async create(name: string, allocateBytes = 0): Promise<FolderFile> {
    const options = { create: true, truncate: true, write: true, mode: 0o600 };
    return new DiskFile(await Deno.open(this.#file(name), options), 0, allocateBytes);
  }

  async extend(name: string, bytes: number, allocateBytes = 0): Promise<FolderFile> {
    const file = await Deno.open(this.#file(name), { write: true });
    await file.truncate(bytes);
    await file.seek(0, Deno.SeekMode.End);
    return new DiskFile(file, bytes, allocateBytes);
  }

  async rename(from: string, to: string): Promise<void> {
    await Deno.rename(this.#file(from), this.#file(to));
    await this.#syncNames();
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(this.#file(name));
  }

  close(): void {
    this.#lock.close();
  }

  /** Syncs the names. Systems that cannot open a directory, such as Windows, do it themselves. */
  async #syncNames(): Promise<void> {
    let names: Deno.FsFile;
    try {
      names = await Deno.open(this.path);
    } catch {
      return;
    }
    try {
      await names.sync();
    } finally {
      names.close();
    }
  }

  #file(name: string): string {
    return `${this.path}/${name}`;
  }
}

class DiskFile implements FolderFile {
  readonly #file: Deno.FsFile;
  /** What one allocation writes; `undefined` if the file allocates nothing. */
  readonly #zeros: Uint8Array | undefined;
  /** Bytes written so far. */
  #used: number;
  /** The length of the file. Invariant: never below #used. */
  #length: number;
  #closed = false;
  /** Duration of the last `syncInTurn`. */
  #lastSyncMs = Infinity;

  constructor(file: Deno.FsFile, bytes: number, allocateBytes: number) {
    this.#file = file;
    this.#used = this.#length = bytes;
    this.#zeros = allocateBytes > 0 ? new Uint8Array(allocateBytes) : undefined;
  }

  write(bytes: Uint8Array): void {
    this.#used += bytes.length;
    if (this.#used > this.#length) this.#allocate(this.#used - bytes.length);
    this.#write(bytes);
  }

  async sync(): Promise<void> {
    await this.#file.syncData();
  }

  async syncInTurn(): Promise<void> {
    const startMs = performance.now();
    if (this.#lastSyncMs < fastSyncMs) this.#file.syncDataSync();
    else await this.#file.syncData();
    this.#lastSyncMs = performance.now() - startMs;
  }

  async end(): Promise<void> {
    if (this.#length > this.#used) await this.#file.truncate(this.#used);
    await this.#file.sync();
    this.close();
  }

  /** May be called twice: after a failure, and when the journal closes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  /** Writes zeros after the new bytes, so that the disk assigns blocks. Then seeks to `at`. */
  #allocate(at: number): void {
    this.#length = this.#used;
    if (this.#zeros === undefined) return;
    this.#file.seekSync(this.#used, Deno.SeekMode.Start);
    this.#write(this.#zeros);
    this.#length += this.#zeros.length;
    this.#file.seekSync(at, Deno.SeekMode.Start);
  }

  #write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) {
      written += this.#file.writeSync(bytes.subarray(written));
    }
  }
}
