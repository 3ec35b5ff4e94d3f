/**
 * Writes: plain and conditional ones, deletions, and updates.
 *
 * @module
 */

import { WriteRequest } from "../mensagem.ts";
import { checkEntry } from "./arguments.ts";
import { delay } from "./delay.ts";
import { ConflictError, UnavailableError } from "./errors.ts";
import { loopClock } from "./loop_clock.ts";
import { readLatest } from "./reading.ts";
import type { Call } from "./request_queue.ts";
import type { Requester } from "./requester.ts";
import type { CreateOptions, PutResult, UpdateResult, WriteOptions } from "./results.ts";
import { jittered } from "./server_pool.ts";

/** Conflicts of an update that are followed by another try at once. One of all writers succeeds. */
const conflictsAtOnce = 4;

/** The first pause of an update after a conflict. It doubles with each further one. */
const conflictPauseFirstMs = 4;

/** The longest pause of an update after a conflict. */
const conflictPauseMsMax = 250;

/**
 * Writes a value, or deletes the key with `null`, under the condition of the options.
 *
 * @throws {ConflictError} if the condition does not hold.
 */
export async function write(
  requester: Requester,
  key: string,
  value: string | null,
  { ifTimestamp, ttlMs }: WriteOptions,
  call: Call,
): Promise<PutResult> {
  const [name, reply] = await requester.try(call, async (server, deadlines) => {
    const make = (id: number) => new WriteRequest(id, key, value, ifTimestamp, ttlMs);
    const reply = await requester.askWrite(server, make, deadlines);
    return [server.name, reply] as const;
  });
  requester.session.learn(reply);
  const { timestamp } = reply;
  if (reply.type === "WRITE_OK") return { server: name, timestamp };
  throw new ConflictError(name, key, reply.value, timestamp, ifTimestamp!);
}

/** What a key is to become: a value, `null` to delete it, `undefined` to leave it as it is. */
export type Change = (
  old: string | null,
  timestamp: number,
) => string | null | undefined | Promise<string | null | undefined>;

/**
 * Writes what `change` makes of the present value, again after each conflict until the deadline.
 *
 * @throws {ConflictError} if it gives up after a conflict, at the deadline or because no server could be
 * used any more.
 * @throws {UnavailableError} if `change` ends after the deadline. Nothing was written by this call.
 */
export async function update(
  requester: Requester,
  key: string,
  change: Change,
  { ttlMs }: CreateOptions,
  call: Call,
): Promise<UpdateResult> {
  let { server, value, timestamp } = await readLatest(requester, key, call);
  let conflict: ConflictError | undefined;
  for (let conflicts = 0;; conflicts++) {
    const changed = await change(value, timestamp);
    call.signal?.throwIfAborted();
    const left = value === null && changed === null;
    if (changed === undefined || left) return { server, value, timestamp };
    const now = loopClock.now();
    if (now >= call.deadline) {
      const ms = Math.round(call.deadline - call.since);
      const reason =
        `not sent within ${ms} ms: the function of the update took longer. Allow more ` +
        "time (timeoutMs)";
      throw insteadOf(new UnavailableError(server, reason), conflict);
    }
    if (changed === null) checkEntry(key);
    else checkEntry(key, changed);
    const ifTimestamp = value === null ? 0 : timestamp;
    const condition = { ifTimestamp, ttlMs: changed === null ? undefined : ttlMs };
    try {
      const written = await write(requester, key, changed, condition, {
        ...call,
        since: now,
        chars: key.length + (changed?.length ?? 0),
        write: true,
      });
      return { ...written, value: changed };
    } catch (error) {
      if (!(error instanceof ConflictError)) throw insteadOf(error, conflict);
      conflict = error;
      // What the conflict shows is as new as a read, unless there is a pause.
      ({ server, value, timestamp } = error);
      const pauses = conflicts - conflictsAtOnce;
      if (pauses < 0) continue;
      const pauseMs = Math.min(conflictPauseFirstMs * 2 ** pauses, conflictPauseMsMax);
      const ms = jittered(pauseMs, requester.random);
      if (loopClock.now() + ms >= call.deadline) throw error;
      await delay(ms, requester.closing, ...(call.signal ? [call.signal] : []));
      try {
        ({ server, value, timestamp } = await readLatest(requester, key, call));
      } catch (failure) {
        throw insteadOf(failure, conflict);
      }
    }
  }
}

/** The error of an update that could not go on after a conflict: nothing was written by it. */
function insteadOf(failure: unknown, conflict: ConflictError | undefined): unknown {
  return failure instanceof UnavailableError && conflict !== undefined ? conflict : failure;
}
