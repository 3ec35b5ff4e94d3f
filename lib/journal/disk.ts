/**
 * A data directory. The only file of `lib` that touches the disk for a journal.
 *
 * @module
 */

import { JournalError } from "./errors.ts";
import type { Folder, FolderFile } from "./folder.ts";

/** A disk whose last sync took less is waited for, in milliseconds. */
export const quickSyncMs = 1;

/** A journal is read in parts of this size, in bytes. */
export const journalReadBytes = 256 * 1024;

/** A directory, locked against other servers. */
export class DiskFolder implements Folder {
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the directory where there is none, and locks it. Nobody is asked for permissions.
   *
   * @throws {JournalError} where this process may not write there, or another one does.
   */
  static async open(path: string): Promise<DiskFolder> {
    for (const name of ["read", "write"] as const) {
      if ((await Deno.permissions.query({ name, path })).state === "granted") continue;
      throw new JournalError(
        `Cannot use ${path}: no permission to ${name} it; "deno task server:durable" may use the ` +
          "folder data, and --help says how to use others",
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
        ? "it is no directory"
        : (error as Error).message;
      throw new JournalError(`Cannot use ${path}: ${reason}`, { cause: error });
    }
    lock.close();
    throw new JournalError(`Cannot use ${path}: another server uses it`);
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
    const buffer = new Uint8Array(journalReadBytes);
    for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
      yield buffer.subarray(0, count);
    }
  }

  async create(name: string, roomBytes = 0): Promise<FolderFile> {
    const options = { create: true, truncate: true, write: true, mode: 0o600 };
    return new DiskFile(await Deno.open(this.#file(name), options), 0, roomBytes);
  }

  async extend(name: string, bytes: number, roomBytes = 0): Promise<FolderFile> {
    const file = await Deno.open(this.#file(name), { write: true });
    await file.truncate(bytes);
    await file.seek(0, Deno.SeekMode.End);
    return new DiskFile(file, bytes, roomBytes);
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

  /** Where a system cannot do that, as Windows, it has to see to the order itself. */
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
  readonly #room: Uint8Array | undefined;
  /** Bytes that were written. */
  #used: number;
  /** The length of the file. Never below #used. */
  #length: number;
  #closed = false;
  /** What the last sync took that was asked for in turn. */
  #syncMs = Infinity;

  constructor(file: Deno.FsFile, bytes: number, roomBytes: number) {
    this.#file = file;
    this.#used = this.#length = bytes;
    this.#room = roomBytes > 0 ? new Uint8Array(roomBytes) : undefined;
  }

  write(bytes: Uint8Array): void {
    this.#used += bytes.length;
    if (this.#used > this.#length) this.#makeRoom(this.#used - bytes.length);
    this.#write(bytes);
  }

  async sync(): Promise<void> {
    await this.#file.syncData();
  }

  async syncInTurn(): Promise<void> {
    const startMs = performance.now();
    if (this.#syncMs < quickSyncMs) this.#file.syncDataSync();
    else await this.#file.syncData();
    this.#syncMs = performance.now() - startMs;
  }

  async end(): Promise<void> {
    if (this.#length > this.#used) await this.#file.truncate(this.#used);
    await this.#file.sync();
    this.close();
  }

  /** Whoever finds that it failed, and whoever ends, may both close it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }

  /** Zeros, so that the blocks are there and not only the length. */
  #makeRoom(at: number): void {
    this.#length = this.#used;
    if (this.#room === undefined) return;
    this.#file.seekSync(this.#used, Deno.SeekMode.Start);
    this.#write(this.#room);
    this.#length += this.#room.length;
    this.#file.seekSync(at, Deno.SeekMode.Start);
  }

  #write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) {
      written += this.#file.writeSync(bytes.subarray(written));
    }
  }
}
