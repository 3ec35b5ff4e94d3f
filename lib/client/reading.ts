/**
 * Reads of one key, and lists.
 *
 * @module
 */

import { GetLatest, List, type ListOk } from "../mensagem.ts";
import type { Deadlines } from "./deadlines.ts";
import { LostError } from "./errors.ts";
import { GetOperation } from "./operations.ts";
import type { Call } from "./request_queue.ts";
import { probe, type Requester } from "./requester.ts";
import type { GetResult, ListedEntry, ListOptions } from "./results.ts";
import type { PooledServer } from "./server_pool.ts";
import type { StaleAttempt } from "./stale_attempt.ts";

/** Keys in one page of a list by default. */
export const pageSizeDefault = 500;

/** Reads a key, once servers have confirmed what earlier leaders have shown. */
export async function readConfirmed(
  requester: Requester,
  key: string,
  call: Call,
): Promise<GetResult> {
  await requester.confirmDoubtful(call, false);
  return await new Promise((resolve, reject) => {
    requester.begin(new GetOperation(call, requester.session, key), resolve, reject);
  });
}

/**
 * Reads a key as of now, at the leader.
 *
 * @throws {LostError} if that may be older than what this client has seen, because that was lost.
 */
export async function readLatest(
  requester: Requester,
  key: string,
  call: Call,
): Promise<GetResult> {
  const { session } = requester;
  if (session.doubtful(false) !== undefined) await requester.confirmDoubtful(call, false);
  return await requester.try(call, async (server, deadlines) => {
    const seen = session.timestamp(key);
    const shown = session.unacknowledged;
    const reply = await requester.ask(server, (id) => new GetLatest(id, key), deadlines);
    const { value, timestamp } = reply;
    // The leader has everything. What it does not have any more was lost. But the timestamp of a key that
    // does not exist may be the leader's floor, which tells nothing of this key.
    if (timestamp < seen && value !== null) throw new LostError(server.name, key, seen);
    for (const doubtful of [seen, shown ?? 0]) {
      const told = value === null ? timestamp === doubtful : timestamp >= doubtful;
      if (told || doubtful === 0) continue;
      const late = await confirmShown(requester, server, key, doubtful, deadlines);
      if (late !== undefined) return late;
    }
    const newest = session.timestamp(key);
    if (Math.max(timestamp, value === null ? seen : 0) < newest) {
      return await requester.behind(server, key, newest, timestamp, deadlines);
    }
    session.learn(reply);
    return { server: server.name, value, timestamp, seen };
  });
}

/**
 * Lets a server that has just passed on an answer of the leader confirm what lists and watches have shown:
 * it has that, and it was not lost. So it is acknowledged by now.
 *
 * @returns That the server is behind, `undefined` if it has everything.
 * @throws {LostError} if it was lost.
 */
async function confirmShown(
  requester: Requester,
  server: PooledServer,
  key: string,
  shown: number,
  deadlines: Deadlines,
): Promise<StaleAttempt | undefined> {
  const reply = await requester.ask(server, (id) => probe(id, shown), deadlines);
  if (reply.type === "LIST_OK") requester.session.acknowledge(shown);
  else if (reply.lost) throw new LostError(server.name, key, shown);
  else return await requester.behind(server, key, shown, reply.timestamp, deadlines);
  return undefined;
}

/**
 * The entries whose keys begin with `prefix`, in the order of their keys' bytes in UTF-8, page by page.
 * `call` begins the call of a page.
 */
export async function* readPages(
  requester: Requester,
  prefix: string,
  { after, pageSize = pageSizeDefault }: ListOptions,
  call: () => Call,
): AsyncGenerator<ListedEntry, undefined> {
  let more = true;
  while (more) {
    const page = await readPage(requester, prefix, after, pageSize, call());
    for (const [key, value, timestamp] of page.entries) yield { key, value, timestamp };
    after = page.entries.at(-1)?.[0];
    more = page.more;
  }
}

async function readPage(
  requester: Requester,
  prefix: string,
  after: string | undefined,
  limit: number,
  call: Call,
): Promise<ListOk> {
  const { session } = requester;
  if (session.doubtful(true) !== undefined) await requester.confirmDoubtful(call, true);
  return await requester.try(call, async (server, deadlines) => {
    const atLeast = session.highest;
    const make = (id: number) => new List(id, prefix, after, limit, atLeast);
    const reply = await requester.ask(server, make, deadlines);
    const { highest = 0 } = session;
    // A list shows every key, so it may be older than nothing that was seen meanwhile.
    if (reply.type === "LIST_OK" && reply.timestamp >= highest) {
      session.sawAll(reply.timestamp);
      return reply;
    }
    if ("lost" in reply && reply.lost) throw new LostError(server.name, undefined, atLeast ?? 0);
    return await requester.behind(server, undefined, highest, reply.timestamp, deadlines);
  });
}
