/**
 * The dashboard: a page that shows replication happen, and lets one play with it.
 *
 * @module
 */

import { type Address, formatAddress, isLoopback, parseAddress } from "../lib/wire/address.ts";
import { Secret } from "../lib/auth/secret.ts";
import { dashboardTexts, escapeControls, passwordText, ServerConsole } from "../lib/cli/console.ts";
import { Dashboard } from "./server/dashboard.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { ipDefault, portsDefault } from "../lib/limits.ts";
import {
  askIp,
  askPort,
  askSecret,
  exitCode,
  parseFlags,
  processTerminal,
  readTls,
  type Terminal,
  tlsFlags,
  UsageError,
} from "../lib/cli/terminal.ts";
import { untilSignal, whyNotListening } from "../server.ts";

/** Where the dashboard listens where nothing else is said. */
export const dashboardPortDefault = 10_090;

/** Servers that one dashboard shows: more would not fit its page. */
export const dashboardServersMax = 5;

const serversDefault = portsDefault.map((port) => `${ipDefault}:${port}`).join(",");

const usage = `A page that shows replication happen, and lets one play with it.

deno task dashboard [FLAGS]

  --start            starts the servers too, in this process, so that one command is enough. They
                     take fault commands
  --servers=A,B,…    the servers, the leader's first with --start
                     (${serversDefault})
  --ip=IP            address to listen on (${ipDefault})
  --port=PORT        port to listen on (${dashboardPortDefault})
  --password-stdin   the password of clients: the first line of the input
  --tls-ca=FILE      the CA of the servers' certificates, in PEM: what goes to them is encrypted
  --tls-cert=FILE    a certificate of the dashboard's own, where one is wanted, in PEM
  --tls-key=FILE     its private key
  --help             this text

  deno task dashboard --start

shows three servers at http://${ipDefault}:${dashboardPortDefault}/. It stops on Ctrl-C. Servers that were started with
"deno task server" are observed without --start; their fault buttons work where they were started
with --allow-faults. What is read from files needs --allow-read on a "deno run" line of your own.
`;

/** Runs the dashboard until `stopped` resolves. Returns the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  stopped: Promise<unknown>,
): Promise<number> {
  const { values, switches } = parseFlags(
    args,
    ["servers", "ip", "port", ...tlsFlags],
    ["start", "password-stdin", "help"],
  );
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const servers = readServers(values.servers ?? serversDefault);
  const listen = {
    hostname: await askIp(terminal, "", ipDefault, values.ip ?? ipDefault),
    port: await askPort(
      terminal,
      "",
      dashboardPortDefault,
      values.port ?? `${dashboardPortDefault}`,
    ),
  };
  const tls = readTls("client", values);
  const fromInput = switches["password-stdin"];
  const password = await askSecret(terminal, passwordText, fromInput, "KV_PASSWORD");
  if (switches.start && (tls !== undefined || password !== undefined)) {
    throw new UsageError("--start starts servers without password and TLS: leave those flags out");
  }
  let listening = listen;
  let quiet = false;
  try {
    await using running = new AsyncDisposableStack();
    if (switches.start) {
      for (const server of servers) {
        listening = server;
        running.use(startServer(server, servers, terminal, () => quiet));
      }
    }
    listening = listen;
    running.use(
      new Dashboard({
        listen,
        servers,
        password: password === undefined ? undefined : await Secret.from(password),
        tls,
      }),
    );
    terminal.err(`${dashboardTexts.ready(`http://${formatAddress(listen)}/`)}\n`);
    if (!isLoopback(listen.hostname)) terminal.err(`${dashboardTexts.open(listen.hostname)}\n`);
    await stopped;
    quiet = true; // that they lose each other now is no news
  } catch (error) {
    terminal.err(`${whyNotListening(error, listening)}\n`);
    return 1;
  }
  return 0;
}

/** The first of the servers leads. */
function startServer(
  listen: Address,
  servers: readonly Address[],
  terminal: Terminal,
  quiet: () => boolean,
): KvServer {
  const mark = `[${listen.port}] `;
  return KvServer.start({
    listen,
    leader: servers[0]!,
    prints: new ServerConsole(terminal.out, mark),
    report: (line) => {
      if (!quiet()) terminal.err(`${mark}${escapeControls(line)}\n`);
    },
    tuning: { clusterSize: servers.length, minInSync: Math.min(2, servers.length) },
    allowFaults: true,
  });
}

function readServers(text: string): Address[] {
  const servers = text.split(",").map((one) => {
    const address = parseAddress(one.trim());
    if (address === undefined) {
      throw new UsageError(`--servers must be "ip:port,ip:port,…", not ${JSON.stringify(text)}`);
    }
    return address;
  });
  if (servers.length > dashboardServersMax) {
    throw new UsageError(
      `--servers may name ${dashboardServersMax} servers, not ${servers.length}`,
    );
  }
  if (new Set(servers.map(formatAddress)).size < servers.length) {
    throw new UsageError(`--servers names one of them twice: ${JSON.stringify(text)}`);
  }
  return servers;
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal, untilSignal())));
}
