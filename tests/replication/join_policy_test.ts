import { assertEquals, assertStringIncludes } from "@std/assert";
import { timestampMax } from "../../lib/limits.ts";
import { ErrorReply, Join } from "../../lib/mensagem.ts";
import {
  isRedial,
  type JoinContext,
  joinRefusal,
  refusesData,
} from "../../lib/replication/join_policy.ts";

const pure = { permissions: "none" } as const;
const self = "10.0.0.1:1";
const server = "10.0.0.3:3";

/** A leader of cluster "c" at timestamp 1,000 that skipped from 5 to 900, with one follower. */
const context: JoinContext = {
  self,
  clusterSize: 3,
  repeated: false,
  joined: [new Join("10.0.0.2:2", "c", 1_000)],
  cluster: "c",
  timestamp: 1_000,
  gaps: [[6, 899]],
  beyondPuts: false,
  ownCluster: undefined,
};

/** A leader that waits for its followers, and has no table yet. */
const waiting: JoinContext = { ...context, cluster: "", timestamp: 0, gaps: [] };

function accepts(join: Join, of: JoinContext): void {
  assertEquals(joinRefusal(join, of), undefined);
}

function refuses(reason: string, join: Join, of: JoinContext, data = true): void {
  const refusal = joinRefusal(join, of);
  assertStringIncludes(refusal?.message ?? "accepted", reason);
  assertEquals(refusesData(refusal!), data, reason);
}

Deno.test("a new server may join, and so may one with data that the leader knows", pure, () => {
  accepts(new Join(server, "", 0), context);
  for (const timestamp of [1, 5, 900, 1_000]) accepts(new Join(server, "c", timestamp), context);
  accepts(new Join(server, "c", 4, 700), context); // its whole table can be replaced
});

Deno.test("a server is refused for its address, or if the cluster is full", pure, () => {
  const join = new Join(server, "c", 1_000);
  refuses("joined already", join, { ...context, repeated: true }, false);
  refuses("is the leader itself", new Join(self, "c", 1_000), context, false);
  refuses("has joined already", new Join("10.0.0.2:2", "c", 1_000), context, false);
  refuses("--cluster-size", join, { ...context, clusterSize: 2 }, false);
});

Deno.test("FORBIDDEN refuses data, unless the JOIN has no instance number", pure, () => {
  const taken = "10.0.0.2:2";
  const full = { ...context, clusterSize: 2 };
  const cases: [string, string, JoinContext, string | undefined][] = [
    [taken, "c", context, "UNAVAILABLE"],
    [server, "c", { ...context, repeated: true }, "UNAVAILABLE"],
    [server, "c", full, "UNAVAILABLE"],
    [self, "c", context, "UNAVAILABLE"],
    [server, "other", context, "FORBIDDEN"],
    [server, "other", full, "FORBIDDEN"],
    [taken, "other", context, "FORBIDDEN"],
    [server, "c", context, undefined],
  ];
  for (const [name, cluster, of, expected] of cases) {
    const join = (instance?: number) => new Join(name, cluster, 1_000, undefined, instance, 1);
    assertEquals(joinRefusal(join(7), of)?.code, expected, name);
    assertEquals(joinRefusal(join(), of)?.code, expected && "FORBIDDEN", name);
  }
});

Deno.test("a refusal of data is known by its code and words, in every version", pure, () => {
  const data = [
    "10.0.0.2:2 holds data of cluster a, this is cluster b: start it anew",
    "10.0.0.2:2 holds data of cluster a, and this is cluster b: restart 10.0.0.2:2",
    "10.0.0.2:2 holds timestamp 9, which this leader knows nothing of: start it anew",
    "10.0.0.2:2 holds timestamp 9, which this leader does not know",
  ];
  const other = [
    "10.0.0.2:2 has joined already",
    "this connection has joined already",
    "10.0.0.2:2 is the leader itself",
    "10.0.0.1:1 is not the leader, 10.0.0.3:3 is",
    "this server is not the leader",
    "the cluster has its 3 servers already, see --cluster-size",
    "only members may join, by the secret and, with TLS, by certificate",
    "a server joins only with the secret and, with TLS, with a certificate",
    "10.0.0.1:1 keeps its data in etcd: no server joins another",
    "this server speaks TLS, and this connection does not",
    "nothing was proved within 10000 ms (--proof-timeout)",
  ];
  for (const message of data) {
    assertEquals(refusesData(new ErrorReply("FORBIDDEN", message)), true, message);
    assertEquals(refusesData(new ErrorReply("UNAVAILABLE", message)), false, message);
  }
  for (const message of other) {
    assertEquals(refusesData(new ErrorReply("FORBIDDEN", message)), false, message);
  }
});

Deno.test("a redial has the instance of the earlier JOIN, and no lower attempt", pure, () => {
  const join = (instance?: number, attempt?: number) =>
    new Join(server, "c", 1, undefined, instance, attempt);
  assertEquals(isRedial(join(7, 3), join(7, 2)), true);
  assertEquals(isRedial(join(7), join(7)), true);
  assertEquals(isRedial(join(7, 1), join(7, 2)), false);
  assertEquals(isRedial(join(8, 3), join(7, 2)), false);
  assertEquals(isRedial(join(), join()), false);
});

Deno.test("data with impossible timestamps or without a cluster is refused", pure, () => {
  refuses("above the highest write", new Join(server, "c", 7, 6), context);
  refuses("above the limit", new Join(server, "c", 1, timestampMax + 1), context);
  refuses("data of no cluster", new Join(server, "", 1), context);
});

Deno.test("data of another cluster is refused, an empty table of one is not", pure, () => {
  refuses("holds data of cluster other", new Join(server, "other", 1), context);
  accepts(new Join(server, "other", 0), context);
});

Deno.test("a waiting leader refuses by the data of its followers, then by its own", pure, () => {
  const other = new Join(server, "other", 9);
  refuses("this is cluster c", other, waiting);
  refuses("this is cluster mine", other, { ...waiting, joined: [], ownCluster: "mine" });
  accepts(other, { ...waiting, joined: [new Join("10.0.0.2:2", "c", 0)] });
  accepts(new Join(server, "c", 2_000), waiting); // there is no timestamp to compare with yet
});

Deno.test("a timestamp in a gap, or above the leader's, is refused", pure, () => {
  for (const timestamp of [6, 899, 1_001]) {
    refuses("does not know", new Join(server, "c", timestamp), context);
  }
});
