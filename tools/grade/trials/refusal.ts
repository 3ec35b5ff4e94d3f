/**
 * Trials that bring a server behind what a client has seen: a cut, a restart, the
 * implementation's own hook.
 *
 * @module
 */

import { Cut } from "../cut.ts";
import { serversBehind } from "../verdicts/behind.ts";
import type { Request } from "../run.ts";
import type { Stage } from "../stage.ts";
import { finish } from "../trial.ts";
import { sawRefusal } from "./stopped.ts";

const getsMax = 20;
const readersMax = 4;
const writersMax = 4;
const cutArrivesMs = 3_000;
const cutAnswerMs = 3_000;

/** The leader and one follower are cut apart. A client sees the new value, then asks that follower. */
export async function cut(stage: Stage): Promise<void> {
  await stage.startServers({ ownUids: true });
  const writers: string[] = [];
  for (let i = 0; i < writersMax; i++) writers.push(await stage.startClient());
  const key = stage.newKey();
  await stage.ask(writers[0]!, "PUT", key, "antigo");
  const readers: string[] = [];
  for (let i = 0; i < readersMax; i++) {
    readers.push(await stage.startClient());
    await stage.ask(readers[i]!, "GET", key);
  }
  const follower = stage.followers[1]!;
  await using separation = await Cut.make(stage, follower);
  stage.note(`${stage.leader.name} -x-> ${follower.name}`);
  const puts: Request[] = [];
  for (const [i, writer] of writers.entries()) {
    const from = stage.recording.events.length;
    puts.push(await stage.begin(writer, "PUT", key, `novo${i}`));
    // a PUT at the follower that is cut off does not arrive
    if (await stage.printed(stage.leader.name, `novo${i}`, from, cutArrivesMs)) break;
  }
  for (const reader of readers) {
    for (let i = 0; i < getsMax; i++) {
      const get = await stage.begin(reader, "GET", key);
      // a GET that is not answered shows that this reader is of no more use
      if (!await stage.answer(get, cutAnswerMs)) break;
      await stage.rest();
      get.to = stage.recording.events.length;
      if (behind(stage)) break;
    }
    if (behind(stage)) break;
  }
  await separation.end();
  stage.note(`${stage.leader.name} ---> ${follower.name}`);
  for (const put of puts) {
    await stage.answer(put);
    put.to = stage.recording.events.length;
  }
}

/** All servers start again without data, under a client that has seen larger timestamps. */
export async function restart(stage: Stage): Promise<void> {
  await stage.site.forgetClosedConnections();
  await stage.startServers();
  const old = await stage.startClient();
  const key = stage.newKey();
  for (let i = 1; i <= 4; i++) await stage.ask(old, "PUT", key, `valor${i}`);
  await stage.restartServers();
  const fresh = await stage.startClient();
  await stage.ask(fresh, "PUT", key, "outro");
  for (let i = 0; i < getsMax && !behind(stage); i++) await stage.ask(old, "GET", key);
}

/** The implementation's own way to force a refusal, from its profile. */
export async function hook(stage: Stage): Promise<void> {
  await stage.startServers();
  const client = await stage.startClient();
  const key = stage.newKey();
  await stage.ask(client, "PUT", key, "valor");
  const steps = stage.profile.hook!;
  await stage.followHook(client, steps, key);
  for (let i = 0; i < getsMax && !behind(stage) && !sawRefusal(stage); i++) {
    await stage.ask(client, "GET", key);
  }
}

/** Whether a server that is behind its client has answered a GET. */
function behind(stage: Stage): boolean {
  return serversBehind(finish(stage, "cut", "", stage.recording.events.length)).length > 0;
}
