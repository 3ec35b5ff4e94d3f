/**
 * Trials that the assignment excludes: PUTs at the same time, and a dead follower.
 *
 * @module
 */

import type { Stage } from "../stage.ts";

const writers = 3;
const rounds = 5;
const getsMax = 30;
const deadPutMs = 6_000;
const deadPutsMax = 4;

/** Clients that PUT one key at the same time; then every server is asked for it. */
export async function concurrent(stage: Stage): Promise<void> {
  await stage.startServers();
  const clients: string[] = [];
  for (let i = 0; i < writers; i++) clients.push(await stage.startClient());
  const key = stage.newKey();
  for (let round = 0; round < rounds; round++) {
    const puts = await Promise.all(
      clients.map((client) => stage.begin(client, "PUT", key, `r${round}${client}`)),
    );
    await Promise.all(puts.map((put) => stage.answer(put)));
    await stage.rest();
    for (const put of puts) put.to = stage.recording.events.length;
  }
  stage.note("GET");
  const reader = await stage.startClient();
  const asked = new Set<string>();
  for (let i = 0; i < getsMax && asked.size < stage.servers.length; i++) {
    const get = await stage.ask(reader, "GET", key);
    for (const event of stage.recording.events.slice(get.from, get.to)) {
      if (event.kind === "out" && event.console.startsWith("S")) asked.add(event.console);
    }
  }
}

/** A PUT after one follower has died. */
export async function deadFollower(stage: Stage): Promise<void> {
  await stage.startServers();
  let client = await stage.startClient();
  await stage.ask(client, "PUT", stage.newKey(), "controle");
  await stage.kill(stage.followers[1]!.name);
  for (let i = 0; i < deadPutsMax; i++) {
    const put = await stage.begin(client, "PUT", stage.newKey(), "depois");
    const answered = await stage.answer(put, deadPutMs);
    put.to = stage.recording.events.length;
    if (answered) return;
    // the client may have chosen the dead server, and may be of no more use
    client = await stage.startClient();
  }
}
