/**
 * An impostor listens at a server's address and does not know the secret. It must be refused by each
 * of the three diallers: a follower, the client library and the dashboard.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Clients } from "../../dashboard/server/clients.ts";
import type { Item } from "../../dashboard/server/item.ts";
import { Observer } from "../../dashboard/server/observer.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { ForbiddenError } from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { ErrorReply, Mensagem } from "../../lib/mensagem.ts";
import type { Address } from "../../lib/wire/address.ts";
import { acceptorOn } from "../support/handshakes.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { server as certificate } from "../support/tls_fixture.ts";
import { eventually } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

const challenge = { type: "CHALLENGE", nonce: "0".repeat(32), proof: "0".repeat(64) };
const proofOk = { type: "PROOF_OK" };

/** What an impostor answers to HELLO. */
const tricks: Record<string, Message[]> = {
  "accepts a proof that was not sent": [proofOk],
  "cannot prove that it knows the secret": [challenge],
  "cannot prove it, and accepts nevertheless": [challenge, proofOk],
  "sends a message that belongs after the handshake": [{ type: "JOIN_OK", server: "127.0.0.1:1" }],
};

/** Answers HELLO with a trick and notes every message that a dialler sends. */
function impostorWith(trick: Message[], heard: string[]): FakeServer {
  return new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const { type } = JSON.parse(line);
      heard.push(type);
      if (type === "HELLO") await wire.send(...trick);
    }
  });
}

/** Each dials the impostor, and resolves with the reason why it refused the impostor. */
const diallers: Record<string, (impostor: Address) => Promise<string>> = {
  "a follower": async (leader) => {
    const secrets = { server: Secret.from("segredo") };
    await using follower = new TestServer(anyPort, leader, {}, {}, { secrets });
    return await follower.reported("trying again");
  },
  "the library": async (server) => {
    await using client = new KvClient([server], { password: "senha" });
    return (await assertRejects(() => client.get("cor"), ForbiddenError)).message;
  },
  "a client of the dashboard": async (server) => {
    const entry = { password: Secret.from("senha") };
    await using clients = new Clients([server], entry, () => {});
    return (await assertRejects(() => clients.get(1, "cor"), ForbiddenError)).message;
  },
  "an observer of the dashboard": async (server) => {
    const items: Item[] = [];
    const entry = { password: Secret.from("senha") };
    await using _observer = new Observer(server, entry, (item) => items.push(item));
    const down = await eventually(
      "the observer reports the end",
      () => items.find(({ kind }) => kind === "down"),
    );
    assert(down.kind === "down");
    return down.reason;
  },
};

for (const [dialler, dial] of Object.entries(diallers)) {
  for (const [what, trick] of Object.entries(tricks)) {
    Deno.test(`${dialler} refuses an impostor that ${what}`, async () => {
      const heard: string[] = [];
      await using impostor = impostorWith(trick, heard);
      const reason = await dial(impostor.address);
      // The reason names the handshake, not just the end of the connection.
      assert(/secret|password|proof/.test(reason), reason);
      // A follower may send the reason as an ERROR.
      assertEquals(heard.filter((type) => type !== "HELLO" && type !== "ERROR"), [], reason);
    });
  }
}

/** Passes all lines between a dialler and the server at `to`, and notes the types. */
function relayTo(
  to: () => Promise<Address> | Address,
  heard: string[],
  connect: (to: Address) => Promise<Wire> = Wire.connect,
): FakeServer {
  return new FakeServer(async (wire) => {
    using far = await connect(await to());
    const pass = async (from: Wire, into: Wire) => {
      for (let line = await from.line(); line !== undefined; line = await from.line()) {
        heard.push(JSON.parse(line).type);
        await into.write(`${line}\n`);
      }
    };
    const both = [pass(wire, far), pass(far, wire)];
    await Promise.race(both);
    far.close();
    wire.close();
    await Promise.allSettled(both);
  }, { answersStatus: false });
}

Deno.test("a server proves nothing for a client that an impostor passes on to it", async () => {
  const secrets = { server: Secret.from("segredo"), client: Secret.from("senha") };
  const alone = { clusterSize: 1, minInSync: 1 };
  await using server = new TestServer(anyPort, undefined, alone, {}, { secrets });
  await server.ready();
  const heard: string[] = [];
  await using impostor = relayTo(() => server.address, heard);
  await using client = new KvClient([impostor.address], { password: "senha" });
  const { message } = await assertRejects(() => client.put("cor", "azul"), ForbiddenError);
  assert(
    message.includes(`${impostor.name} was dialled, and this server is ${server.name}`),
    message,
  );
  assertEquals(heard, ["HELLO", "ERROR"]);
});

