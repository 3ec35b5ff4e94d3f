/**
 * Sessions in a small model of a cluster: one log, servers that are behind, deletions with tombstones
 * and a floor, a leader that dies with writes that the others lack. Clients read and list anywhere.
 */

import { assert } from "@std/assert";
import { Session } from "../../lib/client/session.ts";
import { GetOk, PutOk } from "../../lib/mensagem.ts";
import { givenSeed, Random } from "../support/random.ts";

const keys = ["a", "b", "c", "d"];
const skip = 2 ** 32;

type Write = readonly [timestamp: number, key: string, value: string | null];
type Gap = readonly [after: number, last: number];

class Server {
  applied = 0;
  floor = 0;
  count = 0;
  gaps: readonly Gap[] = [];
  table = new Map<string, { value: string | null; timestamp: number }>();

  constructor(readonly tombstoneAge: number) {}

  apply([timestamp, key, value]: Write): void {
    this.table.set(key, { value, timestamp });
    this.applied = timestamp;
    this.count++;
    this.dropTombstones();
  }

  dropTombstones(): void {
    for (const [key, { value, timestamp }] of this.table) {
      if (value !== null || this.applied - timestamp < this.tombstoneAge) continue;
      this.floor = Math.max(this.floor, timestamp);
      this.table.delete(key);
    }
  }

  /** "lost", "behind" or the answer. */
  get(
    key: string,
    seen: number,
    atLeast: number,
  ): "lost" | "behind" | { value: string | null; timestamp: number } {
    if (this.#isLost(seen) || this.#isLost(atLeast)) return "lost";
    if (atLeast > this.applied) return "behind";
    const entry = this.table.get(key);
    if (entry !== undefined) return entry.timestamp >= seen ? entry : "behind";
    return this.applied >= seen ? { value: null, timestamp: this.floor } : "behind";
  }

  /** Whether it may answer a LIST. */
  list(atLeast: number): "lost" | "behind" | "ok" {
    if (this.#isLost(atLeast)) return "lost";
    return atLeast > this.applied ? "behind" : "ok";
  }

  #isLost(timestamp: number): boolean {
    return timestamp > 0 &&
      this.gaps.some(([after, last]) => timestamp > after && timestamp < last);
  }
}

class Cluster {
  readonly random: Random;
  log: Write[] = [];
  timestamp = 0;
  gaps: Gap[] = [];
  servers: Server[];

  constructor(random: Random) {
    this.random = random;
    const tombstoneAge = random.pick([2, 4, 8]);
    this.servers = [1, 2, 3].map(() => new Server(tombstoneAge));
  }

  write(key: string, value: string | null): number {
    const write = [++this.timestamp, key, value] as const;
    this.log.push(write);
    this.servers[0]!.apply(write);
    return this.timestamp;
  }

  follow(server: Server): void {
    const next = this.log[server.count];
    if (next !== undefined) server.apply(next);
  }

  /** The leader dies. Its successor goes on from the follower that has most. */
  recover(): void {
    const [leader, ...followers] = this.servers as [Server, Server, Server];
    const source = followers.toSorted((a, b) => b.count - a.count)[0]!;
    if (source.count === this.log.length) return;
    const after = source.applied;
    this.log.length = source.count;
    this.timestamp = Math.max(this.timestamp, after) +
      Math.floor(skip * (0.5 + this.random.next()));
    this.gaps = [...this.gaps, [after, this.timestamp]];
    this.servers[0] = new Server(leader.tombstoneAge);
    for (const server of this.servers) {
      while (server.count < this.log.length) this.follow(server);
      server.applied = this.timestamp;
      server.gaps = this.gaps;
      server.dropTombstones();
    }
  }

  /** The timestamp of the last write of a key that a server has applied, and its value. */
  truth(key: string, applied: number): { value: string | null; timestamp: number } {
    const last = this.log.findLast(([timestamp, one]) => one === key && timestamp <= applied);
    return { value: last?.[2] ?? null, timestamp: last?.[0] ?? 0 };
  }
}

/** A client with a small session, and what it has really seen. */
class Client {
  readonly session = new Session(2);
  readonly known = new Map<string, number>();
  /** What GET and PUT have shown. */
  readonly own = new Map<string, number>();
  forgotten = 0;

