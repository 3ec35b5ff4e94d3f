/**
 * Followers whose messages the test sends itself.
 *
 * @module
 */

import type { Address } from "../../lib/wire/address.ts";
import type { TestServer } from "./test_server.ts";
import { Wire } from "./wire_client.ts";

/** Joins a leader as a follower. It is in sync once the test has acknowledged the SYNC that comes. */
export async function joinAsFollower(leader: Address): Promise<Wire> {
  const wire = await Wire.connect(leader);
  await wire.send({ type: "JOIN", server: wire.local, cluster: "", timestamp: 0 });
  await wire.messageOf("JOIN_OK");
  return wire;
}

/** Joins a leader with two followers and puts both in sync, so that the leader is open. */
export async function openWithTwo(leader: TestServer): Promise<[Wire, Wire]> {
  const followers = [
    await joinAsFollower(leader.address),
    await joinAsFollower(leader.address),
  ] as const;
  for (const follower of followers) {
    await follower.messageOf("SYNC");
    await follower.send({ type: "REPLICATION_OK", timestamp: 0 });
  }
  await leader.ready();
  return [...followers];
}
