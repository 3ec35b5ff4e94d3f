/**
 * What a server says last on a connection when it is stopped.
 *
 * It has answered everything that it has read. So a peer knows that a request without an answer was not
 * applied, and may send it to another server. Peers of version 0.1.0 know it only as clients.
 *
 * @module
 */

import { ErrorReply } from "../mensagem.ts";

const reason = "this server is stopping";

/** The ERROR of a server that is stopped. It has no id. */
export function stoppingReply(): ErrorReply {
  return new ErrorReply("UNAVAILABLE", reason);
}

/** Whether an ERROR without an id is that of a leader that is stopped. */
export function saysStopping({ code, message }: ErrorReply): boolean {
  return code === "UNAVAILABLE" && message === reason;
}
