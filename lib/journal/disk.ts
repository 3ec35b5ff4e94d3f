/**
 * A data directory on a disk. The only file of the journal that touches one.
 *
 * @module
 */

import { systemMessage } from "../descriptors.ts";
import { JournalError } from "./errors.ts";
import { type Folder, type FolderFile, parseFileName } from "./folder.ts";
import { openLockFile } from "./lock_file.ts";
import { inTheWay } from "./new_file.ts";
import { SpareDescriptor } from "./spare_descriptor.ts";

/** If the last sync took less time, the next one blocks the event loop: `FolderFile.syncInTurn`. */
const fastSyncMs = 1;

/** Files are read in parts of this size. */
const readBytes = 256 * 1024;

/** The mode bits of all users but the owner. */
const othersMode = 0o077;

/** A directory that is locked against other servers. */
export class DiskFolder implements Folder {
  readonly path: string;
  readonly #lock: Deno.FsFile;
  readonly #lockIdentity: Identity;
  /** The directory itself, to sync its names; `undefined` where the system syncs them itself. */
  readonly #names: Deno.FsFile | undefined;
  readonly #spare: SpareDescriptor;

  private constructor(path: string, lock: Deno.FsFile, names: Deno.FsFile | undefined) {
    this.path = path;
    this.#lock = lock;
    this.#lockIdentity = Deno.statSync(`${path}/lock`);
    this.#names = names;
    this.#spare = new SpareDescriptor(`${path}/lock`);
  }

