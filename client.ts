/**
 * A client of the cluster: the menu with INIT, PUT and GET.
 *
 * @module
 */

import type { Address } from "./lib/address.ts";
import { clientTexts, passwordText } from "./lib/console.ts";
import {
  ClusterResetError,
  MensagemError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "./lib/errors.ts";
import { KvClient, type KvClientOptions } from "./lib/kv_client.ts";
import { ipDefault, portsDefault } from "./lib/limits.ts";
import {
  askIp,
  askPort,
  askSecret,
  EndOfInput,
  exitCode,
  parseFlags,
  processTerminal,
  readTls,
  type Terminal,
  tlsFlags,
} from "./lib/terminal.ts";

const usage = `A client of the replicated key-value store: a menu with INIT, PUT and GET.

deno task client [FLAGS]

  --password-stdin  the password of clients: the first line of the input
  --tls-ca=FILE     the CA of the servers' certificates, in PEM: all is encrypted then
  --tls-cert=FILE   a certificate of this client's own, where one is wanted, in PEM
  --tls-key=FILE    its private key
  --help            this text

"deno task client:secret" takes the password from the environment variable KV_PASSWORD.
"deno task client:tls" takes tls/ca.pem, and may read that, tls/cert.pem and tls/key.pem. For files
of other names:

  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=A client.ts --tls-ca=A

It reads lines from the keyboard or from a pipe, and ends at the end of the input.
`;

const choices = new Map([["1", "INIT"], ["2", "PUT"], ["3", "GET"]]);

/** Runs the client until the end of the input. Returns the exit code. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(args, [...tlsFlags], ["password-stdin", "help"]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const fromInput = switches["password-stdin"];
  const tls = readTls("client", values);
  const password = await askSecret(terminal, passwordText, fromInput, "KV_PASSWORD");
  await menu(terminal, portsDefault.map((port) => ({ hostname: ipDefault, port })), {
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  });
  return 0;
}

/** The menu. `presets` are the servers that INIT proposes. */
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

/** enunciado 4.a: the three servers. Which of them leads is not asked. */
async function askServers(terminal: Terminal, presets: readonly Address[]): Promise<Address[]> {
  const servers: Address[] = [];
  for (const [index, preset] of presets.entries()) {
    const ipQuestion = clientTexts.serverIp(index + 1, preset.hostname);
    const portQuestion = clientTexts.serverPort(index + 1, preset.port);
    const hostname = await askIp(terminal, ipQuestion, preset.hostname);
    servers.push({ hostname, port: await askPort(terminal, portQuestion, preset.port) });
  }
  return servers;
}

/** enunciado 4.b and 4.c: one request, and the line for its answer. */
async function request(terminal: Terminal, client: KvClient, choice: "PUT" | "GET"): Promise<void> {
  const { keyboard, out, err } = terminal;
  const key = await keyboard.ask(clientTexts.key);
  try {
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
      // enunciado 5.f: the server may not show its value.
      for (const { server, timestamp } of error.answers) {
        out(`${clientTexts.get(key, undefined, server, error.seen, timestamp)}\n`);
      }
    } else err(`${explain(choice, error)}\n`);
  }
}

function explain(choice: string, error: unknown): string {
  if (error instanceof MensagemError) return clientTexts.invalid(choice, error.message);
  if (error instanceof UnavailableError) {
    return clientTexts.unavailable(choice, error.server, error.message);
  }
  if (error instanceof ClusterResetError) return clientTexts.clusterReset(choice, error.server);
  if (error instanceof UnknownOutcomeError) {
    return clientTexts.unknownOutcome(choice, error.server, error.message);
  }
  throw error;
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
