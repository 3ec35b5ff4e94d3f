/**
 * The server's role: reads the configuration, starts, and serves until a signal.
 *
 * A module that only some servers use is imported only if a flag needs it.
 *
 * @module
 */

import type { Secrets } from "./lib/auth/secret.ts";
import { escapeControls } from "./lib/cli/escape.ts";
import { exitCode, lastWordsMs } from "./lib/cli/exit_codes.ts";
import {
  askServerConfig,
  exposureWarning,
  secretWarnings,
  type ServerConfig,
} from "./lib/cli/server_config.ts";
import { consolePauseMs, ServerConsole } from "./lib/cli/server_console.ts";
import { parseServerFlags } from "./lib/cli/server_flags.ts";
import { serverUsage } from "./lib/cli/server_usage.ts";
import { checkMayDial, listenAt, StartError, untilSignal } from "./lib/cli/serving.ts";
import { processTerminal, type Terminal } from "./lib/cli/terminal.ts";
import type { FileJournal } from "./lib/journal/file_journal.ts";
import type { Monitored } from "./lib/metrics/http.ts";
import { KvServer } from "./lib/server/kv_server.ts";
import { type Address, formatAddress } from "./lib/wire/address.ts";

/** Runs a server until `stopped` resolves. Returns the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  stopped: Promise<unknown>,
): Promise<number> {
  const flags = parseServerFlags(args);
  if (flags.help !== undefined) {
    terminal.out(serverUsage(flags.help));
    return 0;
  }
  const stop = stopped.then(() => undefined);
  const config = await Promise.race([askServerConfig(flags, terminal), stop]);
  await terminal.keyboard.close();
  if (config === undefined) return 0;
  const prints = new ServerConsole(terminal.out, "", consolePauseMs);
  const report = (line: string) => {
    if (!config.quiet) terminal.err(`${escapeControls(line)}\n`);
  };
  try {
    const failure = await serve(config, prints, report, stop);
    if (failure === undefined) return 0;
    terminal.err(`${escapeControls(failure.message)}\n`);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    terminal.err(`${escapeControls(error.message)}\n`);
  } finally {
    prints.close();
  }
  return 1;
}

/** Serves until `stop` resolves or the server fails. Returns the error of the server. */
async function serve(
  config: ServerConfig,
  prints: ServerConsole,
  report: (line: string) => void,
  stop: Promise<undefined>,
): Promise<Error | undefined> {
  const { listen, advertise, leader, metrics: metricsAt, dataDir, etcd, tls } = config;
  const own = formatAddress(advertise ?? listen);
  const dialled = leader && formatAddress(leader);
  // The engine on etcd has checked the same for its member.
  if (dialled !== undefined && dialled !== own) checkMayDial(dialled);
  // The server starts meanwhile. A first handshake waits for its key.
  const prepared = prepareKeys(config.secrets);
  const metrics = metricsAt && new (await import("./lib/metrics/http.ts")).Metrics(prints);
  const stopping = new AbortController();
  void stop.then(() => stopping.abort());
  await using journal = dataDir === undefined
    ? undefined
    : await journalIn(dataDir, listen, report, stopping.signal);
  if (stopping.signal.aborted) {
    report("stopping");
    return undefined;
  }
  await using server = listenAt(listen, () =>
    KvServer.start({
      listen,
      ...(advertise === undefined ? {} : { advertise }),
      ...(leader === undefined ? {} : { leader }),
      ...(etcd === undefined ? {} : { engine: etcd.engine }),
      prints: metrics ?? prints,
      ...(metrics === undefined ? {} : { watch: metrics }),
      report,
      tuning: config.tuning,
      limits: config.limits,
      secrets: config.secrets,
      allowFaults: config.allowFaults,
      ...(tls === undefined ? {} : { tls }),
      ...(journal === undefined ? {} : { journal }),
    }));
  const monitored = metrics && {
    metrics: () => metrics.read(server.status, server.readable, server.counts),
    ready: () => server.readable,
  };
  await using _http = monitored && await serveMetricsAt(metricsAt!, monitored, report);
  const where = etcd === undefined
    ? `leader ${dialled}`
    : `etcd at ${etcd.url}, keys begin with ${JSON.stringify(etcd.prefix)}`;
  const known = advertise === undefined ? "" : ` as ${own}`;
  report(`serving on ${formatAddress(server.address)}${known}, ${where}`);
  const warning = exposureWarning(config);
  if (warning !== undefined) report(warning);
  secretWarnings(config).forEach(report);
  const failure = await Promise.race([stop, server.failed]);
  await prepared;
  if (failure === undefined) report("stopping");
  return failure;
}

/** Makes the keys one after the other: a server joins with the first one. */
async function prepareKeys({ server, client }: Secrets): Promise<void> {
  await server?.prepare();
  await client?.prepare();
}

/** Serves the metrics. @throws {StartError} if the address cannot be listened on. */
async function serveMetricsAt(
  address: Address,
  monitored: Monitored,
  report: (line: string) => void,
): Promise<AsyncDisposable> {
  const { serveMetrics } = await import("./lib/metrics/http.ts");
  return listenAt(address, () => serveMetrics(address, monitored, report), "--metrics-port");
}

/**
 * Opens the journal. Returns `undefined` if `stopping` is aborted before it is loaded.
 *
 * @throws {StartError} if the directory cannot be used, or is no journal's.
 */
async function journalIn(
  dataDir: string,
  server: Address,
  report: (line: string) => void,
  stopping: AbortSignal,
): Promise<FileJournal | undefined> {
  const { openJournal, JournalError } = await import("./lib/journal/open_journal.ts");
  try {
    return await openJournal(dataDir, server, report, stopping);
  } catch (error) {
    if (stopping.aborted) return undefined;
    if (!(error instanceof JournalError)) throw error;
    throw new StartError(error.message, { cause: error });
  }
}

if (import.meta.main) {
  const terminal = processTerminal();
  const role = () => main(Deno.args, terminal, untilSignal());
  Deno.exit(await exitCode(terminal, role, lastWordsMs));
}
