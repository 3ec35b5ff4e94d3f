import { assert, assertFalse } from "@std/assert";
import { answers } from "../../lib/client/requests.ts";
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

const pure = { permissions: "none" } as const;

Deno.test("only what a correct server could say answers a request", pure, () => {
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
