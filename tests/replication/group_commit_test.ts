import { assertEquals } from "@std/assert";
import { Put } from "../../lib/mensagem.ts";
import { groupCharsMax, GroupCommit, groupPutsMax } from "../../lib/replication/group_commit.ts";
import { PendingPuts } from "../../lib/replication/pending_puts.ts";

const pure = { permissions: "none" } as const;
const none = (): void => {};

/** A leader of which only the grouping of PUTs is real. */
class Desk {
  readonly pending = new PendingPuts({
    prints: { put: none, forwarding: none, replication: none, putOk: none, get: none },
  });
  readonly group: GroupCommit;
  /** Whether PUTs are taken and every stamped write is committed. */
  ready = true;
  /** The ids of the PUTs that were stamped, one list for each time. */
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
          this.pending.stamped(
            Object.assign(next, { put: undefined, timestamp: ++this.#timestamp }),
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
      const pending = { link, id, put, key: "", timestamp: 0, client: "", deadline: 0 };
      if (this.group.admits()) {
        admitted.push(id);
        this.pending.stamped(Object.assign(pending, { timestamp: ++this.#timestamp }));
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

Deno.test("the first PUT begins a group at once, and its turn belongs to it", pure, () => {
  const desk = new Desk();
  assertEquals(desk.put([1, 2, 3]), [1, 2, 3]);
});

Deno.test("PUTs that come before the commit wait for it, then go together", pure, () => {
  const desk = new Desk();
  desk.put([1]);
  assertEquals(desk.put([2, 3]), []);
  desk.stamped.length = 0;
  desk.commit();
  desk.wait?.(); // three were unanswered at the commit, and only two of them wait
  assertEquals(desk.stamped, [[2, 3]]);
});

Deno.test("a group waits until as many PUTs are there as were answered", pure, () => {
  const desk = new Desk();
  desk.put([1, 2, 3]);
  desk.commit();
  desk.stamped.length = 0;
  assertEquals([desk.put([4]), desk.put([5]), desk.stamped], [[], [], []]);
  assertEquals(desk.wait === undefined, false);
  assertEquals(desk.put([6]), [6]);
  assertEquals([desk.stamped, desk.wait], [[[4, 5]], undefined]);
});

Deno.test("the end of the wait stamps only if the group before is committed", pure, () => {
  const desk = new Desk();
  desk.put([1, 2]);
  desk.commit();
  desk.put([3]);
  desk.ready = false;
  desk.stamped.length = 0;
  desk.wait!();
  assertEquals(desk.stamped, []);
});

Deno.test("a full group, or one with much text, waits for nothing", pure, () => {
  const desk = new Desk();
  desk.put(Array.from({ length: groupPutsMax * 2 }, (_, id) => id));
  desk.commit();
  for (let id = 1; id < groupPutsMax; id++) assertEquals(desk.put([id]), []);
  assertEquals(desk.put([groupPutsMax]), [groupPutsMax]);

  assertEquals(desk.put([101], "x".repeat(groupCharsMax)), []);
  assertEquals(desk.put([102]), [102]);
});
