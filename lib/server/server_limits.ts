/**
 * The limits of a server.
 *
 * @module
 */

import { dialTimeoutMs } from "../limits.ts";
import { type ConnectionLimits, connectionLimitsDefault } from "../net/connection.ts";
import { type AdmissionLimits, admissionLimitsDefault } from "./admission.ts";

/** Time between two ticks of a server. Deadlines are exact to one tick. */
export const tickMs = 50;

/** How long a server that stops waits for the answers that it still owes. */
export const shutdownMs = 1_000;

/** Time between two checks for stalled connections. */
export const sweepMs = 1_000;

/** A TLS handshake must end within this time. */
export const tlsHandshakeMs = 5_000;

/** What the connections of a server may cost, each and together, and how long the server waits. */
export interface ServerLimits extends ConnectionLimits, AdmissionLimits {
  /** How long the TLS handshake of a connection may take. */
  readonly tlsHandshakeMs: number;
  /** How long a dial of the leader may take, the proof of the secret included. */
  readonly dialTimeoutMs: number;
  /** How long a server that stops waits for the answers that it still owes. */
  readonly shutdownMs: number;
  /** Time between two ticks of the server. Deadlines are exact to one tick. */
  readonly tickMs: number;
  /** Time between two checks for stalled connections. */
  readonly sweepMs: number;
}

/** The default limits. */
export const serverLimitsDefault: ServerLimits = {
  ...connectionLimitsDefault,
  ...admissionLimitsDefault,
  tlsHandshakeMs,
  dialTimeoutMs,
  shutdownMs,
  tickMs,
  sweepMs,
};
