/**
 * The names of the servers, for themselves and for the dashboard.
 *
 * @module
 */

import type { ServerEvent } from "../../lib/wire/events.ts";
import type { ServerStatus } from "../../lib/mensagem.ts";

/**
 * Maps the address by which a server knows itself to the one that the dashboard dials. They differ
 * where a server is dialled by name, through a forwarded port or through a tunnel.
 */
export class ServerNames {
  /** By "host:port" of a server, as dialled or as its own: the one that is dialled. */
  readonly #dialled: Map<string, string>;

  /** The names of the servers that are dialled at these "host:port". */
  constructor(dialled: readonly string[]) {
    this.#dialled = new Map(dialled.map((name) => [name, name]));
  }

  /**
   * Takes the own name of the server that was dialled, in place of an earlier one. Returns why not, if
   * it is the name of another server: no server can speak for another one.
   */
  take(own: string, dialled: string): string | undefined {
    const known = this.#dialled.get(own);
    if (known === dialled) return undefined;
    if (known !== undefined) {
      const which = known === own ? "another one" : known;
      return `the server says that it is ${own}, which is ${which} of --servers`;
    }
    const before = this.own(dialled);
    if (before !== dialled) this.#dialled.delete(before);
    this.#dialled.set(own, dialled);
    return undefined;
  }

  /** The own name of the server that is dialled at an address; the same if there is no other. */
  own(dialled: string): string {
    for (const [own, name] of this.#dialled) if (name === dialled && own !== dialled) return own;
    return dialled;
  }

  /** An event with the names of the dashboard. */
  inEvent(event: ServerEvent): ServerEvent {
    switch (event.kind) {
      case "acknowledged":
      case "fault":
        return { ...event, follower: this.#translate(event.follower) };
      case "members":
        return { ...event, inSync: event.inSync.map((own) => this.#translate(own)) };
      default:
        return event;
    }
  }

  /** A status with the names of the dashboard. */
  inStatus(status: ServerStatus): ServerStatus {
    return {
      ...status,
      server: this.#translate(status.server),
      leader: this.#translate(status.leader),
      inSync: status.inSync.map((own) => this.#translate(own)),
    };
  }

  #translate(own: string): string {
    return this.#dialled.get(own) ?? own;
  }
}
