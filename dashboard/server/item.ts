/**
 * The items of the dashboard's feed. Types only, shared by the feed and the page.
 *
 * @module
 */

import type { Counts, ServerEvent } from "../../lib/wire/events.ts";
import type { ServerStatus } from "../../lib/mensagem.ts";
import type { ShownStep } from "../stories/story.ts";

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
    /** A story has reached a step. What happens in it comes after this item. */
    | { readonly kind: "demo"; readonly step: DemoStep }
  );

/** A step of a story, with what the page needs to tell it. */
export interface DemoStep extends ShownStep {
  /** When the story began, in milliseconds since the Unix epoch: tells stories apart. */
  readonly run: number;
}
