/**
 * Peers that have proved nothing, because they know no secret or send no proof.
 *
 * Not named like a test, because `deno task test:security` runs it.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Item } from "../../../dashboard/server/item.ts";
import { Observer } from "../../../dashboard/server/observer.ts";
import type { Access } from "../../../lib/client/access.ts";
import { ForbiddenError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { Address } from "../../../lib/wire/address.ts";
import {
  both,
  failureOf,
  impostor,
  password,
  roles,
  secret,
  waitingLeader,
} from "../../support/guarded.ts";
import { challengeFor, dialled, proofOf } from "../../support/handshakes.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually, within } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";

/** A whole cluster. */
const alone = { clusterSize: 1, minInSync: 1 };

// A secret at one end only

const oneSided: Readonly<Record<string, () => Promise<void>>> = {
  "the leader, not the server that joins": async () => {
    await using leader = waitingLeader({ server: secret });
    await using follower = new TestServer(anyPort, leader.address, {});
    await leader.reported("a server joins only with the secret");
    assertFalse(follower.readable);
    assertFalse(leader.readable);
  },
  "a follower, not its leader": async () => {
    await using leader = await TestServer.alone();
    using writer = await Wire.connect(leader.address);
    await writer.ask({ type: "PUT", id: 1, key: "cor", value: "forjado" });
    await using follower = new TestServer(anyPort, leader.address, {}, {}, { secrets: both });
    await follower.reported("trying again");
    assertFalse(follower.readable);
    assertEquals(follower.holds("cor"), undefined);
  },
  "the server, not its client": async () => {
    await using server = waitingLeader();
    await using client = new KvClient([server.address]);
    await assertRejects(() => client.put("cor", "azul"), ForbiddenError, "password");
  },
  "the client, not its server": async () => {
    await using server = await TestServer.alone();
    await using client = new KvClient([server.address], { password: "senha" });
    await assertRejects(() => client.put("cor", "azul"), ForbiddenError, "password");
    assertEquals(server.prints, []);
  },
  "the dashboard, not its server": async () => {
    await using server = await TestServer.alone();
    assertStringIncludes(await whyNotObserved(server.address, { password }), "password");
  },
  "the server, not the dashboard": async () => {
    await using server = waitingLeader();
    assertStringIncludes(await whyNotObserved(server.address, {}), "password");
  },
};

for (const [who, meet] of Object.entries(oneSided)) {
  Deno.test(`a secret known to ${who} keeps the two apart`, meet);
}

/** Why an observer of the dashboard is not connected. It must not have seen anything. */
async function whyNotObserved(server: Address, access: Access): Promise<string> {
  const items: Item[] = [];
  await using _observer = new Observer(server, access, (item) => items.push(item));
  const down = await eventually("it is down", () => items.find(({ kind }) => kind === "down"));
  assertEquals(items.filter(({ kind }) => kind !== "down"), []);
  assert(down.kind === "down");
  return down.reason;
}

// Requests without a proof

/** One of each request, and what would be left behind if it were carried out. */
const requests: readonly Message[] = [
  { type: "GET", id: 7, key: "cor", timestamp: 0 },
  { type: "PUT", id: 7, key: "cor", value: "forjado" },
  { type: "PUT", id: 7, key: "cor", value: "forjado", client: "127.0.0.1:1" },
  { type: "WRITE", id: 7, key: "cor", value: "forjado", expected: 0 },
  { type: "WRITE", id: 7, key: "cor", value: "forjado", client: "127.0.0.1:1" },
  { type: "GET_LATEST", id: 7, key: "cor" },
  { type: "LIST", id: 7, prefix: "" },
  { type: "WATCH", id: 7, prefix: "", after: 0 },
  { type: "UNWATCH", id: 7 },
  { type: "STATUS", id: 7 },
  { type: "OBSERVE", id: 7 },
  { type: "FAULT", id: 7, follower: "127.0.0.1:1", action: "pause" },
];

