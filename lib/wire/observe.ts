/**
 * `OBSERVE` and `FAULT`: watching a server, and disturbing its replication on purpose.
 *
 * @module
 */

import type { Counts, FaultAction, ServerEvent } from "./events.ts";
import { Mensagem } from "./message.ts";

/** The `protocol` of an observer that knows all events. An older one does not know those of a WRITE. */
export const eventsProtocol = 2;

/** Client to server: send events, from now until the connection ends. */
export class Observe extends Mensagem<"OBSERVE"> {
  /**
   * `id` comes back in every EVENTS. `protocol` is {@linkcode eventsProtocol} of the observer, 1 if
   * missing: such an observer is not sent the events of WRITEs.
   */
  constructor(readonly id: number, readonly protocol?: number) {
    super("OBSERVE");
  }
}

/** Server to observer, repeatedly: the events since the last EVENTS. */
export class Events extends Mensagem<"EVENTS"> {
  /**
   * `id` is that of the OBSERVE. `server` is the sender's "host:port". `at` is the time of sending, in
   * milliseconds since the Unix epoch. `missed` is the number of events left out since the last
   * EVENTS, because there were too many or the observer reads slowly. The `counts` include them.
   * `events` begin with the oldest.
   */
  constructor(
    readonly id: number,
    readonly server: string,
    readonly at: number,
    readonly missed: number,
    readonly counts: Counts,
    readonly events: readonly ServerEvent[],
  ) {
    super("EVENTS");
  }
}

/** Client to leader: hold or delay the REPLICATIONs to one follower, or stop doing so. */
export class Fault extends Mensagem<"FAULT"> {
  /** `follower` is its "host:port". `delayMs` belongs to "delay" and is ignored otherwise. */
  constructor(
    readonly id: number,
    readonly follower: string,
    readonly action: FaultAction,
    readonly delayMs?: number,
  ) {
    super("FAULT");
  }
}

/** Leader to client: the fault is in effect, or has ended. */
export class FaultOk extends Mensagem<"FAULT_OK"> {
  /** `id` is the request's. */
  constructor(readonly id: number) {
    super("FAULT_OK");
  }
}