Deno.test("a server with TLS proves nothing for a client without that an impostor passes on", async () => {
  const secrets = { server: Secret.from("segredo"), client: Secret.from("senha") };
  const alone = { clusterSize: 1, minInSync: 1 };
  const tls = new TlsAcceptor(certificate);
  await using server = new TestServer(anyPort, undefined, alone, {}, { secrets, tls });
  await server.ready();
  const heard: string[] = [];
  const encrypted = async (to: Address) =>
    new Wire(await Deno.connectTls({ ...to, caCerts: [certificate.ca] }));
  await using impostor = relayTo(() => server.address, heard, encrypted);
  await using client = new KvClient([impostor.address], { password: "senha" });
  const { message } = await assertRejects(() => client.put("cor", "azul"), ForbiddenError);
  assert(
    message.includes(`${impostor.name} was dialled, and this server is ${server.name}`),
    message,
  );
  assertEquals(heard, ["HELLO", "ERROR"]);
});

Deno.test("a leader proves nothing for a follower that an impostor passes on to it", async () => {
  const secrets = { server: Secret.from("segredo") };
  const two = { clusterSize: 2 };
  await using leader = new TestServer(anyPort, undefined, two, {}, { secrets });
  const heard: string[] = [];
  await using impostor = relayTo(() => leader.address, heard);
  await using follower = new TestServer(anyPort, impostor.address, two, {}, { secrets });
  await follower.reported(`${impostor.name} was dialled, and this server is ${leader.name}`);
  assertEquals(new Set(heard), new Set(["HELLO", "ERROR"]));
});

Deno.test("a server with --advertise is proved to clients that dial that address", async () => {
  const secrets = { server: Secret.from("segredo"), client: Secret.from("senha") };
  const alone = { clusterSize: 1, minInSync: 1 };
  const started = Promise.withResolvers<TestServer>();
  // A forwarded port: the client sees another address than the server.
  await using forwarded = relayTo(async () => (await started.promise).address, []);
  const advertise = forwarded.address;
  await using server = new TestServer(anyPort, undefined, alone, {}, { secrets, advertise });
  started.resolve(server);
  await server.ready();
  await using client = new KvClient([advertise], { password: "senha" });
  await client.put("cor", "azul");
  assertEquals((await client.get("cor")).value, "azul");
});

Deno.test("a follower answers no ERROR that comes between PROOF_OK and its JOIN", async () => {
  const secrets = { server: Secret.from("segredo") };
  const heard: string[] = [];
  await using leader = new FakeServer(async (wire) => {
    const acceptor = acceptorOn(wire, secrets);
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const message = Mensagem.decode(line);
      heard.push(message.type);
      if (message.type !== "HELLO" && message.type !== "PROOF") continue;
      const step = await acceptor.receive(message);
      assert(step.kind !== "refused", line);
      const more = step.kind === "accepted" ? new ErrorReply("OVERLOADED", "cheio").encode() : "";
      await wire.write(step.message.encode() + more);
    }
  }, { answersStatus: false });
  await using _follower = new TestServer(anyPort, leader.address, {}, {}, { secrets });
  await eventually("the follower joins", () => heard.includes("JOIN"));
  assertEquals(heard, ["HELLO", "PROOF", "JOIN"]);
});

/** What a program at the leader's address may ask a follower that has dialled it. */
const questions: Message[] = [
  { type: "GET", id: 1, key: "cor", timestamp: 0 },
  { type: "PUT", id: 1, key: "cor", value: "verde" },
  { type: "STATUS", id: 1 },
  { type: "OBSERVE", id: 1 },
  { type: "FAULT", id: 1, follower: "127.0.0.1:1", action: "hold" },
  { type: "JOIN", server: "127.0.0.1:1", cluster: "", timestamp: 0 },
  { type: "HELLO", role: "client", nonce: "0".repeat(32), server: "a:1", peer: "127.0.0.1:1" },
  { type: "PROOF", proof: "0".repeat(64) },
];

for (const guarded of [true, false]) {
  const which = guarded ? "with a secret" : "without a secret";
  Deno.test(`a follower ${which} answers no request on the connection that it dialled`, async () => {
    const secrets = guarded ? { server: Secret.from("segredo") } : {};
    const tuning = { clusterSize: 2 };
    let leader: TestServer | undefined = new TestServer(anyPort, undefined, tuning, {}, {
      secrets,
    });
    await using follower = new TestServer(anyPort, leader.address, tuning, {}, { secrets });
    await leader.ready();
    await using client = new KvClient([leader.address]);
    await client.put("cor", "azul");
    const { address } = leader;
    await leader.close();
    leader = undefined;
    const heard: string[] = [];
    let asked = 0;
    await using _impostor = new FakeServer(async (wire) => {
      if (asked >= questions.length) return wire.close();
      await wire.send(questions[asked++]!);
      for (const message of await wire.rest()) heard.push(message.type as string);
    }, { answersStatus: false, listen: address });
    await eventually("all questions were asked", () => asked === questions.length);
    const errors = () => heard.filter((type) => type === "ERROR").length;
    await eventually("all were refused", () => errors() === questions.length);
    await follower.reported("a leader sends no PUT");
    const own = new Set(guarded ? ["HELLO", "ERROR"] : ["JOIN", "ERROR", "HEARTBEAT"]);
    assertEquals(heard.filter((type) => !own.has(type)), []);
    using reader = await Wire.connect(follower.address);
    assertEquals((await reader.ask(questions[0]!)).value, "azul", "its own clients are answered");
  });
}
