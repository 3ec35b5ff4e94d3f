/**
 * A client's session in a file, so that one process reads nothing older than the one before it.
 *
 * @module
 */

import { SessionError } from "../client/errors.ts";
import { UsageError } from "./flags.ts";
import { type ExportedSession, Session } from "../client/session.ts";

/** The longest file that is read as a session, in bytes. */
export const sessionBytesMax = 64 * 1024 * 1024;

/**
 * A file that holds an exported session.
 *
 * - It is replaced in one step: who reads it sees all of the old or all of the new.
 * - Nothing in it ever falls: what another process has stored meanwhile is kept.
 */
export class SessionFile {
  readonly #path: string;

  /**
   * Nobody is asked for permissions.
   *
   * @throws {UsageError} where this process may not read and write beside `path`.
   */
  constructor(path: string) {
    if (path === "") throw new UsageError("--session must name a file");
    this.#path = path;
    for (const name of ["read", "write"] as const) {
      for (const needed of [path, this.#beside("lock"), this.#beside("new")]) {
        if (Deno.permissions.querySync({ name, path: needed }).state === "granted") continue;
        throw new UsageError(
          `--session=${path}: no permission to ${name} ${needed}; "deno task client:session" may ` +
            `use the folder .session, and --help says how to use others`,
        );
      }
    }
  }

  /**
   * What the file holds, `undefined` where there is none.
   *
   * @throws {UsageError} where it holds something else, or cannot be read.
   */
  async read(): Promise<ExportedSession | undefined> {
    try {
      const { size } = await Deno.stat(this.#path);
      if (size > sessionBytesMax) throw new SessionError(`longer than ${sessionBytesMax} bytes`);
      const session = new Session();
      session.takeOver(JSON.parse(await Deno.readTextFile(this.#path)));
      return session.exported();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw new UsageError(`--session=${this.#path}: ${(error as Error).message}`);
    }
  }

  /**
   * Stores what was seen, together with what the file holds by now.
   *
   * @throws {UsageError} where the file has become one of another cluster, or none.
   */
  async write(seen: ExportedSession): Promise<void> {
    const folder = this.#path.replace(/[^/\\]*$/, "");
    if (folder !== "") await Deno.mkdir(folder, { recursive: true });
    using lock = await Deno.open(this.#beside("lock"), { create: true, write: true });
    await lock.lock(true);
    const session = new Session();
    session.takeOver(seen);
    const present = await this.read();
    try {
      if (present !== undefined) session.takeOver(present);
    } catch (error) {
      throw new UsageError(`--session=${this.#path}: ${(error as Error).message}`);
    }
    const text = `${JSON.stringify(session.exported())}\n`;
    await Deno.writeTextFile(this.#beside("new"), text, { mode: 0o600 });
    await Deno.rename(this.#beside("new"), this.#path);
  }

  #beside(suffix: string): string {
    return `${this.#path}.${suffix}`;
  }
}
