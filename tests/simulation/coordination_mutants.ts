/** Ways to break conditional writes, deletions, times to live, lists and watches. */

import type { Mutant } from "./mutant.ts";

const mutants: readonly Omit<Mutant, "coordination">[] = [
  {
    name: "a deletion is forgotten and the floor stays",
    file: "replication/store.ts",
    find: "this.raiseFloor(this.#tombstones.lowest);",
    replace: "this.#tombstones.delete(this.#tombstones.first!);",
  },
  {
    name: "a key that does not exist stands at 0 in place of the floor",
    file: "replication/store.ts",
    find: "const timestamp = deletedAt ?? this.#floor;",
    replace: "const timestamp = deletedAt ?? 0;",
  },
  {
    name: "the floor is not in a snapshot",
    file: "replication/snapshot.ts",
    find: "floorSettled || undefined,",
    replace: "undefined,",
  },
  {
    name: "the floor is not in SYNC",
    file: "replication/member.ts",
    find: "from, timestamp, floor || undefined, known)",
    replace: "from, timestamp, undefined, known)",
  },
  {
    name: "tombstones are not in a snapshot",
    file: "replication/store.ts",
    find: "left = this.tombstones;",
    replace: "left = 0;",
  },
  {
    name: "a follower keeps a key whose deletion the leader has forgotten",
    file: "replication/snapshot.ts",
    find: `typeof this.#base !== "number" || this.#base >= this.#store.floor`,
    replace: "true",
  },
  {
    name: "a time to live is not in a snapshot",
    file: "replication/snapshot.ts",
    find: "return ttlMs === undefined ?",
    replace: "return true ?",
  },
  {
    name: "a leader that takes over forgets the times to live",
    file: "replication/expirations.ts",
    find: "if (ttlMs !== undefined) this.#due.set(key, now + ttlMs);",
    replace: "",
    also: {
      find: "else assert(unapplied(key)",
      replace: "else expiring++, assert(true",
    },
  },
  {
    name: "a time to live begins at the tick before the write",
    file: "replication/expirations.ts",
    find: "for (const [key, ttlMs] of this.#written.entries()) this.#due.set(key, now + ttlMs);",
    replace:
      "for (const [key, ttlMs] of this.#written.entries()) this.#due.set(key, now - 50 + ttlMs);",
  },
  {
    name: "a write does not begin the time to live again",
    file: "replication/expirations.ts",
    find: "this.#due.delete(key);\n    this.#written.set(",
    replace: "if (this.#due.get(key) === undefined) this.#written.set(",
  },
  {
    name: "a follower removes keys that have a time to live",
    file: "replication/follower.ts",
    find: "this.#forwarded.expire(now);",
    replace: `this.#forwarded.expire(now);
    for (const [key, { ttlMs, timestamp }] of this.#store.entries()) {
      if (ttlMs !== undefined) this.#store.put(key, null, timestamp);
    }`,
  },
  {
    name: "a condition is checked against the table and not against what is stamped",
    file: "replication/sequencer.ts",
    durable: true,
    find: "const unapplied = this.#group === undefined ? undefined : this.#unapplied.get(key);",
    replace: "const unapplied = undefined as Write | undefined;",
  },
  {
    name: "a condition holds for an older write",
    file: "replication/sequencer.ts",
    find: "expected === undefined || expected === entry.timestamp",
    replace: "expected === undefined || (expected > 0 && expected <= entry.timestamp)",
  },
  {
    name: "a key that was deleted cannot be created",
    file: "replication/sequencer.ts",
    find: "if (value !== null && expected === 0) return undefined;",
    replace:
      "if (value !== null && expected === 0 && this.#absentSince(key) === 0) return undefined;",
  },
  {
    name: "GET_LATEST shows what is not committed",
    file: "replication/sequencer.ts",
    find: "if (this.#committed === this.#stamped) return this.#pending.answer(pending, answer);",
    replace: "if (true) return this.#pending.answer(pending, answer);",
  },
  {
    name: "a follower answers GET_LATEST from its own table",
    file: "replication/follower.ts",
    find: "const forwarding = this.#forward(link, request);\n",
    replace: `if (this.readable) {
      return answerGetFrom(this.#store, true, this.#host, link, {
        ...request,
        timestamp: 0,
      } as unknown as Get);
    }
    const forwarding = this.#forward(link, request);
`,
  },
  {
    name: "atLeast is forgotten",
    file: "replication/engine.ts",
    find: "request.timestamp, request.atLeast)",
    replace: "request.timestamp)",
  },
  {
    name: "a leader does not tell its followers what was lost",
    file: "replication/member.ts",
    find: "floor || undefined, known)",
    replace: "floor || undefined)",
  },
  {
    name: "a leader that takes over does not learn the gaps of earlier leaders",
    file: "replication/snapshot.ts",
    find: "gaps.length === 0 ? undefined : gaps.slice(-gapsMax);",
    replace: "undefined;",
  },
  {
    name: "a watch begins without tombstones",
    file: "replication/watch_scan.ts",
    find: "if (after > 0) this.#deletions = store.deletions();",
    replace: "",
  },
  {
    name: "a watch of a key begins without its tombstone",
    file: "replication/watches.ts",
    find: "if (entry === undefined && after === 0) return;",
    replace: "if (entry === undefined) return;",
  },
  {
    name: "a watch is answered by a server that is behind it",
    file: "replication/watches.ts",
    find: "(after > timestamp && !lost)",
    replace: "false",
  },
  {
    name: "a watch from a lost timestamp goes on",
    file: "replication/watches.ts",
    find: "const reset = lost ||",
    replace: "const reset =",
  },
  {
    name: "watchers are not told what a snapshot brought",
    file: "replication/watches.ts",
    find: "if (this.#resyncDue && !this.#store.merging) this.#resync();",
    replace: "this.#resyncDue = false;",
  },
  {
    name: "a list is answered by a server that is behind it",
    file: "replication/lists.ts",
    find: "|| !this.#server.table.covers(atLeast)",
    replace: "|| atLeast < 0",
  },
  {
    name: "the index keeps a key that was deleted",
    file: "replication/key_index.ts",
    find: "else if (!this.#keys.delete(key)) this.#recent.delete(key);",
    replace: "",
  },
  {
    name: "the index keeps a key that came lately and was deleted",
    file: "replication/recent_keys.ts",
    find: "this.#removed.add(key);",
    replace: "",
  },
  {
    name: "the index forgets that a key which was deleted came again",
    file: "replication/recent_keys.ts",
    find: "if (this.#removed.size > 0 && this.#removed.delete(key)) return;",
    replace: "if (this.#removed.has(key)) return;",
  },
  {
    name: "the index misses a key that was created again",
    file: "replication/table_queries.ts",
    find: "if (existed === write.deletes) {",
    replace: "if (existed && write.deletes) {",
  },
  {
    name: "a session does not note what a list or watch has shown",
    file: "client/session.ts",
    find: "this.#applied.add(timestamp);",
    replace: "",
  },
  {
    name: "what a list has shown counts as acknowledged",
    file: "client/session.ts",
    find: "return newest > this.#acknowledged ? newest : undefined;",
    replace: "return undefined;",
  },
  {
    name: "a session forgets a key without a trace",
    file: "client/session.ts",
    find: "this.sawAll(timestamp);\n    }\n  }",
    replace: "void timestamp;\n    }\n  }",
  },
  {
    name: "a session does not doubt what earlier leaders have shown",
    file: "client/highest_by_leader.ts",
    find: "before === undefined || timestamp - before > gapMin",
    replace: "before === undefined",
  },
  {
    name: "a timestamp above all of an open leader's is not lost",
    file: "replication/leader.ts",
    find: "this.#store.leads = true;",
    replace: "",
  },
];

/** The mutants. Every plan in which they are looked for has such requests. */
export const coordinationMutants: readonly Mutant[] = mutants.map((mutant) => ({
  ...mutant,
  coordination: true,
}));