for (const request of requests) {
  const { type, client } = request;
  Deno.test(`${type}${client === undefined ? "" : " for another client"} without a proof is refused`, async () => {
    await using leader = new TestServer(anyPort, undefined, alone, {}, {
      secrets: both,
      allowFaults: true,
    });
    await leader.ready();
    await using follower = new TestServer(anyPort, leader.address, {}, {}, { secrets: both });
    for (const { address } of [leader, follower]) {
      using stranger = await Wire.connect(address);
      const silent = await stranger.ask(request);
      assertEquals([silent.type, silent.code, silent.id], ["ERROR", "FORBIDDEN", 7]);
      if (address !== leader.address) continue;
      using greeted = await dialled(address, password, "client");
      await challengeFor(greeted.wire, greeted.dialler.hello);
      const { code, id } = await greeted.wire.ask(request);
      assertEquals([code, id], ["FORBIDDEN", 7]);
    }
    assertEquals(leader.holds("cor"), undefined);
    assertEquals(leader.prints, []);
  });
}

// Nonces

const badNonces: Readonly<Record<string, unknown>> = {
  "no nonce": undefined,
  "an empty nonce": "",
  "a short nonce": "0".repeat(31),
  "a long nonce": "0".repeat(33),
  "a very long nonce": "0".repeat(3_000),
  "a nonce in upper case": "A".repeat(32),
  "a nonce that is no hexadecimal": "g".repeat(32),
  "a nonce with a line feed": `${"0".repeat(31)}\n`,
  "a nonce of digits of another script": "٠".repeat(32),
  "a number as nonce": 0,
  "a list as nonce": ["0".repeat(32)],
};

for (const [what, nonce] of Object.entries(badNonces)) {
  Deno.test(`a server takes no HELLO, and a dialler no CHALLENGE, with ${what}`, async () => {
    await using server = waitingLeader();
    for (const role of roles) {
      using peer = await dialled(server.address, both[role], role);
      const answer = await peer.wire.ask({ ...JSON.parse(peer.dialler.hello.encode()), nonce });
      assertEquals([answer.type, answer.code], ["ERROR", "BAD_MESSAGE"]);
      const heard: string[] = [];
      const challenge = { type: "CHALLENGE", nonce, proof: "0".repeat(64) };
      await using forger = impostor(heard, () => [challenge, { type: "PROOF_OK" }]);
      await within("it refuses", failureOf[role](forger.address));
      assertEquals(heard.filter((type) => type !== "HELLO"), []);
    }
  });
}

Deno.test("a proof in upper case, cut short or continued is refused, and then the right one is due", async () => {
  await using server = waitingLeader();
  using peer = await dialled(server.address, password, "client");
  const challenge = await challengeFor(peer.wire, peer.dialler.hello);
  const { proof } = await proofOf(password, "dialler", peer.dialler.hello, challenge);
  for (const wrong of [proof.toUpperCase(), proof.slice(2), `${proof}00`, "", null, 0, [proof]]) {
    if (wrong === proof) continue; // digits alone
    assertEquals((await peer.wire.ask({ type: "PROOF", proof: wrong })).code, "BAD_MESSAGE");
  }
  assertEquals((await peer.wire.ask({ type: "PROOF", proof })).type, "PROOF_OK");
});

Deno.test("a server never repeats a nonce, not even for the same HELLO", async () => {
  await using server = waitingLeader();
  using peer = await dialled(server.address, password, "client");
  const seen = new Set<string>();
  for (let n = 0; n < 1_000; n++) {
    const { nonce, proof } = await challengeFor(peer.wire, peer.dialler.hello);
    assertFalse(seen.has(nonce) || seen.has(proof));
    seen.add(nonce).add(proof);
  }
});

Deno.test("a server that does not lead proves nothing to a HELLO of a server", async () => {
  await using leader = new TestServer(anyPort, undefined, { clusterSize: 2 }, {}, {
    secrets: both,
  });
  await using follower = new TestServer(anyPort, leader.address, {}, {}, { secrets: both });
  await follower.ready();
  using peer = await dialled(follower.address, secret, "server");
  await peer.wire.write(peer.dialler.hello.encode());
  assertEquals((await peer.wire.rest()).map(({ code }) => code), ["FORBIDDEN"]);
});
