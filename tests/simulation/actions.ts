/** What happens in a simulated run: its actions, and the plan that has them all. */

import type { Asking } from "./client.ts";
import type { Target } from "./watch_checker.ts";

/** The servers, the leader first. */
export const servers = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"] as const;
/** The clients. */
export const clients = ["10.0.1.1", "10.0.1.2", "10.0.1.3"] as const;

/** One thing that happens. Times and durations are in simulated milliseconds. */
export type Action =
  & { readonly at: number }
  & (
    /** A client asks a server; `twice` sends the same request again under another id. */
    | {
      readonly kind: "ask";
      readonly client: number;
      readonly server: number;
      readonly asking: Asking;
      readonly twice: boolean;
    }
    /** A client watches a key or prefix, and begins at a server. */
    | {
      readonly kind: "watch";
      readonly client: number;
      readonly server: number;
      readonly target: Target;
    }
    /** A client ends its oldest watch. */
    | { readonly kind: "unwatch"; readonly client: number }
    /** A process dies and comes back, without memory or with what its disk has. */
    | {
      readonly kind: "crash";
      readonly server: number;
      readonly downMs: number;
      /** Whether its disk is lost too. */
      readonly wiped?: true;
    }
    /** A process stands still, as with SIGSTOP. */
    | { readonly kind: "pause"; readonly server: number; readonly pauseMs: number }
    /** Nothing gets from one host to another, and perhaps nothing gets back. */
    | {
      readonly kind: "partition";
      readonly from: number;
      readonly to: number;
      readonly bothWays: boolean;
      readonly cutMs: number;
    }
    /** A server reads what arrives only after a delay. */
    | {
      readonly kind: "slow";
      readonly server: number;
      readonly delayMs: number;
      readonly forMs: number;
    }
    /** The leader refuses every new connection, because it has too many. */
    | { readonly kind: "full"; readonly forMs: number }
    /** The leader's address leads to a server that does not lead, of an earlier version. */
    | { readonly kind: "stranger"; readonly forMs: number }
    /**
     * A connection is reset, perhaps in the middle of a frame. `nth` chooses one of the open
     * connections.
     */
    | { readonly kind: "reset"; readonly nth: number }
  );

/**
 * How a follower is cut off: it stands still, or nothing gets to it, from it, or both; for long, or
 * for a while, again and again.
 */
export interface CutOff {
  readonly follower: number;
  readonly how: "stopped" | "deaf" | "mute" | "both";
  readonly flaps: boolean;
}

/** What a plan with conditional writes, deletions, lists and watches is about. */
export interface Coordination {
  /** The keys of these requests. */
  readonly keys: readonly string[];
  /** Deletions that a table remembers. */
  readonly tombstonesMax: number;
  /** Keys that a session remembers. */
  readonly sessionKeysMax: number;
}

/** A whole run. */
export interface Plan {
  readonly seed: number;
  /** The size of the leader's log. With a small one followers need snapshots. */
  readonly logBytesMax: number;
  /** Which servers have a disk; `undefined` if none has. */
  readonly durable?: readonly boolean[];
  /** A follower that is cut off near the end, while clients write. */
  readonly cutOff: CutOff | undefined;
  /** What the plan has besides PUTs and GETs; `undefined` if it has nothing else. */
  readonly coordination?: Coordination;
  /** Sorted by time. */
  readonly actions: readonly Action[];
}

/** An action in words. */
export function describe(action: Action): string {
  const name = (server: number) => server === 0 ? "the leader" : `follower ${server}`;
  switch (action.kind) {
    case "ask":
      return `client ${action.client} sends ${inWords(action.asking)} to ${name(action.server)}${
        action.twice ? ", twice" : ""
      }`;
    case "watch": {
      const { key, prefix } = action.target;
      const what = key ?? `${prefix}…`;
      return `client ${action.client} watches ${what}, first at ${name(action.server)}`;
    }
    case "unwatch":
      return `client ${action.client} ends a watch`;
    case "crash":
      return `${name(action.server)} crashes for ${action.downMs} ms${
        action.wiped ? ", and its disk is lost" : ""
      }`;
    case "pause":
      return `${name(action.server)} stands still for ${action.pauseMs} ms`;
    case "partition":
      return `nothing gets from ${name(action.from)} to ${name(action.to)}${
        action.bothWays ? " and back" : ""
      } for ${action.cutMs} ms`;
    case "slow":
      return `${name(action.server)} reads ${action.delayMs} ms late for ${action.forMs} ms`;
    case "full":
      return `the leader refuses new connections for ${action.forMs} ms`;
    case "stranger":
      return `the leader's address leads to another server for ${action.forMs} ms`;
    case "reset":
      return `connection ${action.nth} is reset`;
  }
}

function inWords(asking: Asking): string {
  switch (asking.kind) {
    case "put":
    case "get":
      return `a ${asking.kind.toUpperCase()} of ${asking.key}`;
    case "latest":
      return `a GET_LATEST of ${asking.key}`;
    case "list":
      return `a LIST of ${asking.limit} keys ${asking.prefix}…`;
    case "write": {
      const { key, deletes, expected, ttlMs } = asking;
      const condition = { any: "", seen: ", if it is as seen", absent: ", if it does not exist" };
      const life = ttlMs === undefined ? "" : ` for ${ttlMs} ms`;
      return `a ${deletes ? "deletion" : "WRITE"} of ${key}${life}${condition[expected]}`;
    }
  }
}
