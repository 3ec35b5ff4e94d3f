/**
 * Trials with a stopped follower: PUT_OK has to wait for it, a GET must not.
 *
 * @module
 */

import type { Request } from "../run.ts";
import type { Stage } from "../stage.ts";

/** Longer stops could run into an implementation's own limits. */
export const stopMsMax = 1_200;
/** What the grader waits for during a stop, so that the stop ends in time. */
const waitMs = 950;
const arrivesMs = 300;
const answersMs = 300;
const roundsMax = 8;
const getsMax = 4;

/**
 * Stops one follower during a PUT, and asks the others meanwhile. Once only: an implementation may
 * rightly count a follower that has just stood still as dead.
 */
export async function stopFollower(stage: Stage, index: 1 | 2): Promise<void> {
  await stage.startServers();
  const writers = [await stage.startClient(), await stage.startClient()];
  // the leader is where the PUT waits: the readers ask only that server
  const readers = [await stage.startClient(stage.leader), await stage.startClient(stage.leader)];
  const known = stage.newKey();
  await stage.ask(writers[0]!, "PUT", known, "controle");
  for (const reader of readers) await stage.ask(reader, "GET", known);
  const follower = stage.servers[index]!;
  const sendPuts: (readonly [key: string, send: () => Promise<Request>])[] = [];
  for (const writer of writers) {
    const key = stage.newKey();
    sendPuts.push([key, await stage.prepare(writer, "PUT", key, "espera")]);
  }
  const sendGets: (() => Promise<Request>)[] = [];
  for (const reader of readers) sendGets.push(await stage.prepare(reader, "GET", known));

  const from = await stage.stop(follower);
  const started = performance.now();
  const leftMs = (reserveMs = 0) => Math.max(1, waitMs - reserveMs - (performance.now() - started));
  const puts: Request[] = [];
  for (const [i, [key, send]] of sendPuts.entries()) {
    puts.push(await send());
    const isLast = i === sendPuts.length - 1;
    const arrivalMs = isLast ? leftMs(answersMs) : Math.min(arrivesMs, leftMs());
    // a PUT that was sent to the stopped follower does not arrive: another client tries
    if (await stage.printed(stage.leader.name, key, from, arrivalMs)) break;
  }
  const gets = await Promise.all(sendGets.map((send) => send()));
  const answerMs = Math.min(answersMs, leftMs());
  await Promise.all(gets.map((get) => stage.hasAnswer(get, answerMs)));
  const others = stage.programs().filter((program) => program.name !== follower.name);
  const rested = await stage.rest(others, leftMs());
  await Promise.all(puts.map((put) => stage.hasAnswer(put, leftMs())));
  await stage.goOn(follower, from, rested);

  const requests = [...puts, ...gets];
  for (const request of requests) await stage.answer(request);
  await stage.rest();
  for (const request of requests) request.to = stage.recording.events.length;
}

/** A follower that was stopped while a key changed is asked the moment it goes on. */
export async function lateFollower(stage: Stage): Promise<void> {
  await stage.startServers();
  const writer = await stage.startClient();
  const key = stage.newKey();
  await stage.ask(writer, "PUT", key, "antigo");
  for (let round = 0; round < roundsMax; round++) {
    const follower = stage.servers[1 + round % 2]!;
    const reader = await stage.startClient();
    const from = await stage.stop(follower);
    const put = await stage.begin(writer, "PUT", key, `novo${round}`);
    const gets: Request[] = [];
    for (let i = 0; i < getsMax; i++) {
      const get = await stage.begin(reader, "GET", key);
      gets.push(get);
      if (!await stage.hasAnswer(get, waitMs / getsMax)) break;
    }
    await stage.goOn(follower, from, false);
    await stage.answer(put);
    for (const get of gets) await stage.answer(get);
    await stage.rest();
    put.to = stage.recording.events.length;
    if (sawRefusal(stage)) return;
  }
}

/** Whether a client was refused. */
export function sawRefusal(stage: Stage): boolean {
  return stage.recording.events.some((event) =>
    event.kind === "out" && event.text.includes(stage.profile.refusalWord)
  );
}
