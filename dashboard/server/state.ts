/**
 * The state that the page shows. Types only, shared by the feed and the page.
 *
 * @module
 */

import type { ServerStatus } from "../../lib/mensagem.ts";
import type { DemoStep } from "./item.ts";

/** Everything that the page shows, at one moment. Only `apply` in `page/state.js` changes it. */
export interface State {
  /** The time of the last item, in milliseconds since the Unix epoch. */
  at: number;
  /** The servers, in the order of `--servers`. */
  readonly servers: ServerState[];
  /** "ip:port" of the leader; "" until it is known. */
  leader: string;
  /** The id of the leader's cluster; "" until it is known. */
  cluster: string;
  /** "ip:port" of the servers in sync, as the leader says. */
  inSync: string[];
  /** Whether the leader takes PUTs. */
  open: boolean;
  /** By key, and then by server: the copy of the key there. The key written last is at the end. */
  readonly table: Map<string, Map<string, Cell>>;
  /** Keys that were dropped from `table` to bound it. */
  keysDropped: number;
  /** By timestamp: the key of a recent write. */
  readonly writtenKeys: Map<number, string>;
  /** PUTs and WRITEs that a follower has forwarded and that the leader has not reported yet. */
  forwardedPuts: {
    readonly server: string;
    readonly key: string;
    readonly value: string | null;
  }[];
  /** By a client's "ip:port": the server that the client is connected to. */
  readonly clientServers: Map<string, string>;
  /** By a client's "ip:port": which of the dashboard's clients it is. */
  readonly clientNumbers: Map<string, number>;
  /**
   * By number of a dashboard's client, from 1, and {@linkcode Others} for all other clients: what it
   * has seen. A client that has seen nothing has no entry.
   */
  readonly clients: Map<number, ClientState>;
  /** Refused GETs and WRITEs, the newest at the end. */
  refusals: (RefusedGet | RefusedWrite)[];
  /** The last seconds, the newest at the end. Seconds in which nothing happened are left out. */
  readonly seconds: Second[];
  /** Whether stories may stop servers: they run in the dashboard's process (`--start`). */
  readonly control: boolean;
  /** The steps of the last story. */
  demoSteps: DemoStep[];
}

/** A server as the dashboard knows it. */
export interface ServerState {
  /** Its "ip:port". */
  readonly name: string;
  /** Whether the dashboard is connected to it. */
  up: boolean;
  /** Why there is no connection; "" while there is one. */
  reason: string;
  /** The last answer to STATUS; `undefined` before the first, and while the server is down. */
  status: ServerStatus | undefined;
  /** The highest timestamp that the server is known to have applied. */
  timestamp: number;
  /** The fault of the replication to the server; `undefined` if there is none. */
  fault: { readonly action: "pause" | "delay"; readonly delayMs: number } | undefined;
  /** Events of the server that never reached the dashboard. */
  missed: number;
  /** Whether it sends more than the dashboard can take, so that it is read slowly. */
  slow: boolean;
}

/** A server's copy of a key. */
export interface Cell {
  /** The value, shortened if it is long; `null` if the key was deleted. */
  readonly value: string | null;
  /** The timestamp of its write. */
  readonly timestamp: number;
}

/** The number of the clients that are not the dashboard's, in a state and in a message. */
export type Others = 0;

/** A client of the dashboard, or all other clients together. */
export interface ClientState {
  /** By key, the one seen last at the end: the newest copy that was seen. */
  readonly seen: Map<string, SeenCopy>;
}

/** A copy of a key that a client has seen. */
export interface SeenCopy {
  readonly timestamp: number;
  /** The value; `null` if the key did not exist or was deleted. */
  readonly value: string | null;
}

/** A GET that was answered with TRY_OTHER_SERVER_OR_LATER. */
export interface RefusedGet {
  /** When it was refused, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** "ip:port" of the server that refused it. */
  readonly server: string;
  /** "ip:port" of the client that asked. */
  readonly client: string;
  /** The key that was asked for. */
  readonly key: string;
  /** The timestamp that the client had seen. */
  readonly seen: number;
  /** The timestamp that the server had. */
  readonly own: number;
}

/** A WRITE that was answered with CONFLICT. */
export interface RefusedWrite {
  /** When it was refused, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** "ip:port" of the client that sent it. */
  readonly client: string;
  /** The key that was to be written. */
  readonly key: string;
  /** The timestamp that the key had to stand at, 0 if it had to be absent. */
  readonly expected: number;
  /** The value that the key has; `null` if it does not exist. */
  readonly value: string | null;
  /** The timestamp that the key stands at. */
  readonly timestamp: number;
}

/** What happened within one second. */
export interface Second {
  /** The second, counted from the Unix epoch. */
  readonly second: number;
  /** PUTs and WRITEs that were answered with PUT_OK or WRITE_OK. */
  putOks: number;
  /** GETs, refused ones included. */
  gets: number;
  /** GETs that were refused. */
  refused: number;
  /** REPLICATIONs that followers applied. */
  replications: number;
  /** PUT_OKs and WRITE_OKs whose duration is known. */
  timedPutOks: number;
  /** The sum of these durations, in milliseconds. */
  putMsSum: number;
  /** The longest of these durations, in milliseconds. */
  putMsMax: number;
}

/** A message that the diagram draws on its way from one end to the other. */
export interface DiagramMessage {
  /** "ip:port" of the server or client that sent it. */
  readonly from: string;
  /** "ip:port" of the server or client that received it. */
  readonly to: string;
  /**
   * The number of the dashboard's client whose request or answer it is, {@linkcode Others} for any
   * other client; left out between servers, where a message is about a write and not for a client.
   */
  readonly client?: number;
  /** The key that it is about. */
  readonly key: string;
  /** The type of the message, as it is drawn. */
  readonly label:
    | "PUT"
    | "PUT_OK"
    | "WRITE"
    | "WRITE_OK"
    | "CONFLICT"
    | "GET"
    | "GET_OK"
    | "TRY_OTHER"
    | "REPLICATION"
    | "REPLICATION_OK";
  /** The timestamp that the message carries; left out if it carries none. */
  readonly timestamp?: number;
}
