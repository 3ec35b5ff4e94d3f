import { assertEquals, assertRejects } from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { TableFeed } from "../../lib/etcd/table_feed.ts";
import { Store } from "../../lib/replication/store.ts";
import { etcdError, FakeEtcd } from "../support/fake_etcd.ts";

/** A feed of an empty table that remembers this many deletions. No request is made. */
function setUp(deletionsMax: number) {
  const client = new EtcdClient({ url: "http://127.0.0.1:1", prefix: "kv/" });
  const store = new Store(deletionsMax);
  return { store, feed: new TableFeed(store, client, () => {}) };
}

const put = (key: string, revision: number) => ({ key, value: "v", revision, deleted: false });
const removal = (key: string, revision: number) => ({
  key,
  value: undefined,
  revision,
  deleted: true,
});

Deno.test("a write in the same revision as more removals than are remembered is not left out", () => {
  const { store, feed } = setUp(1);
  feed.apply(["a", "b", "c"].map((key, index) => put(key, index + 1)), false);
  const events = [...["a", "b", "c"].map((key) => removal(key, 4)), put("d", 4)];
  assertEquals(feed.apply(events, false).length, 4);
  assertEquals([store.get("d")?.timestamp, store.floor, store.timestamp], [4, 4, 4]);
  // A watch that begins within a revision shows it again.
  assertEquals(feed.apply(events, false), []);
});

Deno.test("a table whose second reading breaks off is whole again once the watch has shown what was read", async () => {
  await using etcd = new FakeEtcd();
  using client = new EtcdClient({ url: etcd.url, prefix: "kv/" });
  const store = new Store();
  const feed = new TableFeed(store, client, () => {});
  const { signal } = new AbortController();
  const keys = 1_500; // more than the first page has
  for (let n = 0; n < keys; n++) etcd.write(`kv/${n}`, "v");
  await feed.load(signal);
  assertEquals([store.size, store.merging], [keys, false]);
  const revision = etcd.write("kv/0", "w");
  for (const [pagesMax, mixed] of [[0, false], [1, true]] as const) {
    let pages = 0;
    etcd.members[0]!.interfere = () =>
      pages++ < pagesMax ? undefined : etcdError("etcdserver: request timed out");
    await assertRejects(() => feed.load(signal));
    assertEquals([store.merging, (store.get("0")?.timestamp ?? 0) > store.timestamp], [
      false,
      mixed,
    ]);
  }
  feed.apply([put("0", revision)], false);
  assertEquals([store.timestamp, store.get("0")?.timestamp], [revision, revision]);
});
