/**
 * Which end of a connection sends which messages. A message from the wrong end is refused before its
 * fields are looked at.
 *
 * @module
 */

import type { AnyMensagem } from "../mensagem.ts";

/** The types that only servers send, after JOIN. */
export const serversOnly: ReadonlySet<string> = new Set<AnyMensagem["type"]>([
  "PUT_OK",
  "GET_OK",
  "TRY_OTHER_SERVER_OR_LATER",
  "WRITE_OK",
  "CONFLICT",
  "LIST_OK",
  "CHANGES",
  "REPLICATION",
  "REPLICATION_OK",
  "JOIN_OK",
  "SYNC",
  "SNAPSHOT_REQUEST",
  "SNAPSHOT",
  "SNAPSHOT_OK",
  "HEARTBEAT",
  "STATUS_OK",
  "EVENTS",
  "FAULT_OK",
]);

/** The types that a leader never sends to a follower, which has dialled it. */
export const notFromLeaders: ReadonlySet<string> = new Set<AnyMensagem["type"]>([
  "PUT",
  "GET",
  "WRITE",
  "GET_LATEST",
  "LIST",
  "WATCH",
  "UNWATCH",
  "STATUS",
  "OBSERVE",
  "FAULT",
  "JOIN",
  "HELLO",
  "PROOF",
]);
