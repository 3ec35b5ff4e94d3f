/**
 * A demonstration of TRY_OTHER_SERVER_OR_LATER. Its only cause is a late REPLICATION.
 *
 * @module
 */

import type { FaultAction } from "../../lib/wire/events.ts";
import type { Answer } from "./clients.ts";
import type { DemoStep } from "./item.ts";

/** The most GETs that the demonstration sends to a follower that has yet to catch up. */
export const demoGetsMax = 5;

/** What the demonstration works with. Servers are given as "ip:port". */
export interface DemoContext {
  /** The leader. */
  readonly leader: string;
  /** The follower whose replication is paused. */
  readonly follower: string;
  /** Writes as one of the dashboard's clients. */
  put(client: number, key: string, value: string, server: string): Promise<Answer>;
  /** Reads as one of the dashboard's clients. */
  get(client: number, key: string, server: string): Promise<Answer>;
  /** Pauses, delays or resumes the replication to the follower. */
  fault(action: FaultAction): Promise<void>;
  /** Shows that the demonstration has reached a step. */
  show(step: DemoStep): void;
  /** Waits until people have had time to read the last step. */
  wait(): Promise<void>;
}

const reader = 1;
const writer = 2;
const key = "cor";
const values = ["azul", "verde", "amarelo", "roxo"] as const;

/**
 * Lets a client read a new value at the leader, and then ask a follower that does not have it yet.
 *
 * - An error is shown as the step "failed" and not thrown.
 * - When it ends, the follower's replication is no longer paused.
 */
export async function demonstrate(context: DemoContext): Promise<void> {
  const { leader, follower } = context;
  let value = "";
  const show = (name: DemoStep["name"], more: Partial<DemoStep> = {}) =>
    context.show({ name, leader, follower, key, value, ...more });
  let paused = false;
  let writing: Promise<Answer> | undefined;
  try {
    // The follower gets an older value, so that the page can show both timestamps.
    const before = (await context.get(writer, key, leader)).value;
    if (before === null) await context.put(writer, key, values[0], leader);
    value = values.find((one) => one !== (before ?? values[0]))!;

    show("pause");
    paused = true;
    await context.fault("pause");
    await context.wait();

    show("put");
    writing = context.put(writer, key, value, leader);
    writing.catch(() => {}); // awaited below, unless another step fails first
    await context.wait();

    const { timestamp: seen } = await context.get(reader, key, leader);
    show("seen", { seen });
    await context.wait();

    const refused = await context.get(reader, key, follower);
    if (refused.value !== undefined) {
      throw new Error(`${follower} answered the GET although its replication is paused`);
    }
    show("refused", { seen: refused.seen, own: refused.timestamp });
    await context.wait();

    show("resume");
    await context.fault("resume");
    paused = false;
    const { timestamp } = await writing;
    show("stored", { own: timestamp });
    await context.wait();

    show("caught_up", { own: await getUntilAnswered(context) });
    show("done");
  } catch (error) {
    show("failed", { reason: (error as Error).message });
  } finally {
    if (paused) await context.fault("resume").catch(() => {});
    await writing?.catch(() => {});
  }
}

/** Sends GETs until the follower answers one. Returns the timestamp of the answer. */
async function getUntilAnswered({ get, follower, wait }: DemoContext): Promise<number> {
  for (let gets = 0; gets < demoGetsMax; gets++) {
    const { value, timestamp } = await get(reader, key, follower);
    if (value !== undefined) return timestamp;
    await wait();
  }
  throw new Error(`${follower} has not caught up after ${demoGetsMax} GETs`);
}
