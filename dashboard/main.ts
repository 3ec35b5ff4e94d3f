/**
 * The dashboard: a page that shows the replication live, with buttons to try it out.
 *
 * @module
 */

import { type Address, formatAddress, isLoopback, isWildcard } from "../lib/wire/address.ts";
import { Secret } from "../lib/auth/secret.ts";
import { escapeControls } from "../lib/cli/escape.ts";
import { parseServers } from "../lib/cli/addresses.ts";
import { exitCode, lastWordsMs } from "../lib/cli/exit_codes.ts";
import { parseFlags, UsageError } from "../lib/cli/flags.ts";
import { askIp, askPort, askSecret } from "../lib/cli/prompts.ts";
import { ServerConsole } from "../lib/cli/server_console.ts";
import { checkMayDial, listenAt, StartError, untilSignal } from "../lib/cli/serving.ts";
import { processTerminal, type Terminal } from "../lib/cli/terminal.ts";
import { dashboardTexts, passwordText } from "../lib/cli/texts.ts";
import { readClientTls, tlsFlags } from "../lib/cli/tls_flags.ts";
import type { Tuning } from "../lib/replication/tuning.ts";
import { Dashboard } from "./server/dashboard.ts";
import { LocalServers } from "./stories/local_servers.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { ipDefault, portsDefault } from "../lib/limits.ts";

/** The port of the dashboard, without `--port`. */
export const dashboardPortDefault = 10_090;

/** The most servers that one dashboard shows: more do not fit on its page. */
export const dashboardServersMax = 5;

const serversDefault = portsDefault.map((port) => `${ipDefault}:${port}`).join(",");

const usage = `A page that shows the replication live, with buttons to try it out.

deno task dashboard [FLAGS]

  --start            start the servers too, in this process, with --allow-faults
  --servers=A,B,…    the servers, each as host:port, with --start the leader first
                     (${serversDefault})
  --ip=IP            address to listen on (${ipDefault})
  --port=PORT        port to listen on (${dashboardPortDefault})
  --password-stdin   the password of clients is the first line of the input
  --tls-ca=FILE      the CA of the servers' certificates, in PEM: encrypts the connections to them
  --tls-cert=FILE    a certificate of the dashboard, in PEM, for servers that require one
  --tls-key=FILE     its private key
  --help             this text

  deno task dashboard --start

shows three servers at http://${ipDefault}:${dashboardPortDefault}/. Ctrl-C stops it. Without --start it observes the servers of
"deno task server"; their fault buttons work if they were started with --allow-faults. For
certificates add --allow-read to a "deno run" line of your own.
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
  const tls = readClientTls(values);
  const question = switches["password-stdin"] ? passwordText : undefined;
  const asked = askSecret(terminal, { question, variable: "KV_PASSWORD" });
  const stop = Symbol("stopped");
  const password = await Promise.race([asked, stopped.then((): typeof stop => stop)]);
  await terminal.keyboard.close();
  if (password === stop) return 0;
  if (switches.start && (tls !== undefined || password !== undefined)) {
    throw new UsageError("--start starts servers without password and TLS: leave those flags out");
  }
  if (switches.start && !servers.every(({ hostname }) => isLoopback(hostname))) {
    throw new UsageError(
      "--start starts servers without a secret, so only on loopback addresses. Start others with " +
        '"deno task server", and the dashboard without --start',
    );
  }
  let quiet = false;
  try {
    await using running = new AsyncDisposableStack();
    for (const server of servers) checkMayDial(formatAddress(server));
    const tuning = { clusterSize: servers.length, minInSync: Math.min(2, servers.length) };
    const local = running.use(
      new LocalServers((listen, leader) =>
        startServer(listen, leader, tuning, terminal, () => quiet)
      ),
    );
    if (switches.start) { for (const server of servers) local.add(server, "--servers"); }
    const secret = password === undefined ? undefined : Secret.from(password);
    const report = (line: string) => terminal.err(`${escapeControls(line)}\n`);
    const control = switches.start ? { control: local } : {};
    const options = { listen, servers, password: secret, tls, report, ...control };
    running.use(listenAt(listen, () => new Dashboard(options)));
    const shown = isWildcard(listen.hostname) ? { ...listen, hostname: ipDefault } : listen;
    terminal.err(`${dashboardTexts.ready(`http://${formatAddress(shown)}/`)}\n`);
    if (!isLoopback(listen.hostname)) terminal.err(`${dashboardTexts.open(listen.hostname)}\n`);
    await stopped;
    quiet = true; // while they stop, the servers would report that they lose each other
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    terminal.err(`${escapeControls(error.message)}\n`);
    return 1;
  }
  return 0;
}

/** Starts one of the servers. Without `leader` it leads. */
function startServer(
  listen: Address,
  leader: Address | undefined,
  tuning: Partial<Tuning>,
  terminal: Terminal,
  quiet: () => boolean,
): KvServer {
  const mark = `[${listen.port}] `;
  return KvServer.start({
    listen,
    ...(leader === undefined ? {} : { leader }),
    prints: new ServerConsole(terminal.out, mark),
    report: (line) => {
      if (!quiet()) terminal.err(`${mark}${escapeControls(line)}\n`);
    },
    tuning,
    allowFaults: true,
  });
}

function readServers(text: string): Address[] {
  const servers = parseServers(text, serversDefault);
  if (servers.length > dashboardServersMax) {
    throw new UsageError(
      `--servers may name at most ${dashboardServersMax} servers, not ${servers.length}`,
    );
  }
  if (new Set(servers.map(formatAddress)).size < servers.length) {
    throw new UsageError(`--servers names a server twice: ${JSON.stringify(text)}`);
  }
  return servers;
}

if (import.meta.main) {
  const terminal = processTerminal();
  const role = () => main(Deno.args, terminal, untilSignal());
  Deno.exit(await exitCode(terminal, role, lastWordsMs));
}
