/**
 * The validity of certificates while a server runs. A handshake checks it only once.
 *
 * @module
 */

import { type Certificate, whyNotFor } from "../net/certificate.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionHandler } from "./connection_handler.ts";

const dayMs = 24 * 60 * 60 * 1_000;

/** A certificate with less time left is reported. */
export const warnBeforeMs: number = 30 * dayMs;

/** The part of a connection that is looked at. */
export type Watched = Pick<Connection, "peer" | "open" | "betweenServers" | "certificate">;

/** What ends a connection, and says why. */
export type Ending = Pick<ConnectionHandler, "endWith">;

/**
 * Watches the own certificate and those of the servers at the other end of connections.
 *
 * - A connection lasts no longer than the certificates on which it depends: that of a server that has
 *   joined or leads, and this server's own.
 * - The operator is warned at the start and once a day from 30 days before the end on.
 *
 * It is asked again and again and sets no timer: a timer cannot wait longer than 25 days, and would
 * not see that the clock of the machine was set.
 */
export class CertificateWatch {
  readonly #self: string;
  readonly #own: Certificate;
  readonly #report: (line: string) => void;
  #warnedAtMs = -Infinity;

  /** A watch of the server `self`, "host:port". Warns if its certificate does not name it. */
  constructor(self: string, own: Certificate, report: (line: string) => void) {
    this.#self = self;
    this.#own = own;
    this.#report = report;
    const other = whyNotFor(own, self);
    if (other === undefined) return;
    report(
      `warning: this server is ${self}, and ${other}: the leader refuses its JOIN, and clients that dial ` +
        "that address refuse the certificate. Make one with that name (docs/operations.md, TLS)",
    );
  }

  /**
   * Warns if the own certificate expires soon, and ends the connections whose certificates have
   * expired. To be called about once a second. `nowMs` is since the Unix epoch.
   */
  sweep(connections: Iterable<readonly [Watched, Ending]>, nowMs: number): void {
    this.#warn(nowMs);
    for (const [connection, handler] of connections) {
      const reason = connection.open ? this.#whyOver(connection, nowMs) : undefined;
      if (reason === undefined) continue;
      this.#report(`ended the connection of ${connection.peer}: ${reason}`);
      handler.endWith("FORBIDDEN", reason);
    }
  }

  #warn(nowMs: number): void {
    const { expiresAtMs } = this.#own;
    const leftMs = expiresAtMs - nowMs;
    if (leftMs > warnBeforeMs || nowMs - this.#warnedAtMs < dayMs) return;
    this.#warnedAtMs = nowMs;
    const when = leftMs > 0
      ? `expires at ${iso(expiresAtMs)}, in ${Math.floor(leftMs / dayMs)} days. Then`
      : `expired at ${iso(expiresAtMs)}:`;
    this.#report(
      `warning: the certificate of this server ${when} its connections end, and no other server or ` +
        "client takes it. Renew it and restart the server (docs/operations.md, TLS)",
    );
  }

  #whyOver({ peer, betweenServers, certificate }: Watched, nowMs: number): string | undefined {
    const { expiresAtMs } = this.#own;
    if (expiresAtMs <= nowMs) {
      return `the certificate of the server ${this.#self} expired at ${iso(expiresAtMs)}`;
    }
    if (!betweenServers || certificate === undefined || certificate.expiresAtMs > nowMs) {
      return undefined;
    }
    return `the certificate of the server at ${peer} expired at ${iso(certificate.expiresAtMs)}`;
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000", "");
}
