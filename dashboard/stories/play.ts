/**
 * Plays a story, and checks that each command gives what the story says.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { UnavailableError } from "../../lib/client/errors.ts";
import type { Answer, Stage } from "./stage.ts";
import type { Client, Command, Copy, Failure, Role, ShownStep, Story } from "./story.ts";
import { expect, textOf, WrongStep } from "./wrong_step.ts";

/** Pause between two looks at a server. */
const pollMs = 5;

/** How long a story waits for what a command says. */
export const waitMsMax = 10_000;

/**
 * Plays a story to its end. Returns why it failed, `undefined` if it did not.
 *
 * - Each step is shown before its commands run. The step "done" or "failed" is shown at the end.
 * - When it ends, no replication is held any more, and no server is stopped.
 */
export async function play(story: Story, stage: Stage): Promise<Error | undefined> {
  const run = new Run(story, stage);
  const errors: Error[] = [];
  for (const act of [() => run.play(), () => run.release(), () => run.restart()]) {
    await act().catch((error) => errors.push(error));
  }
  const [error] = errors;
  await run.showEnd(error).catch((error) => errors.push(error));
  return errors[0];
}

/** A story under way. */
class Run {
  readonly #story: Story;
  readonly #stage: Stage;
  /** What the writes have written whose timestamp is known, by their names. */
  readonly #writes = new Map<string, Copy>();
  /** The PUTs that nothing has waited for yet, by their names. */
  readonly #later = new Map<string, { readonly value: string; readonly answer: Promise<Answer> }>();
  /** Those of them that have an answer. */
  readonly #answered = new Set<string>();
  /** The followers whose replication is held. */
  readonly #held = new Set<Role>();
  /** The servers that were stopped. */
  readonly #stopped = new Set<Role>();

  constructor(story: Story, stage: Stage) {
    this.#story = story;
    this.#stage = stage;
  }

  async play(): Promise<void> {
    for (const [index, { name, commands }] of this.#story.steps.entries()) {
      await this.#stage.show(this.#shown(name, index));
      for (const command of commands) {
        this.#stage.signal.throwIfAborted();
        await this.#do(command);
      }
    }
  }

