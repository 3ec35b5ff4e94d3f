/**
 * The items of the dashboard's feed. Types only, shared by the feed and the page.
 *
 * @module
 */

import type { Counts, ServerEvent } from "../../lib/wire/events.ts";
import type { ServerStatus } from "../../lib/mensagem.ts";

/** One item of the feed. `at` is when it happened, in milliseconds since the Unix epoch. */
export type Item = ServerItem | DashboardItem;

/** An event of a server, or what the dashboard noticed about it. `server` is its "ip:port". */
export type ServerItem =
  & { readonly at: number; readonly server: string }
  & (
    | Exclude<ServerEvent, { readonly kind: "members" }>
    /** As the event of that name. `others` counts the servers in sync that are not listed. */
    | {
      readonly kind: "members";
      readonly inSync: readonly string[];
      readonly others?: number;
      readonly open: boolean;
    }
    /** The dashboard is connected to the server. */
    | { readonly kind: "up" }
    /** The connection to the server has ended, or could not be made. */
    | { readonly kind: "down"; readonly reason: string }
    /** A new answer to STATUS. */
    | { readonly kind: "status"; readonly status: ServerStatus }
    /** Whether the server sends more than the dashboard can take, so that it is read slowly. */
    | { readonly kind: "slow"; readonly slow: boolean }
    /** What the server has counted since the last such item, and how many events were lost. */
    | { readonly kind: "counts"; readonly counts: Counts; readonly missed: number }
  );

/** What the dashboard itself did. */
export type DashboardItem =
  & { readonly at: number }
  & (
    /** One of the dashboard's clients has a new connection, from this "ip:port". */
    | { readonly kind: "client"; readonly client: number; readonly address: string }
    /** A client has seen a copy of a key. `client` 0 stands for all that are not the dashboard's. */
    | {
      readonly kind: "seen";
      readonly client: number;
      readonly key: string;
      readonly value: string | null;
      readonly timestamp: number;
    }
    /** The servers are a new cluster without the old data, so the clients forget all timestamps. */
    | { readonly kind: "forgotten" }
    /** The demonstration has reached a step. */
    | { readonly kind: "demo"; readonly step: DemoStep }
  );

/** A step of the demonstration, with what the page needs to describe it. */
export interface DemoStep {
  /** The name of the step. */
  readonly name:
    | "pause"
    | "put"
    | "seen"
    | "refused"
    | "resume"
    | "stored"
    | "caught_up"
    | "done"
    | "failed";
  /** "ip:port" of the leader. */
  readonly leader: string;
  /** "ip:port" of the follower whose replication is paused. */
  readonly follower: string;
  /** The key that is written. */
  readonly key: string;
  /** The value that is written. */
  readonly value: string;
  /** The timestamp that the reading client has seen, in the steps "seen" and "refused". */
  readonly seen?: number;
  /** The timestamp that a server answered with, in "refused", "stored" and "caught_up". */
  readonly own?: number;
  /** Why the demonstration failed, in the step "failed". */
  readonly reason?: string;
}
