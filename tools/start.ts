/**
 * The whole system in one terminal: three servers and the client.
 *
 * The servers are the same as in three terminals, with their own tables and TCP between them; only
 * the process is one.
 *
 * @module
 */

import { menu } from "../client.ts";
import { parsePort } from "../lib/wire/address.ts";
import { escapeControls, ServerConsole, startTexts } from "../lib/cli/console.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { ipDefault, portsDefault } from "../lib/limits.ts";
import {
  exitCode,
  parseFlags,
  processTerminal,
  type Terminal,
  UsageError,
} from "../lib/cli/terminal.ts";
import { whyNotListening } from "../server.ts";

const usage = `Three servers and the client in one terminal.

deno task start [FLAGS]

  --ports=A,B,C  ports of the servers, the leader's first (${portsDefault.join(",")})
  --quiet        no reports of the servers on standard error
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
  const ports = values.ports === undefined ? portsDefault : readPorts(values.ports);
  const addresses = ports.map((port) => ({ hostname: ipDefault, port }));

  let quiet = switches.quiet;
  await using servers = new AsyncDisposableStack();
  const started: KvServer[] = [];
  for (const listen of addresses) {
    const mark = `[${listen.port}] `;
    try {
      const server = KvServer.start({
        listen,
        leader: addresses[0]!,
        prints: new ServerConsole(terminal.out, mark),
        report: (line) => {
          if (!quiet) terminal.err(`${mark}${escapeControls(line)}\n`);
        },
      });
      started.push(servers.use(server));
    } catch (error) {
      terminal.err(`${whyNotListening(error, listen)}\n`);
      return 1;
    }
  }
  await Promise.all(started.map((server) => server.ready));
  if (!quiet) terminal.err(`${startTexts.ready(ports)}\n`);
  await menu(terminal, addresses);
  quiet = true; // that they lose each other now is no news
  return 0;
}

function readPorts(text: string): number[] {
  const ports = text.split(",").map((port) => parsePort(port.trim()));
  const valid = ports.filter((port) => port !== undefined);
  if (ports.length !== 3 || valid.length !== 3) {
    throw new UsageError(`--ports must be three ports, such as 10097,10098,10099, not "${text}"`);
  }
  return valid;
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
