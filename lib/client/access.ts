/**
 * What a client needs to use servers, and how it connects to one.
 *
 * @module
 */

import type { Secret } from "../auth/secret.ts";
import type { Events } from "../mensagem.ts";
import type { Tls } from "../net/dial.ts";
import type { KvError } from "./errors.ts";

/** What a client needs if servers ask for a password or TLS. */
export interface Access {
  /** The password of clients, if the servers ask for one. */
  readonly password?: Secret | undefined;
  /** The certificates for TLS. Without them the connection is not encrypted. */
  readonly tls?: Tls | undefined;
}

/** How a client connects to a server. */
export interface ServerConnectionOptions extends Access {
  /** How long opening may take, in milliseconds. `dialTimeoutMs` of limits.ts by default. */
  readonly connectTimeoutMs?: number;
  /**
   * Returns whether the client may use the cluster with this id, "" if the server has none yet. It
   * is called before the first PUT or GET is sent. Without it the client may use any cluster.
   */
  readonly belongs?: (cluster: string) => boolean;
  /** Called when the connection is open. */
  readonly onOpen?: () => void;
  /** Called with why the connection ends, and whether it was open. */
  readonly onFailure?: (failure: KvError, wasOpen: boolean) => void;
  /** Called when requests have been answered, so that there may be room for others. */
  readonly onRoom?: () => void;
  /** Receives the events of the server. If given, the connection observes the server. */
  readonly onEvents?: (events: Events) => void;
  /**
   * Called after `onEvents`, with the length of the line in UTF-16 units, and the milliseconds that it
   * took. If it returns a promise, nothing more is read until that resolves.
   */
  readonly paceEvents?: (events: Events, chars: number, ms: number) => Promise<void> | undefined;
}
