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
import type { Address } from "../../lib/wire/address.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

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
    const secrets = { server: await Secret.from("segredo") };
    await using follower = new TestServer(anyPort, leader, {}, {}, { secrets });
    return await follower.reported("trying again");
  },
  "the library": async (server) => {
    await using client = new KvClient([server], { password: "senha" });
    return (await assertRejects(() => client.get("cor"), ForbiddenError)).message;
  },
  "a client of the dashboard": async (server) => {
    const entry = { password: await Secret.from("senha") };
    await using clients = new Clients([server], entry, () => {});
    return (await assertRejects(() => clients.get(1, "cor"), ForbiddenError)).message;
  },
  "an observer of the dashboard": async (server) => {
    const items: Item[] = [];
    const entry = { password: await Secret.from("senha") };
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