  /** Resumes all replication, and waits until no PUT is under way. */
  async release(): Promise<void> {
    const resumed = await Promise.allSettled(
      [...this.#held].map((follower) => this.#fault(follower, "resume")),
    );
    await Promise.allSettled([...this.#later.values()].map(({ answer }) => answer));
    throwFirst(resumed);
  }

  /** Starts all servers that were stopped. */
  async restart(): Promise<void> {
    const { servers } = this.#stage;
    throwFirst(
      await Promise.allSettled([...this.#stopped].map((role) => this.#stage.start(servers[role]))),
    );
  }

  async showEnd(error: Error | undefined): Promise<void> {
    const index = this.#story.steps.length;
    if (error === undefined) return await this.#stage.show(this.#shown("done", index));
    const failure: Failure = error instanceof WrongStep
      ? { expected: error.expected, got: error.got }
      : { reason: error.message };
    await this.#stage.show({ ...this.#shown("failed", index), failure });
  }

  #shown(name: string, index: number): ShownStep {
    const { id: story, key } = this.#story;
    const { servers } = this.#stage;
    const seen = (client: Client) => this.#stage.seen(client, key);
    return {
      ...{ story, name, index, key, servers },
      seen: { A: seen("A"), B: seen("B"), C: seen("C"), D: seen("D") },
      writes: Object.fromEntries(this.#writes),
    };
  }

  async #do(command: Command): Promise<void> {
    const stage = this.#stage;
    const { key } = this.#story;
    switch (command.do) {
      case "put": {
        const { by, at, value, as, later } = command;
        const answer = stage.put(by, key, value, stage.servers[at]);
        if (later === undefined) return this.#name(as, value, await answer, "PUT_OK");
        const answered = () => void this.#answered.add(as);
        answer.then(answered, answered);
        this.#later.set(as, { value, answer });
        return;
      }
      case "unavailable": {
        const { by, at, value } = command;
        const answer = await stage.put(by, key, value, stage.servers[at]).catch((error) => {
          if (error instanceof UnavailableError) return undefined;
          throw error;
        });
        if (answer !== undefined) throw new WrongStep("UNAVAILABLE", textOf(answer));
        return;
      }
      case "unanswered":
        if (!this.#answered.has(command.put)) return;
        throw new WrongStep("…", textOf(await this.#later.get(command.put)!.answer));
      case "answered":
        return await this.#takeAnswers(command.puts, command.newest);
      case "get": {
        const answer = await stage.get(command.by, key, stage.servers[command.at]);
        return expect({ type: "GET_OK", ...this.#write(command.sees) }, answer);
      }
      case "refused": {
        const answer = await stage.get(command.by, key, stage.servers[command.at]);
        const timestamp = this.#timestamp(command.standsAt);
        return expect({ type: "TRY_OTHER_SERVER_OR_LATER", timestamp }, answer);
      }
      case "write":
      case "conflict": {
        const { by, at, value } = command;
        const ttl = "ttlMs" in command ? { ttlMs: command.ttlMs } : {};
        const write = { value, expected: this.#timestamp(command.expected), ...ttl };
        const answer = await stage.write(by, key, write, stage.servers[at]);
        if (command.do === "write") return this.#name(command.as, value, answer, "WRITE_OK");
        return expect({ type: "CONFLICT", ...this.#write(command.standsAt) }, answer);
      }
      case "hold":
        this.#held.add(command.follower);
        return await this.#fault(command.follower, "pause");
      case "release":
        await this.#fault(command.follower, "resume");
        return void this.#held.delete(command.follower);
      case "stop":
      case "start":
        return await this.#stopOrStart(command.do, command.server);
      case "has":
        return await this.#untilHas(stage.servers[command.server], command.write);
      case "in sync": {
        let inSync = 0;
        const met = async () => (inSync = await stage.inSync()) === command.servers;
        return await this.#until(met, `${command.servers} in sync`, () => `${inSync} in sync`);
      }
    }
  }

  async #fault(follower: Role, action: "pause" | "resume"): Promise<void> {
    await this.#stage.fault(this.#stage.servers[follower], action);
  }

  async #stopOrStart(action: "stop" | "start", role: Role): Promise<void> {
    const stage = this.#stage;
    const server = stage.servers[role];
    if (action === "stop") {
      this.#stopped.add(role);
      await stage.stop(server);
      return await this.#until(() => !stage.isUp(server), `${server} down`, () => "up");
    }
    await stage.start(server);
    await this.#until(() => stage.isUp(server), `${server} up`, () => "down");
    this.#stopped.delete(role);
  }

  async #takeAnswers(puts: readonly string[], newest: string | undefined): Promise<void> {
    for (const put of puts) {
      const { value, answer } = this.#later.get(put)!;
      this.#name(put, value, await answer, "PUT_OK");
      this.#later.delete(put);
    }
    if (newest === undefined) return;
    const copies = puts.map((put) => this.#write(put));
    const last = copies.reduce((a, b) => a.timestamp > b.timestamp ? a : b);
    this.#writes.set(newest, last);
  }

  /**
   * Waits until a server has a write, or a deletion if there is no name. What has no timestamp yet is
   * newer than all writes before. A PUT without an answer has its timestamp then.
   */
  async #untilHas(server: string, name: string | null): Promise<void> {
    const { key } = this.#story;
    const known = name === null
      ? { value: null }
      : this.#writes.get(name) ?? this.#later.get(name)!;
    const { value, timestamp } = { timestamp: undefined, ...known };
    const newest = Math.max(0, ...this.#writes.values().map((write) => write.timestamp));
    const has = () => {
      const copy = this.#stage.copy(server, key);
      if (copy?.value !== value) return false;
      return timestamp === undefined ? copy.timestamp > newest : copy.timestamp === timestamp;
    };
    await this.#until(has, `${value ?? "NULL"} ${timestamp ?? ""}`.trim(), () => {
      const copy = this.#stage.copy(server, key);
      return copy === undefined ? "…" : `${copy.value ?? "NULL"} ${copy.timestamp}`;
    });
    if (name !== null) this.#writes.set(name, this.#stage.copy(server, key)!);
  }

  async #until(
    met: () => boolean | Promise<boolean>,
    expected: string,
    got: () => string,
  ): Promise<void> {
    const end = performance.now() + waitMsMax;
    while (!await met()) {
      if (performance.now() > end) throw new WrongStep(expected, got());
      await delay(pollMs, { signal: this.#stage.signal });
    }
  }

  /** Gives the write that an answer is about its name. */
  #name(name: string, value: string | null, answer: Answer, type: Answer["type"]): void {
    const timestamp = this.#writes.get(name)?.timestamp ?? answer.timestamp;
    expect({ type, timestamp }, answer);
    this.#writes.set(name, { value, timestamp });
  }

  #write(name: string): Copy {
    const write = this.#writes.get(name);
    if (write === undefined) throw new RangeError(`no write has the name ${name} yet`);
    return write;
  }

  #timestamp(name: string | null): number {
    return name === null ? 0 : this.#write(name).timestamp;
  }
}

/** Throws the reason of the first failure, once all have ended. */
function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
