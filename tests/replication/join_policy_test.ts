import { assertEquals, assertStringIncludes } from "@std/assert";
import { timestampMax } from "../../lib/limits.ts";
import { Join } from "../../lib/mensagem.ts";
import { type JoinContext, whyJoinRefused } from "../../lib/replication/join_policy.ts";

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
  gaps: [[5, 900]],
  ownCluster: undefined,
};

/** A leader that waits for its followers, and has no table yet. */
const waiting: JoinContext = { ...context, cluster: "", timestamp: 0, gaps: [] };

function accepts(join: Join, of: JoinContext): void {
  assertEquals(whyJoinRefused(join, of), undefined);
}

function refuses(reason: string, join: Join, of: JoinContext): void {
  assertStringIncludes(whyJoinRefused(join, of) ?? "accepted", reason);
}

Deno.test("a new server may join, and so may one with data that the leader knows", pure, () => {
  accepts(new Join(server, "", 0), context);
  for (const timestamp of [1, 5, 900, 1_000]) accepts(new Join(server, "c", timestamp), context);
  accepts(new Join(server, "c", 4, 700), context); // its whole table can be replaced
});

Deno.test("a server is refused for its address, or if the cluster is full", pure, () => {
  const join = new Join(server, "c", 1_000);
  refuses("joined already", join, { ...context, repeated: true });
  refuses("is the leader itself", new Join(self, "c", 1_000), context);
  refuses("has joined already", new Join("10.0.0.2:2", "c", 1_000), context);
  refuses("--cluster-size", join, { ...context, clusterSize: 2 });
});

Deno.test("data with impossible timestamps or without a cluster is refused", pure, () => {
  refuses("above the highest write", new Join(server, "c", 7, 6), context);
  refuses("above the limit", new Join(server, "c", 1, timestampMax + 1), context);
  refuses("no cluster id", new Join(server, "", 1), context);
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
