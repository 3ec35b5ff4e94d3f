/**
 * The whole system in one terminal: three servers and the client.
 *
 * The servers work as in three terminals: each has its own table, and TCP connects them. They only
 * share one process.
 *
 * @module
 */

import { escapeControls } from "../lib/cli/escape.ts";
import { exitCode } from "../lib/cli/exit_codes.ts";
import { parseFlags, UsageError } from "../lib/cli/flags.ts";
import { menu } from "../lib/cli/menu.ts";
import { ServerConsole } from "../lib/cli/server_console.ts";
import { listenAt, StartError } from "../lib/cli/serving.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";
import { startTexts } from "../lib/cli/texts.ts";
import { ipDefault, portsDefault } from "../lib/limits.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { parsePort } from "../lib/wire/address.ts";

const usage = `Three servers and the client in one terminal.

deno task start [FLAGS]

  --ports=A,B,C  ports of the servers, the leader's first (${portsDefault.join(",")})
  --quiet        nothing on standard error but errors
  --help         this text

  deno task start < script.txt
`;

/** Runs three servers, and the client until the end of its input. Returns the exit code. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(args, ["ports"], ["quiet", "help"]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const ports = values.ports === undefined ? portsDefault : parsePorts(values.ports);
  const addresses = ports.map((port) => ({ hostname: ipDefault, port }));
  const leader = addresses[0]!;

  let quiet = switches.quiet;
  await using servers = new AsyncDisposableStack();
  try {
    const started = addresses.map((listen) => {
      const mark = `[${listen.port}] `;
      const prints = new ServerConsole(terminal.out, mark);
      const report = (line: string) => {
        if (!quiet) terminal.err(`${mark}${escapeControls(line)}\n`);
      };
      const start = () => KvServer.start({ listen, leader, prints, report });
      return servers.use(listenAt(listen, start, "--ports"));
    });
    await Promise.all(started.map((server) => server.ready));
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    terminal.err(`${escapeControls(error.message)}\n`);
    return 1;
  }
  if (!quiet) terminal.err(`${startTexts.ready(ports)}\n`);
  await menu(terminal, addresses);
  quiet = true; // while they stop, the servers would report that they lose each other
  return 0;
}

function parsePorts(text: string): number[] {
  const ports = text.split(",").map((port) => parsePort(port.trim()));
  const valid = ports.filter((port) => port !== undefined);
  if (ports.length === 3 && valid.length === 3) return valid;
  throw new UsageError(
    `--ports must be three ports, such as 10097,10098,10099, not ${JSON.stringify(text)}`,
  );
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
