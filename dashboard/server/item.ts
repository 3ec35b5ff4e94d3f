/**
 * What the dashboard is fed: the items of its record, and the state that they add up to. Types
 * alone, shared by the feed and the page.
 *
 * @module
 */

import type { Counts, ServerEvent } from "../../lib/wire/events.ts";
import type { ServerStatus } from "../../lib/mensagem.ts";

/** One thing that happened, in the order in which the dashboard shows them. */
export type Item =
  | ServerEvent & { readonly server: string }
  | {
    readonly at: number;
    readonly server: string;
  }
    & (
      | { readonly kind: "up" }
      | { readonly kind: "down"; readonly reason: string }
      /** A new answer to STATUS. */
      | { readonly kind: "status"; readonly status: ServerStatus }
      /** How much it did since the item of this kind before, and what got lost since. */
      | { readonly kind: "counts"; readonly counts: Counts; readonly missed: number }
    )
  | { readonly at: number }
    & (
      /** A connection of one of the dashboard's own clients. */
      | { readonly kind: "client"; readonly client: number; readonly address: string }
      /** What one of them has seen of a key. */
      | {
        readonly kind: "seen";
        readonly client: number;
        readonly key: string;
        readonly timestamp: number;
      }
      /** The cluster has lost its memory: what the clients have seen means nothing any more. */
      | { readonly kind: "forgotten" }
      /** The demonstration has come to a step. */
      | { readonly kind: "story"; readonly story: Story }
    );

/** A step of the demonstration, with what its sentence needs. */
export interface Story {
  /** Which step it is. */
  readonly step:
    | "pause"
    | "put"
    | "seen"
    | "refused"
    | "resume"
    | "stored"
    | "caught_up"
    | "done"
    | "failed";
  /** The follower that is held back. */
  readonly follower: string;
  /** The leader. */
  readonly leader: string;
  /** The key that is written. */
  readonly key: string;
  /** The value that is written. */
  readonly value: string;
  /** The timestamp that the client has seen, where it is known. */
  readonly seen?: number;
  /** The timestamp of the server that answered, where it is known. */
  readonly own?: number;
  /** Why it failed. */
  readonly reason?: string;
}

/** A server as the dashboard knows it. */
export interface ServerState {
  /** Its "ip:port". */
  readonly name: string;
  /** False where the dashboard has no connection to it. */
  up: boolean;
  /** Why there is no connection. */
  reason: string;
  /** The last answer to STATUS, `undefined` before the first and while it is down. */
  status: ServerStatus | undefined;
  /** The highest timestamp that it is known to hold. */
  timestamp: number;
  /** The highest timestamp that it has acknowledged to its leader. */
  acknowledged: number;
  /** How replication towards it is disturbed. */
  held: { readonly action: "pause" | "delay"; readonly delayMs: number } | undefined;
  /** Events that got lost on their way here. */
  missed: number;
}

/** What one server holds of one key. */
export interface Cell {
  /** The value, cut where it is long. */
  readonly value: string;
  /** The timestamp of its write. */
  readonly timestamp: number;
}

/** A GET that was refused. */
export interface Refusal {
  /** When, in milliseconds since the epoch. */
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

/** What happened within one second. */
export interface Second {
  /** Seconds since the epoch. */
  readonly second: number;
  /** PUTs that were answered with PUT_OK. */
  putOks: number;
  /** GETs, refused ones included. */
  gets: number;
  /** GETs that were refused. */
  refused: number;
  /** REPLICATIONs that followers applied. */
  replications: number;
  /** PUT_OKs whose time is known. */
  timed: number;
  /** The sum of their times, in milliseconds. */
  msSum: number;
  /** The longest of them. */
  msMax: number;
}

/** Everything that the page shows, at one moment. Only `apply` changes it. */
export interface State {
  /** The time of the last item. */
  at: number;
  /** In the order of the dashboard's flags. */
  readonly servers: ServerState[];
  /** Who leads; "" before it is known. */
  leader: string;
  /** Who counts, as the leader says. */
  inSync: string[];
  /** True where the leader takes PUTs. */
  open: boolean;
  /** By key, the one written last at the end: what each server holds of it. */
  readonly table: Map<string, Map<string, Cell>>;
  /** Keys that were dropped from `table` to bound it. */
  dropped: number;
  /** Keys of recent writes by their timestamp. */
  readonly writes: Map<number, string>;
  /** PUTs that a follower has passed on and that the leader has not told of yet. */
  readonly forwarded: { readonly server: string; readonly key: string; readonly value: string }[];
  /** By a client's "ip:port": the server that it is connected to. */
  readonly homes: Map<string, string>;
  /** By "ip:port": which of the dashboard's clients it is. */
  readonly clients: Map<string, number>;
  /** What each of the dashboard's clients has seen: timestamps by key. */
  readonly seen: Map<number, Map<string, number>>;
  /** The newest at the end. */
  readonly refusals: Refusal[];
  /** The newest at the end. Seconds in which nothing happened are left out. */
  readonly seconds: Second[];
  /** The steps of the last demonstration. */
  story: Story[];
}

/** A message on its way. */
export interface Move {
  /** The server, or the client's "ip:port", that sent it. */
  readonly from: string;
  /** The server, or the client's "ip:port", that got it. */
  readonly to: string;
  /** What it is about. */
  readonly key: string;
  /** Its type, as it is shown. */
  readonly label:
    | "PUT"
    | "PUT_OK"
    | "GET"
    | "GET_OK"
    | "TRY_OTHER"
    | "REPLICATION"
    | "REPLICATION_OK";
  /** The timestamp that it carries. */
  readonly timestamp?: number;
}
