/**
 * A client's session in a file, for the next command.
 *
 * @module
 */

import { SessionError } from "../client/errors.ts";
import { type ExportedSession, Session } from "../client/session.ts";
import { openLockFile } from "../journal/lock_file.ts";
import { UsageError } from "./flags.ts";
import { textOf } from "./utf8.ts";

/** The longest session file, in bytes. */
export const sessionBytesMax = 64 * 1024 * 1024;

/** What follows the last separator of a path. Elsewhere than on Windows a name may have a `\\`. */
const namePattern = Deno.build.os === "windows" ? /[^/\\]*$/ : /[^/]*$/;

/** What follows the name of a session file in that of a new session. */
const unfinished = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\.new$/;

/**
 * A file that holds an exported session.
 *
 * - It is replaced in one step: a reader gets the whole old session or the whole new one.
 * - No timestamp in it ever falls: a write merges with what another process has stored.
 * - No symbolic link in its folder is followed: nothing else is read, written or made.
 */
export class SessionFile {
  readonly #path: string;
  /** Its folder, with a slash at the end, and its name in it. */
  readonly #folder: string;
  readonly #name: string;
  /** The path of the new session. Random, so that no other file has it. */
  readonly #newPath: string;

  /**
   * Checks the permissions, without a prompt.
   *
   * @throws {UsageError} if this process may not read and write in the folder of the file.
   */
  constructor(path: string) {
    if (path === "") throw new UsageError("--session must name a file");
    this.#path = path;
    this.#name = namePattern.exec(path)![0];
    this.#folder = path.slice(0, path.length - this.#name.length) || "./";
    this.#newPath = `${path}.${crypto.randomUUID()}.new`;
    for (const name of ["read", "write"] as const) {
      for (const needed of [path, this.#folder]) {
        if (Deno.permissions.querySync({ name, path: needed }).state === "granted") continue;
        throw new UsageError(
          `--session=${path}: no permission to ${name} ${needed}; "deno task client:session" may ` +
            `use the folder .session; for other files see --help`,
        );
      }
    }
  }

  /**
   * Reads the session.
   *
   * @returns `undefined` if there is no file.
   * @throws {UsageError} if the file is not a session, is not a regular file, or cannot be read.
   */
  async read(): Promise<ExportedSession | undefined> {
    try {
      const { isFile, size } = await Deno.lstat(this.#path);
      if (!isFile) throw new SessionError("not a regular file; links are not followed");
      if (size > sessionBytesMax) throw new SessionError(`longer than ${sessionBytesMax} bytes`);
      const session = new Session();
      session.takeOver(JSON.parse(withoutMark(textOf(await Deno.readFile(this.#path), "it"))));
      return session.exported();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw new UsageError(`--session=${this.#path}: ${(error as Error).message}`);
    }
  }

  /**
   * Stores a session, merged with the one that the file holds by now.
   *
   * @throws {UsageError} if the file now holds a session of another cluster, or no session.
   */
  async write(seen: ExportedSession): Promise<void> {
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    using lock = await openLockFile(`${this.#path}.lock`);
    await lock.lock(true);
    await this.#removeUnfinished();
    const session = new Session();
    session.takeOver(seen);
    const present = await this.read();
    try {
      if (present !== undefined) session.takeOver(present);
    } catch (error) {
      throw new UsageError(`--session=${this.#path}: ${(error as Error).message}`);
    }
    const text = `${JSON.stringify(session.exported())}\n`;
    await this.#replace(text);
  }

  /** Replaces the file. A new file that cannot be finished is removed. */
  async #replace(text: string): Promise<void> {
    const file = await Deno.open(this.#newPath, { write: true, createNew: true, mode: 0o600 });
    try {
      await new Blob([text]).stream().pipeTo(file.writable); // closes it
      await Deno.rename(this.#newPath, this.#path);
    } catch (error) {
      await Deno.remove(this.#newPath).catch(() => {});
      throw error;
    }
  }

  /** Removes new sessions that killed commands have left. The lock is held, so none is in use. */
  async #removeUnfinished(): Promise<void> {
    const start = `${this.#name}.`;
    for await (const { name } of Deno.readDir(this.#folder)) {
      if (!name.startsWith(start) || !unfinished.test(name.slice(start.length))) continue;
      await Deno.remove(`${this.#folder}${name}`);
    }
  }
}

/** The text without a byte order mark, which some Windows programs put before UTF-8. */
function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, "");
}
