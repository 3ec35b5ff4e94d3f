/**
 * What a leader decides when a JOIN comes.
 *
 * @module
 */

import { ErrorReply, type Join } from "../mensagem.ts";
import type { Host, Link } from "./environment.ts";
import { joinRefusal } from "./join_policy.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { Recovery } from "./recovery.ts";
import { farAhead } from "./timestamps.ts";
import type { Tuning } from "./tuning.ts";

/** A member that has to leave because another server joins. */
export interface Leaving {
  /** The member. */
  readonly member: Member;
  /** Why it leaves. */
  readonly reason: string;
}

/** The parts of the leader that decide. */
export interface EntranceOptions {
  /** "host:port" of the leader. */
  readonly self: string;
  /** The followers that have joined. */
  readonly members: Members;
  /** What the leader's table is, and what its disk held. */
  readonly recovery: Recovery;
  /** Where refusals are reported. */
  readonly host: Pick<Host, "report">;
  /** How many servers the cluster has. */
  readonly tuning: Pick<Tuning, "clusterSize">;
}

/** Decides about each JOIN, and tells those that it refuses. */
export class Entrance {
  readonly #options: EntranceOptions;

  /** An entrance to the cluster of these members. */
  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  /**
   * Decides about a JOIN that came over `link`, for a leader at `timestamp`, with or without deletions
   * and times to live. Returns the members that must leave before the follower is added, `undefined` if
   * the JOIN is refused.
   */
  decide(
    link: Link,
    join: Join,
    { timestamp, beyondPuts }: { readonly timestamp: number; readonly beyondPuts: boolean },
  ): Leaving[] | undefined {
    const { self, members, recovery, tuning: { clusterSize } } = this.#options;
    // This process's earlier connection does not count, and ends only if the JOIN is accepted.
    const earlier = members.findRedialling(join);
    const joined = members.joined.filter((other) => other !== earlier?.joined);
    const { cluster, gaps, ownCluster } = recovery;
    const repeated = members.has(link);
    const known = { cluster, timestamp, gaps, beyondPuts, ownCluster };
    const context = { self, clusterSize, repeated, joined, ...known };
    const refusal = joinRefusal(join, context);
    if (refusal !== undefined) return this.#refuse(link, join, refusal);
    const leaving = earlier === undefined
      ? []
      : [{ member: earlier, reason: "it has dialled again" }];
    const all = [...joined, join];
    // A leader with a table knows its highest timestamp. Without one it compares the servers.
    if (cluster !== "" || all.length < clusterSize - 1) return leaving;
    const far = farAhead(all, recovery.ownHighest);
    if (far === undefined) return leaving;
    const reply = new ErrorReply("FORBIDDEN", far.reason);
    if (far.join === join) return this.#refuse(link, join, reply);
    const member = members.find(far.join.server)!;
    member.link.send(reply.encode());
    return [...leaving, { member, reason: far.reason }];
  }

  #refuse(link: Link, { server }: Join, refusal: ErrorReply): undefined {
    link.send(refusal.encode());
    link.close();
    this.#options.host.report(`refused ${server}: ${refusal.message}`, "refused");
  }
}
