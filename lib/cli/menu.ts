/**
 * The client's menu: INIT, PUT and GET.
 *
 * @module
 */

import {
  AccessError,
  ClusterResetError,
  InvalidArgumentError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../client/errors.ts";
import { KvClient, type KvClientOptions } from "../client/kv_client.ts";
import { checkEntry } from "../client/arguments.ts";
import type { Address } from "../wire/address.ts";
import { EndOfInput } from "./keyboard.ts";
import { askHost, askPort } from "./prompts.ts";
import { portugueseReason } from "./reasons.ts";
import type { Terminal } from "./terminal.ts";
import { clientTexts } from "./texts.ts";

const choices = new Map([["1", "INIT"], ["2", "PUT"], ["3", "GET"]]);

/** Runs the menu until the end of the input. INIT proposes the servers of `presets`. */
export async function menu(
  terminal: Terminal,
  presets: readonly Address[],
  options: KvClientOptions = {},
): Promise<void> {
  let client: KvClient | undefined;
  try {
    while (true) {
      const answer = (await terminal.keyboard.ask(clientTexts.menu)).trim();
      const choice = choices.get(answer) ?? answer.toUpperCase();
      if (choice === "") continue;
      if (choice === "INIT") {
        const servers = await askServers(terminal, presets);
        await client?.close();
        client = new KvClient(servers, { ...options, once: true });
      } else if (choice !== "PUT" && choice !== "GET") {
        terminal.err(`${clientTexts.badChoice(answer)}\n`);
      } else if (client === undefined) {
        terminal.err(`${clientTexts.initFirst(choice)}\n`);
      } else {
        await request(terminal, client, choice);
      }
    }
  } catch (error) {
    if (!(error instanceof EndOfInput)) throw error;
  } finally {
    await client?.close();
  }
}

/** enunciado 4.a: asks for the three servers, but not which of them leads. */
async function askServers(terminal: Terminal, presets: readonly Address[]): Promise<Address[]> {
  const servers: Address[] = [];
  for (const [index, preset] of presets.entries()) {
    const ipQuestion = clientTexts.serverIp(index + 1, preset.hostname);
    const portQuestion = clientTexts.serverPort(index + 1, preset.port);
    const hostname = await askHost(terminal, ipQuestion, preset.hostname);
    servers.push({ hostname, port: await askPort(terminal, portQuestion, preset.port) });
  }
  return servers;
}

/** enunciado 4.b and 4.c: sends one request and shows its answer. */
async function request(terminal: Terminal, client: KvClient, choice: "PUT" | "GET"): Promise<void> {
  const { keyboard, out, err } = terminal;
  const key = await keyboard.ask(clientTexts.key);
  try {
    try {
      checkEntry(key); // before the value is asked for
    } catch (error) {
      // A script has a line for the value. Left there, it would be the next choice.
      if (choice === "PUT") await keyboard.skip();
      throw error;
    }
    if (key.trim() !== key) err(`${clientTexts.spaces(key)}\n`);
    if (choice === "PUT") {
      const value = await keyboard.ask(clientTexts.value);
      const { timestamp, server } = await client.put(key, value);
      out(`${clientTexts.putOk(key, value, timestamp, server)}\n`);
    } else {
      const { value, server, seen, timestamp } = await client.get(key);
      out(`${clientTexts.get(key, value, server, seen, timestamp)}\n`);
    }
  } catch (error) {
    if (error instanceof StaleError) {
      // enunciado 5.f: TRY_OTHER_SERVER_OR_LATER in place of the value.
      for (const { server, timestamp } of error.answers) {
        out(`${clientTexts.get(key, undefined, server, error.seen, timestamp)}\n`);
      }
    } else err(`${explain(choice, error)}\n`);
  }
}

function explain(choice: string, error: unknown): string {
  if (error instanceof InvalidArgumentError) {
    return clientTexts.invalid(choice, portugueseReason(error.message, error.code));
  }
  if (error instanceof UnavailableError || error instanceof AccessError) {
    const reason = portugueseReason(error.message, error.code ?? "UNAVAILABLE");
    return clientTexts.unavailable(choice, error.server, reason);
  }
  if (error instanceof ClusterResetError) return clientTexts.clusterReset(choice, error.server);
  if (error instanceof UnknownOutcomeError) {
    const reason = portugueseReason(error.message, error.code);
    return clientTexts.unknownOutcome(choice, error.server, reason);
  }
  throw error;
}
