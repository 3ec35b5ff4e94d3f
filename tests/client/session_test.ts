import { assert, assertFalse, assertStrictEquals } from "@std/assert";
import {
  Fault,
  FaultOk,
  Get,
  GetOk,
  Put,
  PutOk,
  Status,
  StatusOk,
  TryOther,
} from "../../lib/mensagem.ts";
import { answers, Session } from "../../lib/client/session.ts";

const pure = { permissions: "none" } as const;

Deno.test("a key that was never seen stands at 0", pure, () => {
  assertStrictEquals(new Session().timestamp("constructor"), 0);
});

Deno.test("PUT_OK and GET_OK raise the timestamp of their key, and nothing lowers it", pure, () => {
  const session = new Session();
  session.learn(new PutOk(1, "a", 5));
  session.learn(new GetOk(2, "b", "x", 7));
  session.learn(new GetOk(3, "a", "old", 4));
  session.learn(new GetOk(4, "a", null, 0));
  assertStrictEquals(session.timestamp("a"), 5);
  session.learn(new GetOk(5, "a", "new", 9));
  assertStrictEquals(session.timestamp("a"), 9);
  assertStrictEquals(session.timestamp("b"), 7);
});

Deno.test("TRY_OTHER_SERVER_OR_LATER shows nothing, so nothing is learnt from it", pure, () => {
  const session = new Session();
  session.learn(new TryOther(1, "a", 5));
  assertStrictEquals(session.timestamp("a"), 0);
});

Deno.test("a session belongs to the first cluster that it hears of, and to no other", pure, () => {
  const session = new Session();
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assertFalse(session.belongsTo("two"));
  assertFalse(session.belongsTo("two"));
  assert(session.belongsTo("one"));
});

Deno.test("only what a server that keeps its word could say is an answer", pure, () => {
  const status = new StatusOk(1, {
    server: "127.0.0.1:1",
    leader: "127.0.0.1:1",
    cluster: "c",
    timestamp: 1,
    inSync: [],
    followers: [],
    keys: 1,
    connections: 1,
    uptimeMs: 1,
    memoryBytes: 1,
    faults: false,
  });
  const put = new Put(1, "a", "x");
  const get = new Get(1, "a", 5);
  for (const reply of [new PutOk(1, "a", 1)]) assert(answers(reply, put));
  for (const reply of [new GetOk(1, "a", "x", 5), new TryOther(1, "a", 4)]) {
    assert(answers(reply, get));
  }
  assert(answers(status, new Status(1)));
  for (const reply of [new PutOk(1, "b", 1), new GetOk(1, "a", "x", 5), status]) {
    assertFalse(answers(reply, put));
  }
  const wrong = [
    new GetOk(1, "a", "x", 4),
    new GetOk(1, "b", "x", 5),
    new PutOk(1, "a", 5),
    status,
  ];
  for (const reply of wrong) assertFalse(answers(reply, get));
  assertFalse(answers(new PutOk(1, "a", 1), new Status(1)));
  const fault = new Fault(1, "127.0.0.1:2", "pause");
  assert(answers(new FaultOk(1), fault));
  for (const reply of [status, new PutOk(1, "a", 1)]) assertFalse(answers(reply, fault));
  for (const request of [put, get, new Status(1)]) assertFalse(answers(new FaultOk(1), request));
});
