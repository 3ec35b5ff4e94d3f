/**
 * A story on the dashboard: its clients, the servers that it observes, and its feed.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { FaultAction } from "../../lib/wire/events.ts";
import type { ServerControl } from "../stories/local_servers.ts";
import type { Answer, ConditionalWrite, Stage } from "../stories/stage.ts";
import { clientNumber } from "../stories/stories.js";
import type { Client, Copy, Role, ShownStep } from "../stories/story.ts";
import type { Clients } from "./clients.ts";
import type { State } from "./state.ts";

/**
 * The longest time for a step while a PUT waits for a follower: the servers must answer it within
 * their time limit, and a story may have four such steps.
 */
export const heldStepMsMax = 800;

/** What the stage works with. */
export interface StageContext {
  /** The server in each role, as "ip:port". */
  readonly servers: Readonly<Record<Role, string>>;
  /** Ends the story early. */
  readonly signal: AbortSignal;
  /** How long a step is shown. */
  readonly stepMs: number;
  /** The dashboard's clients. */
  readonly clients: Clients;
  /** Stops and starts servers; `undefined` if the dashboard cannot. */
  readonly control: ServerControl | undefined;
  /** What the dashboard knows of the servers. */
  readonly state: Readonly<State>;
  /** Shows a step now. */
  show(step: ShownStep): void;
  /** Pauses or resumes the replication to a follower. */
  fault(follower: string, action: FaultAction): Promise<void>;
}

/** The stage of one story. */
export class DashboardStage implements Stage {
  readonly servers: Readonly<Record<Role, string>>;
  readonly signal: AbortSignal;
  readonly #context: StageContext;
  /** PUTs without an answer. */
  #waitingPuts = 0;

  /** A stage in this context. */
  constructor(context: StageContext) {
    this.servers = context.servers;
    this.signal = context.signal;
    this.#context = context;
  }

  async show(step: ShownStep): Promise<void> {
    const { stepMs, show } = this.#context;
    if (step.index > 0 && step.failure === undefined) {
      const ms = this.#waitingPuts > 0 ? Math.min(stepMs, heldStepMsMax) : stepMs;
      await delay(ms, { signal: this.signal });
    }
    show(step);
  }

  async put(client: Client, key: string, value: string, server: string): Promise<Answer> {
    this.#waitingPuts++;
    try {
      const { clients } = this.#context;
      const { timestamp } = await clients.put(clientNumber(client), key, value, server);
      return { type: "PUT_OK", timestamp };
    } finally {
      this.#waitingPuts--;
    }
  }

  async get(client: Client, key: string, server: string): Promise<Answer> {
    const { clients } = this.#context;
    const { value, timestamp } = await clients.get(clientNumber(client), key, server);
    return value === undefined
      ? { type: "TRY_OTHER_SERVER_OR_LATER", timestamp }
      : { type: "GET_OK", value, timestamp };
  }

  async write(
    client: Client,
    key: string,
    write: ConditionalWrite,
    server: string,
  ): Promise<Answer> {
    const { clients } = this.#context;
    const answer = await clients.write(clientNumber(client), key, write, server);
    const { value = null, timestamp, conflict } = answer;
    return conflict ? { type: "CONFLICT", value, timestamp } : { type: "WRITE_OK", timestamp };
  }

  fault(follower: string, action: FaultAction): Promise<void> {
    return this.#context.fault(follower, action);
  }

  async stop(server: string): Promise<void> {
    await this.#control.stop(server);
  }

  async start(server: string): Promise<void> {
    await this.#control.start(server);
  }

  isUp(server: string): boolean {
    return this.#context.state.servers.some(({ name, up }) => name === server && up);
  }

  copy(server: string, key: string): Copy | undefined {
    return this.#context.state.table.get(key)?.get(server);
  }

  inSync(): number {
    const { open, inSync } = this.#context.state;
    return open ? inSync.length : 0;
  }

  seen(client: Client, key: string): number {
    return this.#context.clients.seen(clientNumber(client), key);
  }

  get #control(): ServerControl {
    const { control } = this.#context;
    if (control === undefined) throw new Error("the dashboard cannot stop servers: use --start");
    return control;
  }
}
