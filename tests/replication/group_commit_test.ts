import { assertEquals } from "@std/assert";
import { Put } from "../../lib/mensagem.ts";
import { groupCharsMax, GroupCommit, groupPutsMax } from "../../lib/replication/group_commit.ts";
import { PendingRequests } from "../../lib/replication/pending_requests.ts";

const pure = { permissions: "none" } as const;
const none = (): void => {};

/** A real group commit at a fake leader. */
class Harness {
  readonly pending = new PendingRequests({
    prints: { put: none, forwarding: none, replication: none, putOk: none, get: none },
  });
  readonly group: GroupCommit;
  /** Whether PUTs are taken and every stamped write is committed. */
  ready = true;
  /** The ids of the PUTs that had waited, one list for each group. */
  readonly stamped: number[][] = [];
  /** The wait for further PUTs, `undefined` if there is none. */
  wait: (() => void) | undefined;
  #timestamp = 0;

  constructor() {
    const waitForPuts = (run: () => void) => {
      this.wait = run;
      return () => this.wait = undefined;
    };
    this.group = new GroupCommit(this.pending, { waitForPuts }, {
      readyForGroup: () => this.ready,
      stampWaiting: () => {
        const ids: number[] = [];
        for (let next = this.pending.nextWaiting(); next; next = this.pending.nextWaiting()) {
          ids.push(next.id);
          this.pending.placed(
            Object.assign(next, { request: undefined, timestamp: ++this.#timestamp }),
          );
        }
        this.stamped.push(ids);
        this.ready = false;
      },
    });
  }

  /** PUTs arrive in one turn. Returns the ids of those that are stamped with it. */
  put(ids: readonly number[], value = ""): number[] {
    const admitted: number[] = [];
    for (const id of ids) {
      const link = { peer: "", betweenServers: false, send: none, close: none };
      const put = new Put(id, "k", value);
      const pending = {
        ...{ link, id, isPut: true, request: put, key: "", timestamp: 0, answer: undefined },
        ...{ client: "", deadline: 0 },
      };
      if (this.group.admits()) {
        admitted.push(id);
        this.pending.placed(Object.assign(pending, { timestamp: ++this.#timestamp }));
        this.ready = false;
      } else this.pending.wait(pending);
    }
    this.group.endTurn();
    return admitted;
  }

  /** Every stamped write is committed. */
  commit(): void {
    this.group.committing();
    this.pending.commit(this.#timestamp);
    this.ready = true;
    if (this.pending.waiting > 0) this.group.stampIfComplete();
  }
}

Deno.test("the first PUT is stamped at once, and so are the PUTs of the same turn", pure, () => {
  const harness = new Harness();
  assertEquals(harness.put([1, 2, 3]), [1, 2, 3]);
});

Deno.test("PUTs that come before the commit wait for it, and are stamped together", pure, () => {
  const harness = new Harness();
  harness.put([1]);
  assertEquals(harness.put([2, 3]), []);
  harness.stamped.length = 0;
  harness.commit();
  harness.wait?.(); // three were unanswered at the commit, and only two of them wait
  assertEquals(harness.stamped, [[2, 3]]);
});

Deno.test("a group waits for as many PUTs as were answered", pure, () => {
  const harness = new Harness();
  harness.put([1, 2, 3]);
  harness.commit();
  harness.stamped.length = 0;
  assertEquals([harness.put([4]), harness.put([5]), harness.stamped], [[], [], []]);
  assertEquals(harness.wait === undefined, false);
  assertEquals(harness.put([6]), [6]);
  assertEquals([harness.stamped, harness.wait], [[[4, 5]], undefined]);
});

Deno.test("the end of the wait stamps only if the group before is committed", pure, () => {
  const harness = new Harness();
  harness.put([1, 2]);
  harness.commit();
  harness.put([3]);
  harness.ready = false;
  harness.stamped.length = 0;
  harness.wait!();
  assertEquals(harness.stamped, []);
});

Deno.test("a full group, or one with much text, is stamped at once", pure, () => {
  const harness = new Harness();
  harness.put(Array.from({ length: groupPutsMax * 2 }, (_, id) => id));
  harness.commit();
  for (let id = 1; id < groupPutsMax; id++) assertEquals(harness.put([id]), []);
  assertEquals(harness.put([groupPutsMax]), [groupPutsMax]);

  assertEquals(harness.put([101], "x".repeat(groupCharsMax)), []);
  assertEquals(harness.put([102]), [102]);
});
