/**
 * The events that a connection gets of its server.
 *
 * @module
 */

import { type AnyMensagem, type Events, eventsProtocol, Observe } from "../mensagem.ts";
import type { ServerConnectionOptions } from "./access.ts";

/** The events of one connection, if its owner wants any. */
export class ConnectionEvents {
  readonly #options: ServerConnectionOptions;
  /** The id of the OBSERVE, `undefined` if none was sent. */
  #id: number | undefined;

  /** No events yet. */
  constructor(options: ServerConnectionOptions) {
    this.#options = options;
  }

  /** Asks the server for its events. `nextId` gives an id for a message, `send` sends a frame. */
  begin(nextId: () => number, send: (text: string) => void): void {
    if (this.#options.onEvents === undefined) return;
    this.#id = nextId();
    send(new Observe(this.#id, eventsProtocol).encode());
  }

  /** Whether a message has the id of the OBSERVE. */
  isAbout(reply: AnyMensagem): boolean {
    return this.#id !== undefined && "id" in reply && reply.id === this.#id;
  }

  /** Takes a message with events. Returns `false` if it has none that were asked for. */
  take(reply: AnyMensagem): boolean {
    if (reply.type !== "EVENTS" || !this.isAbout(reply)) return false;
    this.#options.onEvents?.(reply);
    return true;
  }

  /** When the work for a line begins, as {@linkcode ConnectionEvents.pace} needs it. */
  beginLine(): number {
    return this.#options.paceEvents === undefined ? 0 : performance.now();
  }

  /** What the owner waits for after the events of a line, before the next line is read. */
  pace(events: Events, chars: number, startedAt: number): Promise<void> | undefined {
    return this.#options.paceEvents?.(events, chars, performance.now() - startedAt);
  }
}
