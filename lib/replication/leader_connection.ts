/**
 * A follower's connection to its leader.
 *
 * ```text
 * idle ──time to dial──▶ dialling ──connected──▶ joining ──JOIN_OK──▶ joined
 *   ▲                        │ failed                │ lost             │ lost
 *   └────────────────────────┴───────────────────────┴──────────────────┘
 * ```
 *
 * @module
 */

import { Heartbeat, protocolVersion } from "../mensagem.ts";
import type { Dialler, Host, Link } from "./environment.ts";
import { assert } from "./invariant.ts";
import type { TickClock } from "./tick_clock.ts";
import type { Tuning } from "./tuning.ts";

const heartbeat = new Heartbeat().encode();

/** The one connection that a follower has to its leader, and when the follower dials again. */
export class LeaderConnection {
  readonly #leader: string;
  readonly #host: Pick<Host, "dial" | "random" | "report">;
  readonly #tuning: Tuning;
  readonly #clock: TickClock;
  #state: "idle" | "dialling" | "joining" | "joined" = "idle";
  /** Invariant: defined only in the states "joining" and "joined". */
  #link: Link | undefined;
  /** What the leader knows that last accepted this server. */
  #protocol = 1;
  #heardAt = 0;
  /** When the leader was lost, or first looked for. `undefined` in the state "joined". */
  #lostAt: number | undefined;
  #redialAt = 0;
  /** The next pause before a dial. It doubles each time and starts again after a JOIN_OK. */
  #redialMs: number;
  /** Why the last dial of this outage has failed. */
  #failure: string | undefined;

  /** A connection that is due to be dialled. `leader` is "host:port". */
  constructor(
    leader: string,
    host: Pick<Host, "dial" | "random" | "report">,
    tuning: Tuning,
    clock: TickClock,
  ) {
    this.#leader = leader;
    this.#host = host;
    this.#tuning = tuning;
    this.#clock = clock;
    this.#redialMs = tuning.redialFirstMs;
    this.#lostAt = clock.now;
  }

  /** The link to the leader, `undefined` if there is none. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** The link to the leader once the leader has accepted this server, otherwise `undefined`. */
  get joinedLink(): Link | undefined {
    return this.#state === "joined" ? this.#link : undefined;
  }

  /** Milliseconds since the leader was lost, `undefined` while there is one. */
  get lostForMs(): number | undefined {
    return this.#lostAt === undefined ? undefined : this.#clock.now - this.#lostAt;
  }

  /** Whether the leader has been silent for too long. */
  get silent(): boolean {
    const { silenceMs } = this.#tuning;
    return this.#link !== undefined && this.#clock.now - this.#heardAt > silenceMs;
  }

  /** The leader has sent something. */
  heard(): void {
    this.#heardAt = this.#clock.now;
  }

  /** Whether the leader knows only PUT and GET. Valid once it has accepted this server. */
  get outdated(): boolean {
    return this.#protocol < protocolVersion;
  }

  /** The leader has accepted this server. `protocol` is what it knows, 1 if it does not say so. */
  joined(protocol = 1): void {
    this.#protocol = protocol;
    this.#state = "joined";
    this.#lostAt = undefined;
    this.#redialMs = this.#tuning.redialFirstMs;
    this.#failure = undefined;
    this.#host.report(`joined the leader ${this.#leader}`, "leader");
  }

  /** Dials, or sends a heartbeat, if one of them is due. */
  tick(dialler: Dialler): void {
    if (this.#link !== undefined) {
      if (this.#clock.takeHeartbeat()) this.#link.send(heartbeat);
    } else if (this.#state === "idle" && this.#clock.now >= this.#redialAt) {
      this.#state = "dialling";
      this.#host.dial(dialler);
    }
  }

  /** The dial has succeeded. Returns `false`, and closes the link, if no dial was under way. */
  dialled(link: Link): boolean {
    if (this.#state !== "dialling") {
      link.close();
      return false;
    }
    this.#state = "joining";
    this.#link = link;
    link.betweenServers = true;
    this.heard();
    this.#clock.restartHeartbeats();
    return true;
  }

  /** The dial has failed. Dials again after a pause. */
  dialFailed(reason: string): void {
    if (this.#state !== "dialling") return;
    // Reported once for an outage, not for each try, and again if the reason is another one.
    if (reason !== this.#failure) {
      this.#host.report(
        `cannot reach the leader ${this.#leader}, trying again: ${reason}`,
        "leader",
      );
    }
    this.#failure = reason;
    this.#redialLater();
  }

  /** Gives up the connection. Dials again after a pause. */
  lose(reason: string): void {
    this.#link?.close();
    this.#link = undefined;
    this.#lostAt ??= this.#clock.now;
    this.#host.report(`lost the leader ${this.#leader}: ${reason}`, "leader");
    this.#redialLater();
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    const connected = this.#state === "joining" || this.#state === "joined";
    assert(
      connected === (this.#link !== undefined),
      `the link does not fit the state "${this.#state}"`,
    );
    const { redialFirstMs, redialLongestMs } = this.#tuning;
    const inBounds = this.#redialMs >= redialFirstMs && this.#redialMs <= redialLongestMs;
    assert(inBounds, `the pause before the next dial is ${this.#redialMs} ms`);
  }

  /** The pauses are random, so that followers do not come back all at once. */
  #redialLater(): void {
    this.#state = "idle";
    this.#redialAt = this.#clock.now + this.#redialMs * (0.5 + this.#host.random() / 2);
    this.#redialMs = Math.min(this.#redialMs * 2, this.#tuning.redialLongestMs);
  }
}
