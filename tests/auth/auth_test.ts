import { assert, assertEquals, assertFalse, assertNotEquals, assertRejects } from "@std/assert";
import { AcceptorProof, DiallerProof, Secret } from "../../lib/auth/proof.ts";
import { UnavailableError } from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";
import { Challenge, Proof } from "../../lib/mensagem.ts";
import { anyPort, eventually, FakeServer, Wire } from "../support/helpers.ts";

const pure = { permissions: "none" } as const;

/** A server that waits for one follower. */
async function serve(
  secrets: { server?: string; client?: string },
  leader?: Pick<KvServer, "address">,
): Promise<{ server: KvServer; reports: string[] } & AsyncDisposable> {
  const reports: string[] = [];
  const options: KvServerOptions = {
    listen: anyPort,
    ...(leader === undefined ? {} : { leader: leader.address }),
    prints: {
      put() {},
      forwarding() {},
      replication() {},
      putOk() {},
      get() {},
    },
    report: (line) => reports.push(line),
    tuning: { clusterSize: 2 },
    secrets: {
      ...(secrets.server === undefined ? {} : { server: await Secret.from(secrets.server) }),
      ...(secrets.client === undefined ? {} : { client: await Secret.from(secrets.client) }),
    },
  };
  const server = KvServer.start(options);
  return { server, reports, [Symbol.asyncDispose]: () => server.close() };
}

Deno.test("two who know the secret believe each other", pure, async () => {
  const secret = await Secret.from("segredo");
  const dialler = new DiallerProof(secret, "server");
  const acceptor = new AcceptorProof(secret, dialler.hello);
  const proof = await dialler.answer(await acceptor.challenge());
  assert(proof !== undefined && await acceptor.accepts(proof));
});

Deno.test("who knows another secret is not believed, on either side", pure, async () => {
  const [right, wrong] = [await Secret.from("segredo"), await Secret.from("segredo ")];
  const dialler = new DiallerProof(right, "client");
  const impostor = new AcceptorProof(wrong, dialler.hello);
  assertEquals(await dialler.answer(await impostor.challenge()), undefined);
  const guesser = new DiallerProof(wrong, "client");
  const acceptor = new AcceptorProof(right, guesser.hello);
  const { nonce } = await acceptor.challenge();
  const guess = await wrong.prove("dialler", "client", [guesser.hello.nonce, nonce]);
  assertFalse(await acceptor.accepts(new Proof(guess)));
});

Deno.test(
  "a proof is worth nothing a second time, for another role, or sent back",
  pure,
  async () => {
    const secret = await Secret.from("segredo");
    const dialler = new DiallerProof(secret, "client");
    const acceptor = new AcceptorProof(secret, dialler.hello);
    const challenge = await acceptor.challenge();
    const proof = (await dialler.answer(challenge))!;
    assertFalse(await new AcceptorProof(secret, dialler.hello).accepts(proof), "a second time");
    const asServer = { ...dialler.hello, role: "server" } as typeof dialler.hello;
    assertFalse(await new AcceptorProof(secret, asServer).accepts(proof), "another role");
    assertFalse(await acceptor.accepts(new Proof(challenge.proof)), "sent back");
    assertEquals(
      await new DiallerProof(secret, "client").answer(challenge),
      undefined,
      "an old challenge",
    );
  },
);

Deno.test("no two greetings are alike, and none holds the secret", pure, async () => {
  const secret = await Secret.from("segredo");
  const [one, two] = [new DiallerProof(secret, "client"), new DiallerProof(secret, "client")];
  assertNotEquals(one.hello.nonce, two.hello.nonce);
  assertFalse(one.hello.encode().includes("segredo"));
});

Deno.test("servers with the same secret make a cluster, and a client needs nothing", async () => {
  await using leader = await serve({ server: "segredo" });
  await using _follower = await serve({ server: "segredo" }, leader.server);
  await leader.server.ready;
  await using client = new KvClient([leader.server.address]);
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
});

Deno.test("a server with another secret, or none, does not get in", async () => {
  await using leader = await serve({ server: "segredo" });
  for (const server of ["outro", undefined]) {
    await using stranger = await serve(server === undefined ? {} : { server }, leader.server);
    await eventually("it is refused", () => stranger.reports.length > 0);
    assertFalse(leader.reports.some((line) => line.includes("joined")));
  }
});

Deno.test("a client proves that it knows the password, also through a follower", async () => {
  const secrets = { server: "segredo", client: "senha" };
  await using leader = await serve(secrets);
  await using follower = await serve(secrets, leader.server);
  await leader.server.ready;
  await follower.server.ready;
  await using client = new KvClient([follower.server.address], { password: "senha" });
  await client.put("cor", "azul");
  assertEquals((await client.get("cor")).value, "azul");
});

Deno.test("a client with a wrong password, or none, is told so and does nothing", async () => {
  await using leader = await serve({ server: "segredo", client: "senha" });
  for (const options of [{ password: "errada" }, {}]) {
    await using client = new KvClient([leader.server.address], options);
    await assertRejects(() => client.put("cor", "azul"), UnavailableError, "password");
  }
});

Deno.test("the password of clients does not let anybody join", async () => {
  await using leader = await serve({ server: "segredo", client: "senha" });
  using wire = await Wire.connect(leader.server.address);
  const dialler = new DiallerProof(await Secret.from("senha"), "client");
  await wire.write(dialler.hello.encode());
  const { nonce, proof } = await wire.messageOf("CHALLENGE") as Record<string, string>;
  await wire.write((await dialler.answer(new Challenge(nonce!, proof!)))!.encode());
  await wire.messageOf("PROOF_OK");
  await wire.send({ type: "JOIN", server: "127.0.0.1:1", cluster: "", timestamp: 0 });
  assertEquals((await wire.messageOf("ERROR")).code, "FORBIDDEN");
});

Deno.test("an impostor that only says PROOF_OK is not taken for a server", async () => {
  await using impostor = new FakeServer(async (wire) => {
    await wire.line();
    await wire.send({ type: "PROOF_OK" });
    assertEquals(await wire.line(), undefined, "nothing more is said to it");
  });
  await using client = new KvClient([impostor.address], { password: "senha" });
  await assertRejects(() => client.put("cor", "azul"), UnavailableError, "password");
});

Deno.test("the secret is never on the wire", async () => {
  const seen: string[] = [];
  await using impostor = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      seen.push(line);
      const nonce = "0".repeat(32);
      await wire.send({ type: "CHALLENGE", nonce, proof: "0".repeat(64) });
    }
  });
  await using client = new KvClient([impostor.address], { password: "senha" });
  await assertRejects(() => client.get("cor"), UnavailableError, "password");
  assertEquals(seen.length, 1);
  assertFalse(seen[0]!.includes("senha"));
});

Deno.test("a follower does not help an impostor at its leader's address to pass for the leader", async () => {
  const heard: string[] = [];
  const own = Promise.withResolvers<KvServer>();
  // Whatever the follower says is said to the follower itself, and its answers are sent back.
  await using impostor = new FakeServer(async (wire) => {
    const hello = await wire.message();
    using mirror = await Wire.connect((await own.promise).address);
    await wire.send(await mirror.ask(hello));
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      heard.push(JSON.parse(line).type);
    }
  });
  await using follower = await serve({ server: "segredo" }, impostor);
  own.resolve(follower.server);
  await eventually(
    "it gives up",
    () => follower.reports.some((line) => line.includes("trying on")),
  );
  assertFalse(heard.includes("PROOF"), `${heard}`);
});
