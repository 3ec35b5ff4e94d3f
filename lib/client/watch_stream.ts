/**
 * The part of a watch that one server serves.
 *
 * @module
 */

import { deferred } from "../deferred.ts";
import { type Changes, type TryOther, Watch, type WatchTarget } from "../mensagem.ts";
import { AccessError, KvError, ProtocolError, UnavailableError } from "./errors.ts";
import { loopClock } from "./loop_clock.ts";
import { onAbort } from "./on_abort.ts";
import { probe, type Requester } from "./requester.ts";
import type { PooledServer } from "./server_pool.ts";

/** How often a watch looks whether its server is silent. */
const lookEveryMs = 1_000;

/**
 * A server is lost after this number of looks without a CHANGES. It sends one each second. Looks are
 * counted, and not milliseconds, because a program that blocks its event loop reads nothing.
 */
const silentLooksMax = 5;

/** How long a server may take to say how far it is. */
const standingMs = 1_000;

/** What one server is asked for, and what becomes of its answers. */
export interface StreamOptions {
  /** The key or the prefix. */
  readonly target: WatchTarget;
  /** Changes after this timestamp. */
  readonly after: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Gets a function that ends the stream, and `undefined` when it has ended. */
  readonly onPause: (pause: (() => void) | undefined) => void;
  /** Takes changes of the target. */
  readonly onChanges: (changes: Changes) => void;
  /** How often to look whether the server is silent, in milliseconds. 1,000 by default. */
  readonly lookEveryMs?: number;
}

/**
 * The timestamp up to which a server has applied everything, if that is `atLeast`; the refusal or the
 * error if it is not. `undefined` if the signal was aborted.
 */
export async function standingOf(
  requester: Requester,
  server: PooledServer,
  atLeast: number,
  signal: AbortSignal,
): Promise<number | TryOther | KvError | undefined> {
  const since = loopClock.now();
  const by = since + standingMs;
  const make = (id: number) => probe(id, atLeast);
  try {
    const reply = await requester.ask(server, make, { since, sendBy: by, answerBy: by, signal });
    return reply.type === "LIST_OK" ? reply.timestamp : reply;
  } catch (error) {
    if (error instanceof KvError) return error;
    if (signal.aborted) return undefined;
    throw error;
  }
}

/**
 * Receives changes from one server. Resolves with why the server sends no more; with `undefined` if
 * this end has ended it.
 */
export async function runStream(
  { pool }: Requester,
  server: PooledServer,
  options: StreamOptions,
): Promise<KvError | TryOther | undefined> {
  const { target, after, signal, onPause, onChanges } = options;
  if (signal.aborted) return undefined;
  const connection = pool.connection(server);
  const ended = deferred<KvError | TryOther | undefined>();
  let looks = 0;
  let answered = false;
  let unwatch = () => {};
  const timer = setInterval(() => {
    if (++looks < silentLooksMax) return;
    connection.retire(); // so that the next attempt gets a new one
    ended.resolve(new UnavailableError(server.name, "the server was silent"));
  }, options.lookEveryMs ?? lookEveryMs);
  const stopListening = onAbort(signal, () => ended.resolve(undefined));
  onPause(() => ended.resolve(undefined));
  try {
    unwatch = connection.watches.add((id) => new Watch(id, target, after), {
      changes: (changes) => {
        checkKeys(changes, target);
        looks = 0;
        if (!answered) pool.answered(server);
        answered = true;
        onChanges(changes);
      },
      ended: (why) => {
        if (!(why instanceof Error)) pool.answered(server);
        ended.resolve(why);
      },
    });
    const why = await ended.promise;
    const refused = why instanceof AccessError && !(why instanceof ProtocolError);
    if (why instanceof KvError && (refused || !connection.alive)) {
      pool.failed(server, connection, why);
    }
    return why;
  } catch (error) {
    if (error instanceof KvError) return error; // the connection has ended meanwhile
    throw error;
  } finally {
    onPause(undefined);
    clearInterval(timer);
    stopListening();
    unwatch();
  }
}

/** Throws if a change is not of the target: the server breaks the protocol. */
function checkKeys({ changes }: Changes, { key, prefix }: WatchTarget): void {
  for (const [changed] of changes) {
    const fits = key === undefined ? changed.startsWith(prefix) : changed === key;
    if (!fits) throw new Error("CHANGES has a key that is not watched");
  }
}
