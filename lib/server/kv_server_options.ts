/**
 * How a server is started.
 *
 * @module
 */

import type { Secrets } from "../auth/secret.ts";
import type { TlsAcceptor } from "../net/tls.ts";
import type { StartEngine } from "../replication/engine.ts";
import type { ReplicationListener, ServerPrints } from "../replication/environment.ts";
import type { OpenJournal } from "../replication/recovered_state.ts";
import type { Tuning } from "../replication/tuning.ts";
import type { Address } from "../wire/address.ts";
import type { ServerLimits } from "./server_limits.ts";

/** How a server is started. */
export interface KvServerOptions {
  /** The address to listen on. Port 0 takes a free port. */
  readonly listen: Address;
  /** The address at which others dial this server. If left out, `listen`. */
  readonly advertise?: Address;
  /** The leader's address. If left out or equal to this server's, this server is the leader. */
  readonly leader?: Address;
  /**
   * The engine that keeps the table. If left out, the embedded engine. With any other engine no server
   * may join.
   */
  readonly engine?: StartEngine;
  /** Takes the console lines of the assignment. */
  readonly prints: ServerPrints;
  /** Takes what `prints` does not show, with or without observers. */
  readonly watch?: ReplicationListener;
  /** Takes, line by line, everything else that an operator may want to know. */
  readonly report: (line: string) => void;
  /** Whether FAULT is accepted. With FAULT a client can hold or delay REPLICATIONs. */
  readonly allowFaults?: boolean;
  /** Replaces values of the defaults in `lib/replication/tuning.ts`. */
  readonly tuning?: Partial<Tuning>;
  /** Replaces values of the defaults in `server_limits.ts`. */
  readonly limits?: Partial<ServerLimits>;
  /**
   * The secret that a server must prove to join, and the password that a client must prove to send
   * requests. If left out, nothing has to be proved.
   */
  readonly secrets?: Secrets;
  /**
   * Makes TLS sockets. If given, all connections must speak TLS, and a server may join only with a
   * certificate that the CA signed.
   */
  readonly tls?: TlsAcceptor;
  /**
   * The journal on disk. The caller closes it after the server. If left out, everything is in
   * memory.
   */
  readonly journal?: OpenJournal;
}
