/**
 * TRY_OTHER_SERVER_OR_LATER, brought about by nothing but a late replication.
 *
 * @module
 */

import type { FaultAction } from "../../lib/wire/events.ts";
import type { Answer } from "./clients.ts";
import type { Story } from "./item.ts";

/** How often the demonstration asks a follower that should have caught up. */
export const demoRetriesMax = 5;

/** What the demonstration needs of the world. */
export interface Stage {
  /** "ip:port" of the leader. */
  readonly leader: string;
  /** "ip:port" of the follower that is held back. */
  readonly follower: string;
  /** Writes as one of the clients. */
  put(client: number, key: string, value: string, server: string): Promise<Answer>;
  /** Reads as one of the clients. */
  get(client: number, key: string, server: string): Promise<Answer>;
  /** Disturbs the replication towards the follower. */
  fault(action: FaultAction): Promise<void>;
  /** Tells the step that comes next, or what one has led to. */
  tell(story: Story): void;
  /** Gives people the time to look. */
  pause(): Promise<void>;
}

const reader = 1;
const writer = 2;
const key = "cor";
const colours = ["azul", "verde", "amarelo", "roxo"] as const;

/**
 * One client reads a new value at the leader and asks a follower that does not have it yet.
 * Whatever happens, the follower is no longer held back when it ends.
 */
export async function demonstrate(stage: Stage): Promise<void> {
  const { leader, follower } = stage;
  let value = "";
  const tell = (step: Story["step"], more: Partial<Story> = {}) =>
    stage.tell({ step, leader, follower, key, value, ...more });
  let held = false;
  let writing: Promise<Answer> | undefined;
  try {
    // The follower should have something older, so that there is something to refuse.
    const before = (await stage.get(writer, key, leader)).value;
    if (before === null) await stage.put(writer, key, colours[0], leader);
    value = colours.find((colour) => colour !== (before ?? colours[0]))!;

    tell("pause");
    held = true;
    await stage.fault("pause");
    await stage.pause();

    tell("put");
    writing = stage.put(writer, key, value, leader);
    writing.catch(() => {}); // it is awaited below, or something else has failed already
    await stage.pause();

    const { timestamp: seen } = await stage.get(reader, key, leader);
    tell("seen", { seen });
    await stage.pause();

    const refused = await stage.get(reader, key, follower);
    if (refused.value !== undefined) throw new Error(`${follower} was not held back`);
    tell("refused", { seen: refused.seen, own: refused.timestamp });
    await stage.pause();

    tell("resume");
    await stage.fault("resume");
    held = false;
    const { timestamp } = await writing;
    tell("stored", { own: timestamp });
    await stage.pause();

    tell("caught_up", { own: await getUntilAnswered(stage) });
    tell("done");
  } catch (error) {
    tell("failed", { reason: (error as Error).message });
  } finally {
    if (held) await stage.fault("resume").catch(() => {});
    await writing?.catch(() => {});
  }
}

/** The timestamp with which the follower answers. It has acknowledged the write before. */
async function getUntilAnswered({ get, follower, pause }: Stage): Promise<number> {
  for (let tries = 0; tries < demoRetriesMax; tries++) {
    const { value, timestamp } = await get(reader, key, follower);
    if (value !== undefined) return timestamp;
    await pause();
  }
  throw new Error(`${follower} has not caught up`);
}