  /** Lets servers confirm what is in doubt, as the library does. Returns whether it may read. */
  confirm(cluster: Cluster, forList: boolean): boolean {
    for (
      let t = this.session.doubtful(forList);
      t !== undefined;
      t = this.session.doubtful(forList)
    ) {
      const server = cluster.random.pick(cluster.servers);
      const answer = server.list(t);
      if (answer === "lost") {
        this.forget();
        return false;
      }
      if (answer === "behind" || server.applied < this.session.highest!) return false;
      this.session.confirm(t);
    }
    return true;
  }

  forget(key?: string): void {
    this.session.forget(key);
    for (const one of keys) {
      // What lists have shown is forgotten too. What the session has of the other keys is not.
      this.known.set(one, this.session.timestamp(one) > 0 ? this.own.get(one)! : 0);
    }
    this.forgotten++;
  }

  saw(what: string, key: string, timestamp: number): void {
    const known = this.known.get(key) ?? 0;
    assert(timestamp >= known, `${what} ${key} goes back from ${known} to ${timestamp}`);
    this.known.set(key, timestamp);
    if (what !== "LIST") this.own.set(key, timestamp);
  }

  get(cluster: Cluster, key: string): void {
    if (!this.confirm(cluster, false)) return;
    const server = cluster.random.pick(cluster.servers);
    const answer = server.get(key, this.session.timestamp(key), this.session.atLeast ?? 0);
    if (answer === "lost") return this.forget(key);
    if (answer === "behind") return;
    const truth = cluster.truth(key, server.applied);
    assert(answer.value === truth.value);
    this.session.learn(new GetOk(1, key, answer.value, answer.timestamp));
    this.saw("GET", key, truth.timestamp);
  }

  list(cluster: Cluster): void {
    if (!this.confirm(cluster, true)) return;
    const server = cluster.random.pick(cluster.servers);
    const answer = server.list(this.session.highest ?? 0);
    if (answer === "lost") return this.forget();
    if (answer === "behind") return;
    for (const key of keys) this.saw("LIST", key, cluster.truth(key, server.applied).timestamp);
    this.session.sawAll(server.applied);
  }

  put(cluster: Cluster, key: string): void {
    const timestamp = cluster.write(key, `v${cluster.timestamp}`);
    // It is acknowledged, so all servers hold it.
    for (const server of cluster.servers) {
      while (server.count < cluster.log.length) cluster.follow(server);
    }
    this.session.learn(new PutOk(1, key, timestamp));
    this.saw("PUT", key, timestamp);
  }
}

Deno.test(
  "small sessions never go back, whatever is lost and forgotten, and are never refused for ever",
  { permissions: "none" },
  () => {
    const first = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 31);
    let forgotten = 0;
    for (let seed = first; seed < first + 800; seed++) {
      const random = new Random(seed);
      const cluster = new Cluster(random);
      const clients = [new Client(), new Client(), new Client()];
      try {
        for (let step = 0; step < 120; step++) {
          const x = random.next();
          const client = random.pick(clients);
          const key = random.pick(keys);
          if (x < 0.3) cluster.write(key, random.chance(0.45) ? null : `v${step}`);
          else if (x < 0.55) cluster.follow(random.pick(cluster.servers.slice(1)));
          else if (x < 0.6) cluster.recover();
          else if (x < 0.64) client.put(cluster, key);
          else if (x < 0.72) client.list(cluster);
          else client.get(cluster, key);
        }
        for (const server of cluster.servers) {
          while (server.count < cluster.log.length) cluster.follow(server);
          server.applied = Math.max(server.applied, cluster.timestamp);
        }
        for (const client of clients) {
          forgotten += client.forgotten;
          for (const key of keys) {
            client.confirm(cluster, false);
            const { session } = client;
            const answer = cluster.servers[0]!.get(
              key,
              session.timestamp(key),
              session.atLeast ?? 0,
            );
            assert(answer !== "behind", `${key} is refused for ever`);
          }
        }
      } catch (cause) {
        throw new Error(`failed with seed ${seed}`, { cause });
      }
    }
    assert(forgotten > 100, "the schedules must lose what clients have seen");
  },
);
