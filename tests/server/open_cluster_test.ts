/**
 * What SECURITY.md says about servers without a secret and without TLS: each sentence has a test here
 * that shows it. They are warnings, not features: a change that makes one fail is welcome.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FileJournal } from "../../lib/journal/file_journal.ts";
import type { Address } from "../../lib/wire/address.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeFolder } from "../support/fake_folder.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, within } from "../support/waiting.ts";
import { EndOfWire, type Message, Wire } from "../support/wire_client.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const forged = [["cor", "forged", 2]];

/** A program that speaks the protocol of servers, and does not keep its promises. */
class Stranger implements AsyncDisposable {
  readonly heard: Message[] = [];
  /** Whether it acknowledges writes. */
  acknowledges = true;
  readonly #wire: Wire;
  readonly #reading: Promise<void>;
  #left = false;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#reading = this.#read();
  }

  /** Joins a leader under the address of another server. */
  static async join(leader: Address, server: string, data: Message = {}): Promise<Stranger> {
    const wire = await Wire.connect(leader);
    await wire.send({ type: "JOIN", server, cluster: "", timestamp: 0, ...data });
    const stranger = new Stranger(wire);
    await stranger.hears("JOIN_OK");
    return stranger;
  }

  async send(message: Message): Promise<void> {
    await this.#wire.send(message);
  }

  /** Resolves with the first message of this type. */
  async hears(type: string): Promise<Message> {
    return await eventually(type, () => this.heard.find((message) => message.type === type));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left = true;
    this.#wire.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      while (true) {
        const message = await this.#wire.message();
        this.heard.push(message);
        const answer = this.#answerTo(message);
        if (answer !== undefined) await this.send(answer);
      }
    } catch (error) {
      if (!this.#left && !(error instanceof EndOfWire)) throw error;
    }
  }

  #answerTo({ type, timestamp, latest }: Message): Message | undefined {
    if (type === "HEARTBEAT") return { type };
    if (type === "SNAPSHOT") return { type: "SNAPSHOT_OK" };
    if (type === "SYNC") return { type: "REPLICATION_OK", timestamp: latest };
    return type === "REPLICATION" && this.acknowledges
      ? { type: "REPLICATION_OK", timestamp }
      : undefined;
  }
}

/** A cluster that holds one value, some of whose servers have died. */
async function clusterWithout(...dead: number[]): Promise<Cluster> {
  const cluster = await Cluster.start({ putTimeoutMs: 400 });
  using wire = await Wire.connect(cluster.leader.address);
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  if (dead.length > 0) await cluster.kill(...dead);
  return cluster;
}

Deno.test("open: a stranger at a dead follower's address reads everything and is in sync", async () => {
  await using cluster = await clusterWithout(2);
  const { name } = cluster.followers[1];
  await using stranger = await Stranger.join(cluster.leader.address, name);
  await cluster.leader.reported(`${name} is in sync`);
  assertStringIncludes(JSON.stringify(stranger.heard), "azul");
});

Deno.test("open: a stranger keeps the server out whose address it has taken", async () => {
  await using cluster = await clusterWithout(2);
  const { name } = cluster.followers[1];
  await using _stranger = await Stranger.join(cluster.leader.address, name);
  const again = await cluster.restart(2);
  await again.reported(`${name} has joined already`);
});

Deno.test("open: PUT_OK counts a copy that a stranger does not keep", async () => {
  await using cluster = await clusterWithout(1, 2);
  await using stranger = await Stranger.join(cluster.leader.address, cluster.followers[0].name);
  await cluster.leader.reported("is in sync");
  using wire = await Wire.connect(cluster.leader.address);
  assertEquals((await wire.ask({ ...put, value: "verde" })).type, "PUT_OK");
  assert(stranger.heard.length > 0);
});

Deno.test("open: a stranger that is one of two copies makes PUTs fail", async () => {
  await using cluster = await clusterWithout(1, 2);
  await using stranger = await Stranger.join(cluster.leader.address, cluster.followers[0].name);
  await cluster.leader.reported("is in sync");
  stranger.acknowledges = false;
  using wire = await Wire.connect(cluster.leader.address);
  assertEquals((await wire.ask(put)).code, "UNKNOWN_OUTCOME");
});

Deno.test("open: a leader that recovers without data takes over the table of a stranger", async () => {
  await using cluster = await clusterWithout(2);
  await cluster.kill(0);
  const leader = await cluster.restart(0);
  await leader.reported("joined with timestamp 1");
  using wire = await Wire.connect(cluster.followers[0].address);
  const { cluster: id } = await wire.ask({ type: "STATUS", id: 1 });
  const { name } = cluster.followers[1];
  const data = { cluster: id, timestamp: 2 };
  await using stranger = await Stranger.join(leader.address, name, data);
  await stranger.hears("SNAPSHOT_REQUEST");
  assert(!leader.readable, "until the stranger sends its table, the leader does not open");
  await stranger.send({ type: "SNAPSHOT", entries: forged, last: true });
  await eventually("the follower has it", () => cluster.followers[0].holds("cor")?.timestamp === 2);
  assertEquals(cluster.followers[0].holds("cor")?.value, "forged");
  assertEquals(leader.holds("cor")?.value, "forged");
});

Deno.test("open: a program at the leader's address replaces a follower's table, on its disk too", async () => {
  const folder = new FakeFolder();
  const journal = await FileJournal.open(folder, () => {});
  const [size, limits] = [{ clusterSize: 2 }, { lingerMs: 50, shutdownMs: 50 }];
  const leader = new TestServer(anyPort, undefined, size, limits);
  const follower = new TestServer(anyPort, leader.address, size, limits, { journal });
  await Promise.all([leader.ready(), follower.ready()]);
  using client = await Wire.connect(leader.address);
  assertEquals((await client.ask(put)).type, "PUT_OK");
  await leader.close();
  using impostor = await eventually("the port is free", () => {
    try {
      return Deno.listen(leader.address);
    } catch {
      return undefined;
    }
  });
  const conn = await within("the follower dials", impostor.accept());
  await using stranger = new Stranger(new Wire(conn));
  const { cluster } = await stranger.hears("JOIN");
  await stranger.send({ type: "JOIN_OK" });
  await stranger.send({ type: "SNAPSHOT", entries: forged, last: true, replace: true });
  await stranger.send({ type: "SYNC", cluster, timestamp: 2, latest: 2 });
  await eventually("it is replaced", () => follower.holds("cor")?.value === "forged");
  await stranger.hears("REPLICATION_OK"); // it is on the disk
  await follower.close();
  await journal[Symbol.asyncDispose]();
  const again = await FileJournal.open(folder, () => {});
  assertEquals(again.recovered.store.get("cor")?.value, "forged");
  await again[Symbol.asyncDispose]();
});
