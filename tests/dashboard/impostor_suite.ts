/** Programs at the address of a server: what they get from the dashboard, and what it shows of them. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import { Clients } from "../../dashboard/server/clients.ts";
import type { Item } from "../../dashboard/server/item.ts";
import { encode } from "../../dashboard/page/state.js";
import { Secret } from "../../lib/auth/secret.ts";
import { KvError, UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";
import type { Message, Wire } from "../support/wire_client.ts";

const forged = "forjado";
const kept = "segredo-do-cliente";
const zero = { puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 };

/** Answers as a server that has the key, to whatever is asked. */
function answerTo({ type, id, key }: Message, self: string): Message[] {
  const at = Date.now();
  const status = {
    ...{ id, server: self, leader: self, cluster: "c", timestamp: 9, inSync: [self] },
    ...{ followers: [], keys: 1, connections: 1, uptimeMs: 1, memoryBytes: 1, faults: true },
  };
  const event = { kind: "written", at, key: forged, value: forged, timestamp: 9 };
  switch (type) {
    case "STATUS":
      return [{ type: "STATUS_OK", ...status }];
    case "OBSERVE":
      return [
        { type: "EVENTS", id, server: self, at, missed: 0, counts: zero, events: [event] },
      ];
    case "PUT":
      return [{ type: "PUT_OK", id, key, timestamp: 9 }];
    case "GET":
      return [{ type: "GET_OK", id, key, value: forged, timestamp: 9 }];
    default:
      return [];
  }
}

const hex = (digits: number) => "0".repeat(digits);
const challenges: readonly Message[] = [
  { type: "CHALLENGE", nonce: hex(32), proof: hex(64) },
  { type: "CHALLENGE", nonce: hex(32), proof: hex(64), version: 2 },
];

/** What an impostor sends when the dashboard has said HELLO. */
const tricks: Readonly<Record<string, (self: string) => Message[]>> = {
  "PROOF_OK without a CHALLENGE": () => [{ type: "PROOF_OK" }],
  "a wrong proof, and PROOF_OK": () => [challenges[0]!, { type: "PROOF_OK" }],
  "a wrong proof of the second version, and PROOF_OK": () => [challenges[1]!, { type: "PROOF_OK" }],
  "answers to requests that were not sent": (self) =>
    ["STATUS", "OBSERVE", "PUT", "GET"].flatMap((type) =>
      [0, 1, 2, 3].flatMap((id) => answerTo({ type, id, key: "cor" }, self))
    ),
  "its own HELLO": () => [{ type: "HELLO", role: "client", nonce: hex(32) }],
};

for (const [trick, messages] of Object.entries(tricks)) {
  Deno.test(`an impostor gets no value and shows none: ${trick}`, async () => {
    const received: string[] = [];
    const converse = async (wire: Wire, self: string) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        received.push(line);
        const message = JSON.parse(line);
        await wire.send(
          ...(message.type === "HELLO" ? messages(self) : answerTo(message, self)),
        );
      }
    };
    await using impostor: FakeServer = new FakeServer(
      (wire) => converse(wire, impostor.name),
      { answersStatus: false },
    );
    const password = await Secret.from("uma senha bem longa e secreta");
    await using dashboard = new Dashboard({
      listen: anyPort,
      servers: [impostor.address],
      password,
    });
    const { clients, feed } = dashboard;
    const errors = await Promise.all([
      assertRejects(() => clients.put(1, "cor", kept), KvError),
      assertRejects(() => clients.get(1, "cor"), KvError),
    ]);
    for (const error of errors) assert(!(error instanceof UnknownOutcomeError), `${error}`);
    await eventually("the reason is shown", () => feed.state.servers[0]!.reason !== "");
    feed.deliver(Infinity);
    const [shown] = feed.state.servers;
    assert(!shown!.up);
    assertEquals([shown!.status, feed.state.table.size], [undefined, 0]);
    assert(!encode(feed.state).includes(forged));
    assert(received.length > 0);
    for (const line of received) {
      assertStringIncludes(line, `{"type":"HELLO"`);
      assert(!line.includes(kept) && !line.includes("cor"), line);
    }
  });
}

