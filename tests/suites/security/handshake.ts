/**
 * Attacks on the handshake: an attacker sees every message, sends any, and does not know the secret.
 *
 * Not named like a test, because `deno task test:security` runs it. The halves alone are tested in
 * `tests/auth/`.
 *
 * @module
 */

import { assertEquals, assertFalse } from "@std/assert";
import type { Secrets } from "../../../lib/auth/secret.ts";
import { type Hello, Proof, ProofOk } from "../../../lib/mensagem.ts";
import {
  both,
  impostor,
  password,
  refusalBy,
  roles,
  secret,
  waitingLeader,
} from "../../support/guarded.ts";
import {
  challengeFor,
  complete,
  type Dialled,
  dialled,
  dialledOn,
  proofOf,
  recorded,
  rightsOf,
} from "../../support/handshakes.ts";
import { Wire } from "../../support/wire_client.ts";

/** The worst case: one text for both. */
const same: Secrets = { server: secret, client: secret };

/** The types of the answers to these messages up to the end of the connection; of an ERROR its code. */
async function answersTo(wire: Wire, ...messages: Pick<Hello, "encode">[]): Promise<unknown[]> {
  await wire.write(messages.map((message) => message.encode()).join(""));
  return (await wire.rest()).map(({ type, code }) => code ?? type);
}

/** Sends these messages, and asserts that the server refuses the last one and ends the connection. */
async function assertRefused(wire: Wire, ...messages: Pick<Hello, "encode">[]): Promise<void> {
  const answers = await answersTo(wire, ...messages);
  assertFalse(answers.includes("PROOF_OK"), `${answers}`);
  assertEquals(answers.at(-1), "FORBIDDEN", `${answers}`);
}

// Replay

for (const role of roles) {
  Deno.test(`a recorded proof of a ${role} is refused on another connection`, async () => {
    await using server = waitingLeader();
    const { hello, proof } = await recorded(server.address, both[role], role);
    using wire = await Wire.connect(server.address);
    await assertRefused(wire, hello, proof);
  });

  Deno.test(`a recorded proof of a ${role} is refused a second time on its own connection`, async () => {
    await using server = waitingLeader();
    using honest = await dialled(server.address, both[role], role);
    const { hello, proof } = await complete(honest);
    await assertRefused(honest.wire, hello, proof);
  });

  Deno.test(`a recorded proof of a ${role} is refused by another server with the same secret`, async () => {
    await using server = waitingLeader();
    await using other = waitingLeader();
    const { hello, proof } = await recorded(server.address, both[role], role);
    using wire = await Wire.connect(other.address);
    await assertRefused(wire, hello, proof);
  });

  Deno.test(`a recorded CHALLENGE proves nothing to the next ${role} that dials`, async () => {
    await using server = waitingLeader();
    const { challenge } = await recorded(server.address, both[role], role);
    const heard: string[] = [];
    const replayed = [JSON.parse(challenge.encode()), { type: "PROOF_OK" }];
    await using replaying = impostor(heard, () => replayed);
    await refusalBy[role](replaying.address);
    assertEquals(heard.filter((type) => type !== "HELLO"), []);
  });
}

// Reflection

for (const role of roles) {
  Deno.test(`the proof of the server is refused as the proof of a ${role}`, async () => {
    await using server = waitingLeader();
    using attacker = await dialled(server.address, secret, role);
    const { proof } = await challengeFor(attacker.wire, attacker.dialler.hello);
    await assertRefused(attacker.wire, new Proof(proof));
  });

  Deno.test(`a server's proof for its own nonce, sent back as HELLO, is no proof of a ${role}`, async () => {
    await using server = waitingLeader();
    using first = await dialled(server.address, secret, role);
    const { nonce } = await challengeFor(first.wire, first.dialler.hello);
    using second = await dialled(server.address, secret, role);
    const reflected = Object.assign(second.dialler.hello, { nonce });
    const { proof } = await challengeFor(second.wire, reflected);
    await assertRefused(first.wire, new Proof(proof));
    await assertRefused(second.wire, new Proof(proof));
  });

  Deno.test(`a ${role} that gets its own nonce and its own HELLO back refuses the other end`, async () => {
    const heard: string[] = [];
    await using mirror = impostor(heard, (hello) => [
      { type: "CHALLENGE", nonce: hello.nonce, proof: "0".repeat(64) },
      hello,
      { type: "PROOF_OK" },
    ]);
    await refusalBy[role](mirror.address);
    assertEquals(heard.filter((type) => type !== "HELLO"), []);
  });
}

