import { assertEquals, assertThrows } from "@std/assert";
import { Join } from "../../lib/mensagem.ts";
import { Member } from "../../lib/replication/member.ts";
import { Members } from "../../lib/replication/members.ts";
import { Store } from "../../lib/replication/store.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { brief, pure, tableAt } from "../support/core_fixture.ts";

/** A follower that has joined, and the frames that it was sent. */
function joined(server = "10.0.0.2:2"): { member: Member; sent: string[] } {
  const sent: string[] = [];
  const link = {
    peer: server,
    betweenServers: true,
    send: (text: string) => void sent.push(text),
    close: () => {},
  };
  return { member: new Member(link, new Join(server, "c", 0), 0), sent };
}

Deno.test("a member is live, then ready, then in sync", pure, () => {
  const { member, sent } = joined();
  assertEquals([member.live, member.ready, member.acked], [false, false, -1]);
  member.goLive("c", 3, tableAt(5), ["log\n"]);
  assertEquals(sent.splice(1), ["log\n"]);
  assertEquals(brief(sent[0]!), `SYNC "c" @3 of @5`);
  member.acknowledge(4);
  assertEquals([member.live, member.ready], [true, false]);
  member.acknowledge(5);
  assertEquals([member.ready, member.inSync], [true, false]);
  member.putInSync();
  member.checkInvariants(5, 5);
});

Deno.test("a member's snapshot ends with the timestamp at which it began", pure, () => {
  const { member, sent } = joined();
  const store = new Store();
  store.put("a", "1", 7);
  assertEquals(member.owesSnapshotOk, false);
  member.sendSnapshot(store, 0, 7, tuningDefault, false);
  assertEquals(sent.map(brief), ["SNAPSHOT a=1@7 last"]);
  assertEquals([member.owesSnapshotOk, member.snapshotConfirmed()], [true, 7]);
  assertEquals(member.owesSnapshotOk, false);
});

Deno.test("a fault holds REPLICATIONs, not heartbeats, and its end sends them", pure, () => {
  const { member, sent } = joined();
  member.hold(Infinity, 0, () => {});
  member.replicate("1\n");
  member.sendHeartbeat();
  assertEquals([sent.length, member.faultDelayMs], [1, Infinity]);
  assertEquals([member.endHold(), member.endHold(), sent.at(-1)], [true, false, "1\n"]);
});

Deno.test("members: every ready follower counts, whether in sync or not", pure, () => {
  const members = new Members();
  const [a, b] = [joined("10.0.0.2:2").member, joined("10.0.0.3:3").member];
  for (const member of [a, b]) members.add(member);
  assertEquals(members.acknowledgedByAll(9), 9);
  a.goLive("c", 0, tableAt(4), []);
  b.goLive("c", 0, tableAt(4), []);
  a.acknowledge(4);
  assertEquals(members.acknowledgedByAll(9), 4);
  b.acknowledge(6);
  members.putInSync(b);
  assertEquals([members.acknowledgedByAll(9), members.serversInSync], [4, 2]);
  assertEquals([members.remove(a), members.remove(a), members.acknowledgedByAll(9)], [
    true,
    false,
    6,
  ]);
  members.checkInvariants(9, 6);
});

Deno.test("a member in sync that lacks a committed write breaks an invariant", pure, () => {
  const { member } = joined();
  member.goLive("c", 0, tableAt(1), []);
  member.acknowledge(1);
  member.putInSync();
  assertThrows(() => member.checkInvariants(2, 2), Error, "lacks committed writes");
  const fresh = joined().member;
  fresh.putInSync();
  assertThrows(() => fresh.checkInvariants(2, 0), Error, "is in sync and not waited for");
});