  /**
   * Locks the directory, after making it if it is missing. Reports if other users of the machine
   * may read or change it. Never prompts for permissions.
   *
   * @throws {JournalError} if this process may not write there, or another server uses it.
   */
  static async open(path: string, report: (line: string) => void = () => {}): Promise<DiskFolder> {
    await checkPermitted(path);
    using handles = new DisposableStack();
    try {
      await Deno.mkdir(path, { recursive: true, mode: 0o700 });
      const lock = handles.use(await openLockFile(`${path}/lock`));
      // Windows cannot open a directory, and needs no sync of its names.
      const names = Deno.build.os === "windows" ? undefined : handles.use(Deno.openSync(path));
      if (!await lock.tryLock(true) || names !== undefined && !await lockNames(names)) {
        throw new JournalError(
          `Cannot use ${path}: another server uses it. Give each server a directory of its own`,
        );
      }
      await reportOpenModes(path, report);
      const folder = new DiskFolder(path, lock, names);
      handles.move();
      return folder;
    } catch (error) {
      if (error instanceof JournalError) throw error;
      throw new JournalError(`Cannot use ${path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  list(): Promise<string[]> {
    return Promise.try(() => {
      const entries = this.#spare.use(() => [...Deno.readDirSync(this.path)]);
      this.#spare.refill();
      return entries.map(({ name, isFile }) => isFile ? name : `${name}/`);
    });
  }

  async *read(name: string): AsyncIterable<Uint8Array> {
    using file = await Deno.open(this.#file(name));
    const buffer = new Uint8Array(readBytes);
    for (let count = await file.read(buffer); count !== null; count = await file.read(buffer)) {
      yield buffer.subarray(0, count);
    }
  }

  async create(name: string, allocateBytes = 0): Promise<FolderFile> {
    // Not emptied in place: then a symbolic link or a hard link would empty a file elsewhere.
    await Deno.remove(this.#file(name)).catch(ignoreNotFound);
    return this.#open(name, { createNew: true, write: true, mode: 0o600 }, 0, allocateBytes);
  }

  async extend(name: string, bytes: number, allocateBytes = 0): Promise<FolderFile> {
    const file = this.#open(name, { write: true }, bytes, allocateBytes);
    await file.truncate();
    return file;
  }

  async rename(from: string, to: string): Promise<void> {
    // Not `list`: this must not need a descriptor.
    if (await exists(this.#file(to))) throw inTheWay(to);
    await Deno.rename(this.#file(from), this.#file(to));
    try {
      await this.#names?.sync();
    } catch (error) {
      throw new JournalError(`Cannot sync the names in ${this.path}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(this.#file(name));
  }

  async isLocked(): Promise<boolean> {
    return await leadsTo(this.#file("lock"), this.#lockIdentity);
  }

  close(): void {
    this.#spare.close();
    this.#names?.close();
    this.#lock.close();
  }

  #open(name: string, options: Deno.OpenOptions, bytes: number, allocateBytes: number): DiskFile {
    const file = this.#spare.use(() => Deno.openSync(this.#file(name), options));
    return new DiskFile(file, this.path, name, { bytes, allocateBytes, closed: this.#spare });
  }

  #file(name: string): string {
    return `${this.path}/${name}`;
  }
}

/**
 * Checks that this process may read and write a directory. Never prompts for permissions.
 *
 * @throws {JournalError} if it may not.
 */
export async function checkPermitted(path: string): Promise<void> {
  for (const name of ["read", "write"] as const) {
    if ((await Deno.permissions.query({ name, path })).state === "granted") continue;
    throw new JournalError(
      `Cannot use ${path}: no permission to ${name} it. "deno task server:durable" may only ` +
        'use the directory "data"; --help says how to allow another one',
    );
  }
}

/** Reports what other users of the machine may read or change. */
async function reportOpenModes(path: string, report: (line: string) => void): Promise<void> {
  const open: string[] = [];
  const check = async (file: string) => {
    const { mode } = await Deno.stat(file);
    if (mode !== null && (mode & othersMode) !== 0) open.push(file);
  };
  await check(path);
  for await (const { name, isFile } of Deno.readDir(path)) {
    if (isFile && (name === "lock" || parseFileName(name) !== undefined)) {
      await check(`${path}/${name}`);
    }
  }
  if (open.length === 0) return;
  const more = open.length > 1 ? ` and ${open.length - 1} more` : "";
  report(
    `warning: the mode of ${open[0]}${more} gives other users of this machine access, and the ` +
      `directory holds all keys and values. Use chmod -R go-rwx ${path}`,
  );
}

/**
 * Locks the directory itself, because the lock file can be removed. Returns false if another
 * process has locked it.
 */
async function lockNames(names: Deno.FsFile): Promise<boolean> {
  try {
    return await names.tryLock(true);
  } catch {
    return true; // Some file systems cannot lock a directory. The lock file is left.
  }
}

/** Whether a file or a directory has this path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/**
 * What tells two files apart, whatever their names. It is taken by the path: to ask an open file,
 * Deno needs the permission for the directory that a link leads to.
 */
type Identity = Pick<Deno.FileInfo, "ino" | "dev">;

/** Whether a path leads to this file. */
async function leadsTo(path: string, identity: Identity): Promise<boolean> {
  try {
    const { ino, dev } = await Deno.stat(path);
    return ino === identity.ino && dev === identity.dev;
  } catch (error) {
    // Any other error says nothing about the file.
    return !(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    return "it is not a directory";
  }
  return systemMessage(error);
}

class DiskFile implements FolderFile {
  readonly #file: Deno.FsFile;
  /** Taken at once: later a write could meet the file in use. */
  readonly #identity: Identity;
  /** The directory of the file. */
  readonly #path: string;
  /** Gets the descriptor of this file when it is closed. */
  readonly #spare: SpareDescriptor;
  /** What one allocation writes; `undefined` if the file allocates nothing. */
  readonly #zeros: Uint8Array | undefined;
  /** Bytes written so far. */
  #used: number;
  /** The length of the file. Invariant: never below #used. */
  #length: number;
  #closed = false;
  /** Duration of the last `syncInTurn`. */
  #lastSyncMs = Infinity;

  constructor(
    file: Deno.FsFile,
    path: string,
    name: string,
    { bytes, allocateBytes, closed }: {
      readonly bytes: number;
      readonly allocateBytes: number;
      readonly closed: SpareDescriptor;
    },
  ) {
    this.#file = file;
    this.#identity = Deno.statSync(`${path}/${name}`);
    this.#path = path;
    this.#spare = closed;
    this.#used = this.#length = bytes;
    this.#zeros = allocateBytes > 0 ? new Uint8Array(allocateBytes) : undefined;
  }

  write(bytes: Uint8Array): void {
    const from = this.#used;
    const to = from + bytes.length;
    if (to > this.#length) this.#allocate(to);
    try {
      this.#write(bytes);
    } catch (error) {
      this.#file.seekSync(from, Deno.SeekMode.Start);
      throw error;
    }
    this.#used = to;
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

  async cut(): Promise<void> {
    await this.truncate();
    await this.#file.sync();
  }

  /** Cuts off what follows the written bytes. */
  async truncate(): Promise<void> {
    await this.#file.truncate(this.#used);
    await this.#file.seek(this.#used, Deno.SeekMode.Start);
    this.#length = this.#used;
  }

  async isNamed(name: string): Promise<boolean> {
    return await leadsTo(`${this.#path}/${name}`, this.#identity);
  }

  /** May be called twice: after a failure, and when the journal closes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#spare.refill();
  }

  /**
   * Writes zeros from `to` on, so that the disk assigns blocks before they are needed. If the disk
   * has no room for them, the file goes on without.
   */
  #allocate(to: number): void {
    this.#length = to;
    if (this.#zeros === undefined) return;
    const from = this.#used;
    this.#file.seekSync(to, Deno.SeekMode.Start);
    try {
      this.#write(this.#zeros);
    } catch {
      // `write` fails by itself if there is no room for the records either.
    }
    // Some zeros may be there even if the write has failed: `cut` removes them.
    this.#length += this.#zeros.length;
    this.#file.seekSync(from, Deno.SeekMode.Start);
  }

  #write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) {
      written += this.#file.writeSync(bytes.subarray(written));
    }
  }
}
