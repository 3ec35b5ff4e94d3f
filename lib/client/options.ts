/**
 * The options of a client of the library.
 *
 * @module
 */

import type { Tls } from "../net/dial.ts";
import type { KvEvent } from "./client_events.ts";
import type { ExportedSession } from "./session.ts";

/** The options of a client. */
export interface KvClientOptions {
  /**
   * How long a request may take, with all its attempts, in milliseconds. 4,800 by default, at most
   * {@linkcode requestTimeoutMsMax}.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether each request goes to one server only, drawn at random of all, and is never tried again.
   * `false` by default: the client asks another server if that is safe.
   */
  readonly once?: boolean | undefined;
  /**
   * What another client has seen: the result of `KvClient.exportSession`, perhaps read from
   * JSON. This client then reads nothing older.
   */
  readonly session?: ExportedSession | undefined;
  /**
   * The password of clients, if the servers ask for one. Client and servers prove to each other that
   * they know it; it is never sent.
   */
  readonly password?: string | undefined;
  /**
   * The certificates for TLS. If given, all connections are encrypted, and the servers' certificates
   * must be signed by its CA.
   */
  readonly tls?: Tls | undefined;
  /**
   * A source of random numbers from 0 to 1, 1 excluded. The client uses it to choose servers and the
   * length of pauses. `Math.random` by default.
   */
  readonly random?: (() => number) | undefined;
  /**
   * Called with what goes on in the client, for a logger: connections that open and end, requests that
   * go on at another server. It is called after the code that caused the event. What it throws is
   * dropped. Without it no event is made.
   */
  readonly onEvent?: ((event: KvEvent) => void) | undefined;
}
