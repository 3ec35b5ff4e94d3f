/**
 * The trials that disturb nothing: PUT and GET at every server, random choice, values.
 *
 * @module
 */

import type { Stage } from "../stage.ts";

/** With a random choice, one of three servers is missed this often in 1 of 16,000 runs. */
const triesMax = 24;
const choiceRequests = 30;
const quickPuts = 6;
const longBytes = [1_000, 20_000] as const;

/** PUTs until the leader and both followers were asked; GETs of a present and an absent key. */
export async function basics(stage: Stage): Promise<void> {
  await stage.startServers();
  const first = await stage.startClient();
  const reached = new Set<string>();
  for (let i = 1; i <= triesMax && reached.size < stage.servers.length; i++) {
    const key = stage.newKey();
    await stage.ask(first, "PUT", key, `valor${i}`);
    await stage.lookAtConnections();
    const server = targetOf(stage, key, /encaminh|forward/i);
    if (server !== undefined) reached.add(server);
  }
  const updated = stage.newKey();
  for (const value of ["primeiro", "segundo", "terceiro"]) {
    await stage.ask(first, "PUT", updated, value);
    await stage.ask(first, "GET", updated);
  }
  // without a rest between them: clocks of seconds or milliseconds may stand still
  const quick = stage.newKey();
  for (let i = 1; i <= quickPuts; i++) {
    const put = await stage.begin(first, "PUT", quick, `veloz${i}`);
    await stage.answer(put);
  }
  await stage.rest();
  await stage.ask(first, "GET", stage.newKey());
  const second = await stage.startClient();
  const asked = new Set<string>();
  for (let i = 1; i <= triesMax && asked.size < stage.servers.length; i++) {
    const from = stage.recording.events.length;
    await stage.ask(second, "GET", updated);
    for (const server of serversThatPrinted(stage, from)) asked.add(server);
  }
  await stage.ask(second, "GET", stage.newKey());
}

/** Enough requests to see whether each server is chosen. */
export async function choice(stage: Stage): Promise<void> {
  await stage.startServers();
  const client = await stage.startClient();
  const key = stage.newKey();
  await stage.ask(client, "PUT", key, "escolha");
  for (let i = 0; i < choiceRequests; i++) await stage.ask(client, "GET", key);
}

/** Values with spaces and accents, and long ones. */
export async function values(stage: Stage): Promise<void> {
  await stage.startServers();
  await stage.ask(await stage.startClient(), "PUT", stage.newKey(), "controle");
  const typed = ["ação_é_ótima"];
  if (stage.profile.values === "with-spaces") typed.push("um valor com partes");
  typed.push(...longBytes.map((bytes) => longValue(bytes)));
  for (const value of typed) {
    // a client of its own: one that reads word by word takes the rest of a value for a choice
    const client = await stage.startClient();
    const key = stage.newKey();
    const put = await stage.ask(client, "PUT", key, value);
    const get = await stage.ask(client, "GET", key);
    if (put.waited || get.waited) return; // what follows would say nothing about its own value
  }
}

/** A value whose every part differs, so that a cut or a gap shows. */
function longValue(bytes: number): string {
  let text = "";
  for (let i = 0; text.length < bytes; i++) text += `p${i}.`;
  return `${text.slice(0, bytes - 1)}Z`;
}

/** The server that a PUT was sent to: the one that forwarded it, else the leader. */
function targetOf(stage: Stage, key: string, forward: RegExp): string | undefined {
  const lines = stage.recording.events.filter((event) =>
    event.kind === "out" && event.console.startsWith("S") && event.text.includes(key)
  );
  return lines.find((line) => forward.test(line.text))?.console ??
    lines.find((line) => line.console === stage.leader.name)?.console;
}

function serversThatPrinted(stage: Stage, from: number): string[] {
  return stage.recording.events.slice(from)
    .filter((event) => event.kind === "out" && event.console.startsWith("S"))
    .map((event) => event.console);
}
