import { assert, assertEquals, assertFalse } from "@std/assert";
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
import { Store } from "../../lib/replication/store.ts";

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
  // A server that has applied everything up to 5 may have a lower floor than the one that showed 5.
  assert(answers(new GetOk(1, "a", null, 4), get));
  assertFalse(answers(new GetOk(1, "a", "x", 0), new Get(1, "a", 0)));
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

Deno.test(
  "NULL from a server that is a little behind fits, although its floor is lower",
  pure,
  () => {
    const [ahead, behind] = [new Store(1), new Store(1)];
    for (const [key, value, timestamp] of [["a", "1", 1], ["a", null, 2], ["b", "2", 3]] as const) {
      for (const store of [ahead, behind]) {
        store.put(key, value, timestamp);
        store.advance(timestamp);
      }
    }
    ahead.put("b", null, 4); // forgets the deletion of "a"
    ahead.advance(4);
    const seen = ahead.read("none", 0).timestamp;
    const reading = behind.read("none", seen);
    assertEquals([seen, reading], [2, { fresh: true, value: null, timestamp: 0 }]);
    const reply = new GetOk(1, "none", null, reading.timestamp);
    assert(answers(reply, new Get(1, "none", seen)));
  },
);
