/** The handshake: each half alone, then between servers and clients of the library. */

import { assert, assertEquals, assertFalse, assertNotEquals, assertRejects } from "@std/assert";
import {
  AcceptorHandshake,
  type AcceptorStep,
  DiallerHandshake,
  type DiallerStep,
} from "../../lib/auth/handshake.ts";
import { type Role, Secret, type Secrets } from "../../lib/auth/secret.ts";
import { ForbiddenError } from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";
import {
  type AnyMensagem,
  Challenge,
  ErrorReply,
  Heartbeat,
  Hello,
  Proof,
  ProofOk,
} from "../../lib/mensagem.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";
import { silentPrints } from "../../bench/silent_prints.ts";

const pure = { permissions: "none" } as const;

/** A leader of a cluster of two, or its follower. */
async function serve(
  secrets: { server?: string; client?: string },
  leader?: Pick<KvServer, "address">,
): Promise<{ server: KvServer; reports: string[] } & AsyncDisposable> {
  const reports: string[] = [];
  const options: KvServerOptions = {
    listen: anyPort,
    ...(leader === undefined ? {} : { leader: leader.address }),
    prints: silentPrints,
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

/** The message that a half wants to send. */
function sent<S extends DiallerStep | AcceptorStep>(
  step: S,
): Extract<S, { kind: "send" }>["message"] {
  assert(step.kind === "send", JSON.stringify(step));
  return step.message as Extract<S, { kind: "send" }>["message"];
}

/** The reason of a refusal. */
function reasonOf(step: DiallerStep | AcceptorStep): string {
  assert(step.kind === "refused", JSON.stringify(step));
  assertEquals(step.code, "FORBIDDEN");
  return step.reason;
}

/** Both halves after HELLO and CHALLENGE. */
async function challenged(secret: Secret, role: Role = "client") {
  const dialler = new DiallerHandshake(secret, role);
  const acceptor = new AcceptorHandshake({ [role]: secret }, true);
  const challenge = sent(await acceptor.receive(dialler.hello));
  return { dialler, acceptor, challenge };
}

Deno.test("two ends that know the same secret accept each other", pure, async () => {
  const { dialler, acceptor, challenge } = await challenged(await Secret.from("segredo"), "server");
  const proof = sent(await dialler.receive(challenge));
  const accepted = await acceptor.receive(proof);
  assert(accepted.kind === "accepted");
  assertEquals(accepted.role, "server");
  assertEquals(await dialler.receive(accepted.message), { kind: "accepted" });
});

Deno.test("an end with another secret is refused by the other end", pure, async () => {
  const [right, wrong] = [await Secret.from("segredo"), await Secret.from("segredo ")];
  const dialler = new DiallerHandshake(right, "client");
  const impostor = new AcceptorHandshake({ client: wrong }, true);
  const challenge = sent(await impostor.receive(dialler.hello));
  assertEquals(
    reasonOf(await dialler.receive(challenge)),
    "the password is wrong, or the other end is an impostor",
  );
  const { hello } = new DiallerHandshake(wrong, "client");
  const acceptor = new AcceptorHandshake({ client: right }, true);
  const { nonce } = sent(await acceptor.receive(hello));
  const guess = new Proof(await wrong.prove("dialler", "client", [hello.nonce, nonce]));
  assertEquals(reasonOf(await acceptor.receive(guess)), "the password is wrong");
});

Deno.test("the dialler refuses an unexpected message for good", pure, async (t) => {
  const secret = await Secret.from("segredo");
  const others = [new ProofOk(), new Heartbeat(), new Hello("client", "0".repeat(32))];
  for (const message of others) {
    await t.step(`${message.type} instead of CHALLENGE`, async () => {
      const { dialler, challenge } = await challenged(secret);
      assertEquals(
        reasonOf(await dialler.receive(message)),
        "the other end did not prove that it knows the password: " +
          `${message.type} came instead of CHALLENGE`,
      );
      reasonOf(await dialler.receive(challenge)); // the refusal is final
      reasonOf(await dialler.receive(new ProofOk()));
    });
  }
  for (const what of ["a second CHALLENGE", "HEARTBEAT"]) {
    await t.step(`${what} instead of PROOF_OK`, async () => {
      const { dialler, challenge } = await challenged(secret, "server");
      sent(await dialler.receive(challenge));
      const message: AnyMensagem = what === "HEARTBEAT" ? new Heartbeat() : challenge;
      assertEquals(
        reasonOf(await dialler.receive(message)),
        `the other end did not accept the proof of the secret: ${message.type} came instead of PROOF_OK`,
      );
      reasonOf(await dialler.receive(new ProofOk()));
    });
  }
  await t.step("PROOF_OK while the CHALLENGE is being verified", async () => {
    const { dialler, challenge } = await challenged(secret);
    const answer = dialler.receive(challenge);
    reasonOf(await dialler.receive(new ProofOk()));
    reasonOf(await answer);
    reasonOf(await dialler.receive(new ProofOk()));
  });
  await t.step("PROOF_OK after a CHALLENGE with a wrong proof", async () => {
    const { dialler, challenge } = await challenged(secret);
    reasonOf(await dialler.receive(new Challenge(challenge.nonce, "0".repeat(64))));
    reasonOf(await dialler.receive(new ProofOk()));
  });
  await t.step("a second PROOF_OK", async () => {
    const { dialler, challenge } = await challenged(secret);
    sent(await dialler.receive(challenge));
    assertEquals(await dialler.receive(new ProofOk()), { kind: "accepted" });
    reasonOf(await dialler.receive(new ProofOk()));
  });
});

Deno.test(
  "an ERROR ends the dialler's half with the code and the text of the ERROR",
  pure,
  async () => {
    const { dialler } = await challenged(await Secret.from("segredo"));
    assertEquals(await dialler.receive(new ErrorReply("OVERLOADED", "too many connections")), {
      kind: "refused",
      code: "OVERLOADED",
      reason: "OVERLOADED: too many connections",
    });
  },
);

Deno.test("the acceptor accepts no PROOF without HELLO, and none twice", pure, async () => {
  const secret = await Secret.from("segredo");
  const { dialler, acceptor, challenge } = await challenged(secret);
  const proof = sent(await dialler.receive(challenge));
  const stranger = new AcceptorHandshake({ client: secret }, true);
  assertEquals(reasonOf(await stranger.receive(proof)), "PROOF came without HELLO");
  assertEquals((await acceptor.receive(proof)).kind, "accepted");
  assertEquals(reasonOf(await acceptor.receive(proof)), "PROOF came without HELLO");
});

Deno.test("a HELLO starts the handshake again: only the last challenge counts", pure, async () => {
  const secret = await Secret.from("segredo");
  const { dialler, acceptor, challenge } = await challenged(secret);
  const again = new DiallerHandshake(secret, "client");
  const second = sent(await acceptor.receive(again.hello));
  const late = sent(await dialler.receive(challenge));
  reasonOf(await acceptor.receive(late));
  const other = sent(await acceptor.receive(new DiallerHandshake(secret, "client").hello));
  assertNotEquals(second.nonce, other.nonce);
});

Deno.test(
  "an acceptor refuses a role for which it has no secret, and servers if it does not lead",
  pure,
  async () => {
    const secret = await Secret.from("segredo");
    const hello = (role: Role) => new DiallerHandshake(secret, role).hello;
    const ask = async (secrets: Secrets, leads: boolean, role: Role) =>
      reasonOf(await new AcceptorHandshake(secrets, leads).receive(hello(role)));
    assertEquals(await ask({ server: secret }, true, "client"), "this server has no password");
    assertEquals(await ask({ client: secret }, true, "server"), "this server has no secret");
    assertEquals(await ask({ server: secret }, false, "server"), "this server is not the leader");
  },
);

Deno.test(
  "a proof is refused a second time, for another role, and from the end that made the challenge",
  pure,
  async () => {
    const secret = await Secret.from("segredo");
    const both = { client: secret, server: secret };
    const dialler = new DiallerHandshake(secret, "client");
    const challenge = sent(await new AcceptorHandshake(both, true).receive(dialler.hello));
    const proof = sent(await dialler.receive(challenge));
    const judge = async (hello: Hello, proof: Proof) => {
      const acceptor = new AcceptorHandshake(both, true);
      sent(await acceptor.receive(hello));
      return reasonOf(await acceptor.receive(proof));
    };
    assertEquals(await judge(dialler.hello, proof), "the password is wrong", "a second time");
    const asServer = new Hello("server", dialler.hello.nonce);
    assertEquals(await judge(asServer, proof), "the secret is wrong", "for another role");
    const back = new AcceptorHandshake(both, true);
    const own = sent(await back.receive(dialler.hello));
    assertEquals(reasonOf(await back.receive(new Proof(own.proof))), "the password is wrong");
    reasonOf(await new DiallerHandshake(secret, "client").receive(challenge)); // an old challenge
  },
);

Deno.test(
  "no two HELLOs have the same nonce, and a HELLO does not hold the secret",
  pure,
  async () => {
    const secret = await Secret.from("segredo");
    const [one, two] = [
      new DiallerHandshake(secret, "client"),
      new DiallerHandshake(secret, "client"),
    ];
    assertNotEquals(one.hello.nonce, two.hello.nonce);
    assertFalse(one.hello.encode().includes("segredo"));
  },
);

Deno.test("servers with the same secret form a cluster, and a client needs no password", async () => {
  await using leader = await serve({ server: "segredo" });
  await using _follower = await serve({ server: "segredo" }, leader.server);
  await leader.server.ready;
  await using client = new KvClient([leader.server.address]);
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
});

Deno.test("a server with another secret, or without one, cannot join", async () => {
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

Deno.test("a client with a wrong password, or without one, is refused with the reason", async () => {
  await using leader = await serve({ server: "segredo", client: "senha" });
  for (const options of [{ password: "errada" }, {}]) {
    await using client = new KvClient([leader.server.address], options);
    await assertRejects(() => client.put("cor", "azul"), ForbiddenError, "password");
  }
});

Deno.test("the password of clients does not let a server join", async () => {
  await using leader = await serve({ server: "segredo", client: "senha" });
  using wire = await Wire.connect(leader.server.address);
  const dialler = new DiallerHandshake(await Secret.from("senha"), "client");
  await wire.write(dialler.hello.encode());
  const { nonce, proof } = await wire.messageOf("CHALLENGE") as Record<string, string>;
  await wire.write(sent(await dialler.receive(new Challenge(nonce!, proof!))).encode());
  await wire.messageOf("PROOF_OK");
  await wire.send({ type: "JOIN", server: "127.0.0.1:1", cluster: "", timestamp: 0 });
  assertEquals((await wire.messageOf("ERROR")).code, "FORBIDDEN");
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
  await assertRejects(() => client.get("cor"), ForbiddenError, "password");
  assertEquals(seen.length, 1);
  assertFalse(seen[0]!.includes("senha"));
});

Deno.test("an impostor at the leader's address cannot use the follower's own proof", async () => {
  const heard: string[] = [];
  const own = Promise.withResolvers<KvServer>();
  // The impostor passes the follower's HELLO to the follower itself, and sends the answer back.
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
    () => follower.reports.some((line) => line.includes("trying again")),
  );
  assertFalse(heard.includes("PROOF"), `${heard}`);
});
