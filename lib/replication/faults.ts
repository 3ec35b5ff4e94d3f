/**
 * The FAULT command: REPLICATIONs to one follower are held or late, to show what that does.
 *
 * @module
 */

import { ErrorReply, type Fault, FaultOk } from "../mensagem.ts";
import type { Host, ReplicationListener } from "./environment.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { TickClock } from "./tick_clock.ts";

/** The longest delay of a fault. */
export const faultDelayMsMax = 60_000;

/** The faults of a leader, at most one for each follower. */
export class Faults {
  readonly #members: Members;
  readonly #host: Pick<Host, "report" | "listener">;
  readonly #clock: TickClock;

  /** No faults yet. */
  constructor(members: Members, host: Pick<Host, "report" | "listener">, clock: TickClock) {
    this.#members = members;
    this.#host = host;
    this.#clock = clock;
  }

  /** Begins, changes or ends a fault, or returns why not. */
  take({ id, follower, action, delayMs }: Fault): FaultOk | ErrorReply {
    if (action === "delay" && (delayMs === undefined || delayMs > faultDelayMsMax)) {
      const reason = `"delayMs" must be from 0 to ${faultDelayMsMax}, not ${delayMs}`;
      return new ErrorReply("BAD_MESSAGE", reason, id);
    }
    const member = this.#members.find(follower);
    if (member === undefined) {
      return new ErrorReply("BAD_MESSAGE", `no follower ${follower} has joined`, id);
    }
    if (action === "resume") this.end(member, "it was resumed");
    else this.#begin(member, action === "pause" ? Infinity : delayMs!);
    return new FaultOk(id);
  }

  /** Ends the fault of a follower, if it has one. */
  end(member: Member, reason: string): void {
    if (!member.endHold()) return;
    this.#host.report(`fault: ended for ${member.server}: ${reason}`, "faults");
    this.#host.listener?.fault(member.server, "resume");
  }

  /** Tells a new listener of the present faults. */
  describe(listener: ReplicationListener): void {
    for (const { server, faultDelayMs } of this.#members) {
      if (faultDelayMs !== undefined) tell(listener, server, faultDelayMs);
    }
  }

  #begin(member: Member, delayMs: number): void {
    const { server } = member;
    member.hold(delayMs, this.#clock.now, () => this.end(member, "too much is held"));
    const effect = delayMs === Infinity ? "held" : `${delayMs} ms late`;
    this.#host.report(`fault: REPLICATIONs to ${server} are ${effect}`, "faults");
    if (this.#host.listener !== undefined) tell(this.#host.listener, server, delayMs);
  }
}

function tell(listener: ReplicationListener, server: string, delayMs: number): void {
  if (delayMs === Infinity) listener.fault(server, "pause");
  else listener.fault(server, "delay", delayMs);
}
