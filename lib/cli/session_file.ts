/**
 * A client's session in a file, for the next command.
 *
 * @module
 */

import { SessionError } from "../client/errors.ts";
import { type ExportedSession, Session } from "../client/session.ts";
import { UsageError } from "./flags.ts";
import { textOf } from "./utf8.ts";

/** The longest session file, in bytes. */
export const sessionBytesMax = 64 * 1024 * 1024;

/**
 * A file that holds an exported session.
 *
 * - It is replaced in one step: a reader gets the whole old session or the whole new one.
 * - No timestamp in it ever falls: a write merges with what another process has stored.
 */
export class SessionFile {
  readonly #path: string;

  /**
   * Checks the permissions, without a prompt.
   *
   * @throws {UsageError} if this process may not read and write the file, its lock and its new copy.
   */
  constructor(path: string) {
    if (path === "") throw new UsageError("--session must name a file");
    this.#path = path;
    for (const name of ["read", "write"] as const) {
      for (const needed of [path, this.#beside("lock"), this.#beside("new")]) {
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
   * @throws {UsageError} if the file is not a session, or cannot be read.
   */
  async read(): Promise<ExportedSession | undefined> {
    try {
      const { size } = await Deno.stat(this.#path);
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

/** The text without a byte order mark, which some Windows programs put before UTF-8. */
function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, "");
}
