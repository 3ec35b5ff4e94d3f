/** How a client is given its servers, and how it connects to them early. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AccessError, InvalidArgumentError, UnavailableError } from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { rightAnswer } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { deadAddress } from "../support/ports.ts";
import { waitingLeader } from "../support/guarded.ts";

const timeoutMs = 20_000;

Deno.test("all servers in one text: each is asked, blanks around the commas do not count", async () => {
  await using a = FakeServer.answering(rightAnswer);
  await using b = FakeServer.answering(rightAnswer);
  await using client = new KvClient(` ${a.name}, ${b.name}`, { timeoutMs });
  assertEquals((await client.status()).map(({ server }) => server), [a.name, b.name]);
  for (const text of ["", ",", "127.0.0.1", "127.0.0.1:10097,"]) {
    assertThrows(() => new KvClient(text), InvalidArgumentError, "a server must be host:port");
  }
});

// With the permission: tests/suites/processes/commands.ts, and test:runtimes on three runtimes.
Deno.test("no servers, and KV_SERVERS may not be read: an error that names the permission", () => {
  const asked = () => new KvClient(undefined, { timeoutMs });
  assertThrows(asked, InvalidArgumentError, "--allow-env=KV_SERVERS");
  assertThrows(() => new KvClient(), InvalidArgumentError, "may not read KV_SERVERS");
});

Deno.test("connect resolves once one server has answered, though others are down", async () => {
  await using server = FakeServer.answering(rightAnswer);
  await using client = new KvClient([deadAddress(), server.address], { timeoutMs });
  await client.connect();
  assert(server.accepted > 0);
});

Deno.test("connect fails early: no server, an aborted signal, a wrong password", async () => {
  const dead = deadAddress();
  await using none = new KvClient([dead, deadAddress()], { timeoutMs });
  const error = await assertRejects(() => none.connect(), UnavailableError);
  assertEquals(error.server, formatAddress(dead));
  const reason = new Error("no longer");
  const signal = AbortSignal.abort(reason);
  assertEquals(await none.connect({ signal }).catch((error) => error), reason);
  await using server = waitingLeader();
  await using wrong = new KvClient([server.address], { timeoutMs, password: "another password" });
  await assertRejects(() => wrong.connect(), AccessError);
});