/** Answers to a PUT or GET of `key` that do not fit, by what is wrong. The client has seen 5 of it. */
const lies: Readonly<Record<string, (request: Message) => Message | string>> = {
  "another key": (m) => ({ ...right(m), key: "outra" }),
  "an unknown id": (m) => ({ ...right(m), id: 999 }),
  "no id": ({ type, key }) => ({ type: `${type}_OK`, key, value: forged, timestamp: 9 }),
  "the answer to another request": ({ type, ...m }) =>
    right({ ...m, type: type === "PUT" ? "GET" : "PUT" }),
  "a message of another type": ({ id }) => ({ type: "FAULT_OK", id }),
  "a refusal of a PUT, an older value to a GET": (m) =>
    m.type === "PUT"
      ? { ...m, type: "TRY_OTHER_SERVER_OR_LATER", timestamp: 1, value: undefined }
      : { ...right(m), timestamp: 4 },
  "the timestamp 0": (m) => ({ ...right(m), timestamp: 0 }),
  "a timestamp that is not new": (m) => ({ ...right(m), timestamp: m.type === "PUT" ? 5 : 3 }),
  "a timestamp that is no integer": (m) => ({ ...right(m), timestamp: 9.5 }),
  "a value that is no text": (m) => ({ ...right(m), value: 7, timestamp: -1 }),
  "a message that only servers send": ({ key }) => ({
    type: "REPLICATION",
    key,
    value: forged,
    timestamp: 9,
  }),
  "a line that is no message": () => `["${forged}"]\n`,
};

function right({ type, id, key }: Message): Message {
  return type === "PUT"
    ? { type: "PUT_OK", id, key, timestamp: 9 }
    : { type: "GET_OK", id, key, value: forged, timestamp: 9 };
}

for (const [what, lie] of Object.entries(lies)) {
  Deno.test(`an answer that does not fit its request is refused: ${what}`, async () => {
    for (const type of ["PUT", "GET"]) {
      let truth = true;
      await using server = FakeServer.answering((request) => {
        if (truth) return { ...right(request), timestamp: 5, value: "azul" };
        return lie(request);
      });
      const items: Item[] = [];
      await using clients = new Clients([server.address], {}, (item) => items.push(item));
      assertEquals((await clients.get(1, "cor")).timestamp, 5);
      truth = false;
      const before = items.length;
      const reason = "the server broke the protocol";
      if (type === "PUT") {
        await assertRejects(() => clients.put(1, "cor", kept), UnknownOutcomeError, reason);
      } else await assertRejects(() => clients.get(1, "cor"), UnavailableError, reason);
      assertEquals(items.slice(before), [], "what the client has seen stays");
      truth = true;
      assertEquals((await clients.get(1, "cor")).seen, 5, "on a new connection");
      assertEquals(server.accepted, 2);
    }
  });
}

Deno.test("a value without a timestamp is refused, also by a client that has seen nothing", async () => {
  await using server = FakeServer.answering((request) => ({ ...right(request), timestamp: 0 }));
  await using clients = new Clients([server.address], {}, () => {});
  await assertRejects(() => clients.get(2, "cor"), UnavailableError, "broke the protocol");
});

Deno.test("an answer that comes before its request, or twice, ends the connection", async () => {
  const answers: Readonly<Record<string, (wire: Wire) => Promise<void>>> = {
    before: async (wire) => {
      // The ids of a connection are 1, 2, …
      for (const id of [1, 2]) await wire.send(right({ type: "GET", id, key: "cor" }));
    },
    twice: async (wire) => {
      const request = await wire.message();
      await wire.send(right(request), right(request));
    },
  };
  for (const [when, answer] of Object.entries(answers)) {
    await using server = new FakeServer(async (wire) => {
      await answer(wire);
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        await wire.send({ ...right(JSON.parse(line)), timestamp: 10 });
      }
    });
    const items: Item[] = [];
    await using clients = new Clients([server.address], {}, (item) => items.push(item));
    await clients.get(1, "cor").catch(() => {});
    await eventually(`${when}: it is dialled again`, async () => {
      await clients.get(1, "cor").catch(() => {});
      return server.accepted >= 2;
    });
    if (when === "before") assertEquals(items.filter(({ kind }) => kind === "seen"), []);
  }
});
