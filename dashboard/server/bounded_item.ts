/**
 * Bounds an item of the feed, whatever a server has sent.
 *
 * @module
 */

import type { Counts } from "../../lib/wire/events.ts";
import {
  countMax,
  durationMsMax,
  listedServersMax,
  reasonCharsMax,
  textCharsMax,
} from "../page/limits.js";
import type { Failure } from "../stories/story.ts";
import type { Item } from "./item.ts";

/** The item with its texts, lists and numbers within the limits. `known` are the page's servers. */
export function boundedItem(item: Item, known: readonly string[]): Item {
  switch (item.kind) {
    case "table":
    case "written":
    case "replication":
    case "seen":
    case "write":
    case "forwarding_write":
    case "conflict":
      return { ...item, key: cutText(item.key), value: cutText(item.value) };
    case "put":
    case "forwarding":
      return { ...item, key: cutText(item.key), value: cutText(item.value) };
    case "get":
      return "refused" in item
        ? { ...item, key: cutText(item.key) }
        : { ...item, key: cutText(item.key), value: cutText(item.value) };
    case "put_ok":
      return { ...item, key: cutText(item.key), ms: Math.min(item.ms, durationMsMax) };
    case "write_ok":
      return {
        ...{ ...item, key: cutText(item.key) },
        ...(item.ms === undefined ? {} : { ms: Math.min(item.ms, durationMsMax) }),
      };
    case "members":
      return {
        ...{ kind: "members", at: item.at, server: item.server, open: item.open },
        ...listed(item.inSync, known),
      };
    case "status": {
      const { inSync } = listed(item.status.inSync, known);
      return { ...item, status: { ...item.status, inSync, followers: [] } };
    }
    case "counts":
      return { ...item, counts: boundedCounts(item.counts), missed: bounded(item.missed) };
    case "fault":
      return item.delayMs === undefined
        ? item
        : { ...item, delayMs: Math.min(item.delayMs, durationMsMax) };
    case "down":
      return { ...item, reason: cut(item.reason, reasonCharsMax) };
    case "demo": {
      const { failure } = item.step;
      if (failure === undefined) return item;
      return { ...item, step: { ...item.step, failure: boundedFailure(failure) } };
    }
    default:
      return item;
  }
}

/** Texts of a server may be in it. All else of a step is the story's own. */
function boundedFailure(failure: Failure): Failure {
  if ("reason" in failure) return { reason: cut(failure.reason, reasonCharsMax) };
  const { expected, got } = failure;
  return { expected: cut(expected, reasonCharsMax), got: cut(got, reasonCharsMax) };
}

/** The start of a text, with an ellipsis, if it is longer than `charsMax`. */
export function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const start = text.slice(0, charsMax - 1).toWellFormed();
  // `slice` keeps the whole text alive; joining its characters copies them.
  return `${Array.from(start).join("")}…`;
}

function cutText<T extends string | null>(text: T): T extends null ? null : string;
function cutText(text: string | null): string | null {
  return text === null ? null : cut(text, textCharsMax);
}

/** The servers of the page that are in a list, then others while there is room. */
function listed(
  servers: readonly string[],
  known: readonly string[],
): { inSync: readonly string[]; others: number } {
  if (servers.length <= listedServersMax) return { inSync: servers, others: 0 };
  const present = new Set(servers);
  const first = known.filter((server) => present.delete(server));
  const inSync = [...first, ...present].slice(0, listedServersMax);
  return { inSync, others: first.length + present.size - inSync.length };
}

function boundedCounts(counts: Counts): Counts {
  return {
    puts: bounded(counts.puts),
    putOks: bounded(counts.putOks),
    gets: bounded(counts.gets),
    refused: bounded(counts.refused),
    replications: bounded(counts.replications),
    writes: bounded(counts.writes),
    writeOks: bounded(counts.writeOks),
    conflicts: bounded(counts.conflicts),
  };
}

/** A count from 0 to {@linkcode countMax}. */
function bounded(count: number): number {
  return Math.min(Math.max(count, 0), countMax);
}
