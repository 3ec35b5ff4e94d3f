/** The handshake: each half alone, then between servers and clients of the library. */

// deno-lint-ignore no-external-import
import { createHmac, pbkdf2Sync } from "node:crypto";
import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  AcceptorHandshake,
  type AcceptorStep,
  DiallerHandshake,
  type DiallerStep,
} from "../../lib/auth/handshake.ts";
import {
  type Dialled,
  type Role,
  Secret,
  type Secrets,
  type Side,
  type Terms,
} from "../../lib/auth/secret.ts";
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
import { formatAddress } from "../../lib/wire/address.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";
import { silentPrints } from "../../bench/silent_prints.ts";

const pure = { permissions: "none" } as const;

/** The server that is dialled in these tests. */
const dialled: Dialled = { server: "kv1.example:10097", peer: "10.0.0.1:10097" };

function diallerWith(secret: Secret, role: Role, where: Dialled = dialled): DiallerHandshake {
  return new DiallerHandshake(secret, role, where);
}

function acceptorWith(secrets: Secrets, leads: boolean): AcceptorHandshake {
  const addresses = [dialled.server, dialled.peer];
  return new AcceptorHandshake({ secrets, leads, addresses });
}

/** A leader of a cluster of two, or its follower. */
function serve(
  secrets: { server?: string; client?: string },
  leader?: Pick<KvServer, "address">,
): { server: KvServer; reports: string[] } & AsyncDisposable {
  const reports: string[] = [];
  const options: KvServerOptions = {
    listen: anyPort,
    ...(leader === undefined ? {} : { leader: leader.address }),
    prints: silentPrints,
    report: (line) => reports.push(line),
    tuning: { clusterSize: 2 },
    secrets: {
      ...(secrets.server === undefined ? {} : { server: Secret.from(secrets.server) }),
      ...(secrets.client === undefined ? {} : { client: Secret.from(secrets.client) }),
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
  const dialler = diallerWith(secret, role);
  const acceptor = acceptorWith({ [role]: secret }, true);
  const challenge = sent(await acceptor.receive(dialler.hello));
  return { dialler, acceptor, challenge };
}

Deno.test("two ends that know the same secret accept each other", pure, async () => {
  const { dialler, acceptor, challenge } = await challenged(Secret.from("segredo"), "server");
  const proof = sent(await dialler.receive(challenge));
  const accepted = await acceptor.receive(proof);
  assert(accepted.kind === "accepted");
  assertEquals(accepted.role, "server");
  assertEquals(await dialler.receive(accepted.message), { kind: "accepted" });
});

Deno.test("an end with another secret is refused by the other end", pure, async () => {
  const [right, wrong] = [Secret.from("segredo"), Secret.from("segredo ")];
  const dialler = diallerWith(right, "client");
  const impostor = acceptorWith({ client: wrong }, true);
  const challenge = sent(await impostor.receive(dialler.hello));
  assertEquals(
    reasonOf(await dialler.receive(challenge)),
    "the password is wrong, or the other end is an impostor",
  );
  const { hello } = diallerWith(wrong, "client");
  const acceptor = acceptorWith({ client: right }, true);
  const { nonce } = sent(await acceptor.receive(hello));
  const terms: Terms = { role: "client", nonces: [hello.nonce, nonce], dialled };
  const guess = new Proof(await wrong.prove("dialler", terms));
  assertEquals(reasonOf(await acceptor.receive(guess)), "the password is wrong");
});

Deno.test("the dialler refuses an unexpected message for good", pure, async (t) => {
  const secret = Secret.from("segredo");
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
    const { dialler } = await challenged(Secret.from("segredo"));
    assertEquals(await dialler.receive(new ErrorReply("OVERLOADED", "too many connections")), {
      kind: "refused",
      code: "OVERLOADED",
      reason: "OVERLOADED: too many connections",
    });
  },
);

Deno.test("the acceptor accepts no PROOF without HELLO, and none twice", pure, async () => {
  const secret = Secret.from("segredo");
  const { dialler, acceptor, challenge } = await challenged(secret);
  const proof = sent(await dialler.receive(challenge));
  const stranger = acceptorWith({ client: secret }, true);
  assertEquals(reasonOf(await stranger.receive(proof)), "PROOF came without HELLO");
  assertEquals((await acceptor.receive(proof)).kind, "accepted");
  assertEquals(reasonOf(await acceptor.receive(proof)), "PROOF came without HELLO");
});

Deno.test("a HELLO starts the handshake again: only the last challenge counts", pure, async () => {
  const secret = Secret.from("segredo");
  const { dialler, acceptor, challenge } = await challenged(secret);
  const again = diallerWith(secret, "client");
  const second = sent(await acceptor.receive(again.hello));
  const late = sent(await dialler.receive(challenge));
  reasonOf(await acceptor.receive(late));
  const other = sent(await acceptor.receive(diallerWith(secret, "client").hello));
  assertNotEquals(second.nonce, other.nonce);
});

Deno.test(
  "an acceptor refuses a role for which it has no secret, and servers if it does not lead",
  pure,
  async () => {
    const secret = Secret.from("segredo");
    const hello = (role: Role) => diallerWith(secret, role).hello;
    const ask = async (secrets: Secrets, leads: boolean, role: Role) =>
      reasonOf(await acceptorWith(secrets, leads).receive(hello(role)));
    assertEquals(await ask({ server: secret }, true, "client"), "this server has no password");
    assertEquals(await ask({ client: secret }, true, "server"), "this server has no secret");
    assertEquals(await ask({ server: secret }, false, "server"), "this server is not the leader");
  },
);

Deno.test(
  "a proof is refused a second time, for another role, and from the end that made the challenge",
  pure,
  async () => {
    const secret = Secret.from("segredo");
    const both = { client: secret, server: secret };
    const dialler = diallerWith(secret, "client");
    const challenge = sent(await acceptorWith(both, true).receive(dialler.hello));
    const proof = sent(await dialler.receive(challenge));
    const judge = async (hello: Hello, proof: Proof) => {
      const acceptor = acceptorWith(both, true);
      sent(await acceptor.receive(hello));
      return reasonOf(await acceptor.receive(proof));
    };
    assertEquals(await judge(dialler.hello, proof), "the password is wrong", "a second time");
    const asServer = new Hello("server", dialler.hello.nonce, dialled.server, dialled.peer);
    assertEquals(await judge(asServer, proof), "the secret is wrong", "for another role");
    const back = acceptorWith(both, true);
    const own = sent(await back.receive(dialler.hello));
    assertEquals(reasonOf(await back.receive(new Proof(own.proof))), "the password is wrong");
    reasonOf(await diallerWith(secret, "client").receive(challenge)); // an old challenge
  },
);

Deno.test(
  "no two HELLOs have the same nonce, and a HELLO does not hold the secret",
  pure,
  () => {
    const secret = Secret.from("segredo");
    const [one, two] = [
      diallerWith(secret, "client"),
      diallerWith(secret, "client"),
    ];
    assertNotEquals(one.hello.nonce, two.hello.nonce);
    assertFalse(one.hello.encode().includes("segredo"));
  },
);

Deno.test(
  "the key of a proof is made by PBKDF2, as other implementations make it",
  pure,
  async () => {
    const { nonces, ...rest } = {
      role: "client" as const,
      nonces: ["0".repeat(32), "1".repeat(32)],
    };
    const terms: Terms = { ...rest, nonces: [nonces[0]!, nonces[1]!], dialled };
    const key = pbkdf2Sync("senha", "kv handshake 2", 300_000, 32, "sha256");
    const text = `kv\n2\nacceptor\nclient\n${
      nonces.join("\n")
    }\n${dialled.server}\n${dialled.peer}`;
    const expected = createHmac("sha256", key).update(text).digest("hex");
    assertEquals(await Secret.from("senha").prove("acceptor", terms), expected);
  },
);

Deno.test("a process makes the key of a secret once", pure, () => {
  assertStrictEquals(Secret.from("segredo"), Secret.from("segredo"));
  const first = Secret.from("texto 0");
  for (let i = 1; i <= 16; i++) Secret.from(`texto ${i}`);
  assertNotStrictEquals(Secret.from("texto 0"), first, "old ones are forgotten");
});

Deno.test("a proof holds only for the address that was dialled", pure, async () => {
  const secret = Secret.from("segredo");
  const acceptor = (...addresses: string[]) =>
    new AcceptorHandshake({ secrets: { client: secret }, leads: true, addresses });
  const ask = (where: Dialled, ...own: string[]) =>
    acceptor(...own).receive(diallerWith(secret, "client", where).hello);
  const elsewhere = { server: "10.0.0.2:10097", peer: "10.0.0.2:10097" };
  assertEquals(
    reasonOf(await ask(elsewhere, "kv1.example:10097", "10.0.0.1:10097")),
    "10.0.0.2:10097 was dialled, and this server is kv1.example:10097: dial that address, start the " +
      "server with --advertise, or use TLS at both ends",
  );
  assertEquals(
    reasonOf(await ask({ server: "kv2.example:10097", peer: "10.0.0.2:10097" }, "10.0.0.1:10097")),
    "kv2.example:10097 (10.0.0.2:10097) was dialled, and this server is 10.0.0.1:10097: dial that " +
      "address, start the server with --advertise, or use TLS at both ends",
  );
  for (
    const where of [
      { server: "kv1.example:10097", peer: "192.0.2.1:4000" }, // through a forwarded port
      { server: "alias.example:10097", peer: "10.0.0.1:10097" }, // by another name
      { server: "KV1.Example:10097", peer: "[::ffff:192.0.2.1]:4000" }, // in another spelling
    ]
  ) sent(await ask(where, "kv1.example:10097", "10.0.0.1:10097"));
});

Deno.test("an impostor cannot change the address that the dialler meant", pure, async () => {
  const secret = Secret.from("segredo");
  const dialler = diallerWith(secret, "client", { server: "10.0.0.2:1", peer: "10.0.0.2:1" });
  const { nonce } = dialler.hello;
  const acceptor = acceptorWith({ client: secret }, true);
  const challenge = sent(
    await acceptor.receive(new Hello("client", nonce, dialled.server, dialled.peer)),
  );
  assertEquals(
    reasonOf(await dialler.receive(challenge)),
    "the password is wrong, or the other end is an impostor",
  );
});

Deno.test("TLS at one end does not show which server was dialled", pure, async () => {
  const secret = Secret.from("segredo");
  const acceptor = (tls: boolean) =>
    new AcceptorHandshake({ secrets: { client: secret }, leads: true, addresses: ["a:1"], tls });
  const elsewhere = { server: "10.0.0.2:1", peer: "10.0.0.2:1" };
  const dialler = (tls: boolean) => diallerWith(secret, "client", { ...elsewhere, tls });
  const both = dialler(true);
  assertEquals((await both.receive(sent(await acceptor(true).receive(both.hello)))).kind, "send");
  for (const [own, other] of [[false, true], [true, false]] as const) {
    const reason = reasonOf(await acceptor(own).receive(dialler(other).hello));
    assertStringIncludes(reason, "10.0.0.2:1 was dialled, and this server is a:1");
  }
  // An impostor that claims TLS for a dialler without it gets a proof, but not the right one.
  const plain = dialler(false);
  const { nonce } = plain.hello;
  const claimed = new Hello("client", nonce, elsewhere.server, elsewhere.peer, true);
  assertEquals(
    reasonOf(await plain.receive(sent(await acceptor(true).receive(claimed)))),
    "the password is wrong, or the other end is an impostor",
  );
});

/** A proof of version 1: the secret itself is the key, and no address is in the text. */
function proofOfVersion1(side: Side, role: Role, nonces: string[]): string {
  return createHmac("sha256", "segredo").update(["kv", side, role, ...nonces].join("\n")).digest(
    "hex",
  );
}

Deno.test("a dialler accepts an acceptor of version 1", pure, async () => {
  const dialler = diallerWith(Secret.from("segredo"), "server");
  const nonces = [dialler.hello.nonce, "1".repeat(32)];
  const challenge = new Challenge(nonces[1]!, proofOfVersion1("acceptor", "server", nonces));
  const { proof } = sent(await dialler.receive(challenge));
  assertEquals(proof, proofOfVersion1("dialler", "server", nonces));
  assertEquals(await dialler.receive(new ProofOk()), { kind: "accepted" });
});

Deno.test(
  "a proof of version 1 does not count as one of version 2, nor the reverse",
  pure,
  async () => {
    const secret = Secret.from("segredo");
    const nonce = "1".repeat(32);
    const first = diallerWith(secret, "client");
    const old = proofOfVersion1("acceptor", "client", [first.hello.nonce, nonce]);
    reasonOf(await first.receive(new Challenge(nonce, old, 2)));
    const { dialler, challenge } = await challenged(secret);
    reasonOf(await dialler.receive(new Challenge(challenge.nonce, challenge.proof, 1)));
  },
);

Deno.test(
  "an acceptor shows a dialler of version 1 no proof, and says what to upgrade",
  pure,
  async () => {
    const secret = Secret.from("segredo");
    const acceptor = acceptorWith({ client: secret, server: secret }, true);
    for (
      const hello of [
        new Hello("client", "0".repeat(32)),
        new Hello("client", "0".repeat(32), dialled.server),
        new Hello("client", "0".repeat(32), undefined, dialled.peer),
      ]
    ) {
      assertEquals(
        reasonOf(await acceptor.receive(hello)),
        "the other end is older than this server: upgrade clients and dashboards before servers",
      );
    }
    // The operator has upgraded the leader first. To restart the followers now could lose the data.
    assertEquals(
      reasonOf(await acceptor.receive(new Hello("server", "0".repeat(32)))),
      "the other end is older than this server: start this leader's earlier version again, and " +
        "upgrade the followers first",
    );
    reasonOf(await acceptor.receive(new Proof("0".repeat(64))));
  },
);

Deno.test("servers with the same secret form a cluster, and a client needs no password", async () => {
  await using leader = serve({ server: "segredo" });
  await using _follower = serve({ server: "segredo" }, leader.server);
  await leader.server.ready;
  await using client = new KvClient([leader.server.address]);
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
});

Deno.test("a server with another secret, or without one, cannot join", async () => {
  await using leader = serve({ server: "segredo" });
  for (const server of ["outro", undefined]) {
    await using stranger = serve(server === undefined ? {} : { server }, leader.server);
    await eventually("it is refused", () => stranger.reports.length > 0);
    assertFalse(leader.reports.some((line) => line.includes("joined")));
  }
});

Deno.test("a client proves that it knows the password, also through a follower", async () => {
  const secrets = { server: "segredo", client: "senha" };
  await using leader = serve(secrets);
  await using follower = serve(secrets, leader.server);
  await leader.server.ready;
  await follower.server.ready;
  await using client = new KvClient([follower.server.address], { password: "senha" });
  await client.put("cor", "azul");
  assertEquals((await client.get("cor")).value, "azul");
});

Deno.test("a client with a wrong password, or without one, is refused with the reason", async () => {
  await using leader = serve({ server: "segredo", client: "senha" });
  for (const options of [{ password: "errada" }, {}]) {
    await using client = new KvClient([leader.server.address], options);
    await assertRejects(() => client.put("cor", "azul"), ForbiddenError, "password");
  }
});

Deno.test("the password of clients does not let a server join", async () => {
  await using leader = serve({ server: "segredo", client: "senha" });
  using wire = await Wire.connect(leader.server.address);
  const server = formatAddress(leader.server.address);
  const dialler = diallerWith(Secret.from("senha"), "client", { server, peer: server });
  await wire.write(dialler.hello.encode());
  const { nonce, proof, proofVersion } = await wire.messageOf("CHALLENGE");
  const challenge = new Challenge(nonce as string, proof as string, proofVersion as number);
  await wire.write(sent(await dialler.receive(challenge)).encode());
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
  await using follower = serve({ server: "segredo" }, impostor);
  own.resolve(follower.server);
  await eventually(
    "it gives up",
    () => follower.reports.some((line) => line.includes("trying again")),
  );
  assertFalse(heard.includes("PROOF"), `${heard}`);
});