// One role's proof for the other role

const pairs: readonly (readonly [what: string, secrets: Secrets])[] = [
  ["", both],
  [", even if secret and password are equal", same],
];

for (const [role, other] of [["client", "server"], ["server", "client"]] as const) {
  for (const [what, secrets] of pairs) {
    Deno.test(`the proof of a ${role} does not prove a ${other}${what}`, async () => {
      await using server = waitingLeader(secrets);
      using attacker = await dialled(server.address, secrets[other]!, other);
      const { hello } = attacker.dialler;
      const challenge = await challengeFor(attacker.wire, hello);
      const inOtherRole = Object.assign(Object.create(hello), { role });
      const proof = await proofOf(secrets[role]!, "dialler", inOtherRole, challenge);
      await assertRefused(attacker.wire, proof);
    });
  }
}

Deno.test("a client that has proved the password cannot join, even if secret and password are equal", async () => {
  await using server = waitingLeader(same);
  using client = await dialled(server.address, secret, "client");
  await complete(client);
  assertEquals(await rightsOf(client.wire), ["ask"]);
  using follower = await dialled(server.address, secret, "server");
  await complete(follower);
  assertEquals(await rightsOf(follower.wire), ["ask", "join"]);
});

// A second HELLO

/** What a connection has been through before a second HELLO comes. */
const states: Readonly<Record<string, (peer: Dialled) => Promise<unknown>>> = {
  "that has sent nothing": async () => {},
  "with a CHALLENGE": ({ wire, dialler }) => challengeFor(wire, dialler.hello),
  "with two CHALLENGEs": async ({ wire, dialler }) => {
    await challengeFor(wire, dialler.hello);
    await challengeFor(wire, dialler.hello);
  },
  "that has proved the password": complete,
};

for (const [state, reach] of Object.entries(states)) {
  const proved = state.includes("proved");
  Deno.test(`a HELLO on a connection ${state} gives no right by itself`, async () => {
    await using server = waitingLeader();
    for (const role of roles) {
      using peer = await dialled(server.address, password, "client");
      await reach(peer);
      const again = dialledOn(peer.wire, server.address, both[role], role);
      await challengeFor(peer.wire, again.dialler.hello);
      assertEquals(await rightsOf(peer.wire), proved ? ["ask"] : []);
    }
  });

  Deno.test(`a HELLO on a connection ${state} begins a handshake that the right proof completes`, async () => {
    await using server = waitingLeader();
    using peer = await dialled(server.address, password, "client");
    await reach(peer);
    await complete(dialledOn(peer.wire, server.address, secret, "server"));
    assertEquals(await rightsOf(peer.wire), ["ask", "join"]);
  });

  Deno.test(`a wrong proof on a connection ${state} ends it`, async () => {
    await using server = waitingLeader();
    using peer = await dialled(server.address, password, "client");
    await reach(peer);
    await assertRefused(peer.wire, new Proof("0".repeat(64)));
  });
}

Deno.test("a proof for the first of two HELLOs is refused", async () => {
  await using server = waitingLeader();
  for (const role of roles) {
    using peer = await dialled(server.address, password, "client");
    const { hello } = peer.dialler;
    const first = await challengeFor(peer.wire, hello);
    const second = dialledOn(peer.wire, server.address, both[role], role);
    await challengeFor(peer.wire, second.dialler.hello);
    await assertRefused(peer.wire, await proofOf(password, "dialler", hello, first));
  }
});

// Proofs at the wrong time

Deno.test("PROOF without HELLO is refused", async () => {
  await using server = waitingLeader();
  const { proof } = await recorded(server.address, password, "client");
  using wire = await Wire.connect(server.address);
  await assertRefused(wire, proof);
});

Deno.test("PROOF is refused a second time", async () => {
  await using server = waitingLeader();
  for (const role of roles) {
    using honest = await dialled(server.address, both[role], role);
    const { proof } = await complete(honest);
    await assertRefused(honest.wire, proof);
  }
});

Deno.test("CHALLENGE and PROOF_OK that a dialler sends give it no right", async () => {
  await using server = waitingLeader();
  const { challenge } = await recorded(server.address, password, "client");
  for (const message of [challenge, new ProofOk()]) {
    using silent = await Wire.connect(server.address);
    await assertRefused(silent, message);
    using greeted = await dialled(server.address, password, "client");
    await challengeFor(greeted.wire, greeted.dialler.hello);
    await assertRefused(greeted.wire, message);
  }
});
