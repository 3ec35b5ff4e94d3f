/**
 * The direction of imports (DESIGN, section 5), read from the sources. They are imported as text, so no permission
 * is needed. A new file of lib must be added twice below; it is noticed as soon as any other file imports it.
 */

import { assert, assertEquals } from "@std/assert";
import addressText from "../lib/address.ts" with { type: "text" };
import authText from "../lib/auth.ts" with { type: "text" };
import clusterStatusText from "../lib/cluster_status.ts" with { type: "text" };
import commandsText from "../lib/commands.ts" with { type: "text" };
import connectionText from "../lib/connection.ts" with { type: "text" };
import consoleText from "../lib/console.ts" with { type: "text" };
import dashboardClientsText from "../lib/dashboard/clients.ts" with { type: "text" };
import dashboardDashboardText from "../lib/dashboard/dashboard.ts" with { type: "text" };
import dashboardDemoText from "../lib/dashboard/demo.ts" with { type: "text" };
import dashboardDiagramJsText from "../lib/dashboard/diagram.js" with { type: "text" };
import dashboardFeedText from "../lib/dashboard/feed.ts" with { type: "text" };
import dashboardGeometryJsText from "../lib/dashboard/geometry.js" with { type: "text" };
import dashboardHandsJsText from "../lib/dashboard/hands.js" with { type: "text" };
import dashboardReadingsJsText from "../lib/dashboard/readings.js" with { type: "text" };
import dashboardHttpText from "../lib/dashboard/http.ts" with { type: "text" };
import dashboardItemText from "../lib/dashboard/item.ts" with { type: "text" };
import dashboardLinkText from "../lib/dashboard/link.ts" with { type: "text" };
import dashboardObserverText from "../lib/dashboard/observer.ts" with { type: "text" };
import dashboardPageCssText from "../lib/dashboard/page.css" with { type: "text" };
import dashboardPageHtmlText from "../lib/dashboard/page.html" with { type: "text" };
import dashboardPageJsText from "../lib/dashboard/page.js" with { type: "text" };
import dashboardPlotsJsText from "../lib/dashboard/plots.js" with { type: "text" };
import dashboardRecordingJsText from "../lib/dashboard/recording.js" with { type: "text" };
import dashboardStateJsText from "../lib/dashboard/state.js" with { type: "text" };
import dashboardTextsJsText from "../lib/dashboard/texts.js" with { type: "text" };
import dashboardViewsJsText from "../lib/dashboard/views.js" with { type: "text" };
import demoTextsText from "../lib/demo_texts.ts" with { type: "text" };
import embeddedEngineText from "../lib/embedded_engine.ts" with { type: "text" };
import engineText from "../lib/engine.ts" with { type: "text" };
import etcdClientText from "../lib/etcd_client.ts" with { type: "text" };
import etcdErrorsText from "../lib/etcd_errors.ts" with { type: "text" };
import etcdHttpText from "../lib/etcd_http.ts" with { type: "text" };
import etcdEngineText from "../lib/etcd_engine.ts" with { type: "text" };
import etcdFlagsText from "../lib/etcd_flags.ts" with { type: "text" };
import etcdMemberText from "../lib/etcd_member.ts" with { type: "text" };
import etcdProtocolText from "../lib/etcd_protocol.ts" with { type: "text" };
import ownWritesText from "../lib/own_writes.ts" with { type: "text" };
import turnsText from "../lib/turns.ts" with { type: "text" };
import errorsText from "../lib/errors.ts" with { type: "text" };
import eventsText from "../lib/events.ts" with { type: "text" };
import fieldsText from "../lib/fields.ts" with { type: "text" };
import fifoText from "../lib/fifo.ts" with { type: "text" };
import fileJournalText from "../lib/file_journal.ts" with { type: "text" };
import flagsText from "../lib/flags.ts" with { type: "text" };
import followerText from "../lib/follower.ts" with { type: "text" };
import frameText from "../lib/frame.ts" with { type: "text" };
import heldStreamText from "../lib/held_stream.ts" with { type: "text" };
import journalText from "../lib/journal.ts" with { type: "text" };
import journalDiskText from "../lib/journal_disk.ts" with { type: "text" };
import journalFolderText from "../lib/journal_folder.ts" with { type: "text" };
import journalRecordText from "../lib/journal_record.ts" with { type: "text" };
import kvClientText from "../lib/kv_client.ts" with { type: "text" };
import kvServerText from "../lib/kv_server.ts" with { type: "text" };
import leaderText from "../lib/leader.ts" with { type: "text" };
import limitsText from "../lib/limits.ts" with { type: "text" };
import mensagemText from "../lib/mensagem.ts" with { type: "text" };
import metricsText from "../lib/metrics.ts" with { type: "text" };
import metricsHttpText from "../lib/metrics_http.ts" with { type: "text" };
import metricsOtelText from "../lib/metrics_otel.ts" with { type: "text" };
import nodeText from "../lib/node.ts" with { type: "text" };
import observersText from "../lib/observers.ts" with { type: "text" };
import peerText from "../lib/peer.ts" with { type: "text" };
import putWindowText from "../lib/put_window.ts" with { type: "text" };
import replicationText from "../lib/replication.ts" with { type: "text" };
import serverPoolText from "../lib/server_pool.ts" with { type: "text" };
import serverConnectionText from "../lib/server_connection.ts" with { type: "text" };
import sessionText from "../lib/session.ts" with { type: "text" };
import sessionFileText from "../lib/session_file.ts" with { type: "text" };
import snapshotText from "../lib/snapshot.ts" with { type: "text" };
import storeText from "../lib/store.ts" with { type: "text" };
import terminalText from "../lib/terminal.ts" with { type: "text" };
import tlsText from "../lib/tls.ts" with { type: "text" };
import writeText from "../lib/write.ts" with { type: "text" };
import writeLogText from "../lib/write_log.ts" with { type: "text" };
import benchText from "../bench.ts" with { type: "text" };
import benchDrawingText from "../bench/drawing.ts" with { type: "text" };
import benchHistogramText from "../bench/histogram.ts" with { type: "text" };
import benchHistoryText from "../bench/history.ts" with { type: "text" };
import benchJournalKeepersText from "../bench/journal/keepers.ts" with { type: "text" };
import benchJournalMainText from "../bench/journal/main.ts" with { type: "text" };
import benchJournalMeasuresText from "../bench/journal/measures.ts" with { type: "text" };
import benchLimitsFindingText from "../bench/limits/finding.ts" with { type: "text" };
import benchLimitsMainText from "../bench/limits/main.ts" with { type: "text" };
import benchLimitsMeasuresText from "../bench/limits/measures.ts" with { type: "text" };
import benchLoadText from "../bench/load.ts" with { type: "text" };
import benchLoadConnectionText from "../bench/load_connection.ts" with { type: "text" };
import benchPeersBareConsoleText from "../bench/peers/bare_console.ts" with { type: "text" };
import benchPeersClientText from "../bench/peers/client.ts" with { type: "text" };
import benchPeersEchoText from "../bench/peers/echo.ts" with { type: "text" };
import benchPeersLinePeerText from "../bench/peers/line_peer.ts" with { type: "text" };
import benchPeersMainText from "../bench/peers/main.ts" with { type: "text" };
import benchPeersReplicationText from "../bench/peers/replication.ts" with { type: "text" };
import benchPeersRepliesText from "../bench/peers/replies.ts" with { type: "text" };
import benchPeersSilentServerText from "../bench/peers/silent_server.ts" with { type: "text" };
import benchPeersSystemsText from "../bench/peers/systems.ts" with { type: "text" };
import benchPeersTablesText from "../bench/peers/tables.ts" with { type: "text" };
import benchPeersZooKeeperText from "../bench/peers/zookeeper.ts" with { type: "text" };
import benchReportText from "../bench/report.ts" with { type: "text" };
import benchServersText from "../bench/servers.ts" with { type: "text" };
import benchValuesText from "../bench/values.ts" with { type: "text" };
import benchWorkloadText from "../bench/workload.ts" with { type: "text" };
import clientText from "../client.ts" with { type: "text" };
import dashboardRoleText from "../dashboard.ts" with { type: "text" };
import demoText from "../demo.ts" with { type: "text" };
import serverText from "../server.ts" with { type: "text" };
import startText from "../start.ts" with { type: "text" };

const pure = { permissions: "none" } as const;

/** All sources, by their path from the root. */
const sources: Readonly<Record<string, string>> = {
  "lib/address.ts": addressText,
  "lib/auth.ts": authText,
  "lib/cluster_status.ts": clusterStatusText,
  "lib/commands.ts": commandsText,
  "lib/connection.ts": connectionText,
  "lib/console.ts": consoleText,
  "lib/dashboard/clients.ts": dashboardClientsText,
  "lib/dashboard/dashboard.ts": dashboardDashboardText,
  "lib/dashboard/demo.ts": dashboardDemoText,
  "lib/dashboard/diagram.js": dashboardDiagramJsText,
  "lib/dashboard/feed.ts": dashboardFeedText,
  "lib/dashboard/geometry.js": dashboardGeometryJsText,
  "lib/dashboard/hands.js": dashboardHandsJsText,
  "lib/dashboard/readings.js": dashboardReadingsJsText,
  "lib/dashboard/http.ts": dashboardHttpText,
  "lib/dashboard/item.ts": dashboardItemText,
  "lib/dashboard/link.ts": dashboardLinkText,
  "lib/dashboard/observer.ts": dashboardObserverText,
  "lib/dashboard/page.css": dashboardPageCssText,
  "lib/dashboard/page.html": dashboardPageHtmlText,
  "lib/dashboard/page.js": dashboardPageJsText,
  "lib/dashboard/plots.js": dashboardPlotsJsText,
  "lib/dashboard/recording.js": dashboardRecordingJsText,
  "lib/dashboard/state.js": dashboardStateJsText,
  "lib/dashboard/texts.js": dashboardTextsJsText,
  "lib/dashboard/views.js": dashboardViewsJsText,
  "lib/demo_texts.ts": demoTextsText,
  "lib/embedded_engine.ts": embeddedEngineText,
  "lib/engine.ts": engineText,
  "lib/etcd_client.ts": etcdClientText,
  "lib/etcd_engine.ts": etcdEngineText,
  "lib/etcd_flags.ts": etcdFlagsText,
  "lib/etcd_member.ts": etcdMemberText,
  "lib/etcd_protocol.ts": etcdProtocolText,
  "lib/own_writes.ts": ownWritesText,
  "lib/turns.ts": turnsText,
  "lib/etcd_errors.ts": etcdErrorsText,
  "lib/etcd_http.ts": etcdHttpText,
  "lib/errors.ts": errorsText,
  "lib/events.ts": eventsText,
  "lib/fields.ts": fieldsText,
  "lib/fifo.ts": fifoText,
  "lib/file_journal.ts": fileJournalText,
  "lib/flags.ts": flagsText,
  "lib/follower.ts": followerText,
  "lib/frame.ts": frameText,
  "lib/held_stream.ts": heldStreamText,
  "lib/journal.ts": journalText,
  "lib/journal_disk.ts": journalDiskText,
  "lib/journal_folder.ts": journalFolderText,
  "lib/journal_record.ts": journalRecordText,
  "lib/kv_client.ts": kvClientText,
  "lib/kv_server.ts": kvServerText,
  "lib/leader.ts": leaderText,
  "lib/limits.ts": limitsText,
  "lib/mensagem.ts": mensagemText,
  "lib/metrics.ts": metricsText,
  "lib/metrics_http.ts": metricsHttpText,
  "lib/metrics_otel.ts": metricsOtelText,
  "lib/node.ts": nodeText,
  "lib/observers.ts": observersText,
  "lib/peer.ts": peerText,
  "lib/put_window.ts": putWindowText,
  "lib/replication.ts": replicationText,
  "lib/server_connection.ts": serverConnectionText,
  "lib/server_pool.ts": serverPoolText,
  "lib/session.ts": sessionText,
  "lib/session_file.ts": sessionFileText,
  "lib/snapshot.ts": snapshotText,
  "lib/store.ts": storeText,
  "lib/terminal.ts": terminalText,
  "lib/tls.ts": tlsText,
  "lib/write.ts": writeText,
  "lib/write_log.ts": writeLogText,
  "bench.ts": benchText,
  "bench/drawing.ts": benchDrawingText,
  "bench/histogram.ts": benchHistogramText,
  "bench/history.ts": benchHistoryText,
  "bench/journal/keepers.ts": benchJournalKeepersText,
  "bench/journal/main.ts": benchJournalMainText,
  "bench/journal/measures.ts": benchJournalMeasuresText,
  "bench/limits/finding.ts": benchLimitsFindingText,
  "bench/limits/main.ts": benchLimitsMainText,
  "bench/limits/measures.ts": benchLimitsMeasuresText,
  "bench/load.ts": benchLoadText,
  "bench/load_connection.ts": benchLoadConnectionText,
  "bench/peers/bare_console.ts": benchPeersBareConsoleText,
  "bench/peers/client.ts": benchPeersClientText,
  "bench/peers/echo.ts": benchPeersEchoText,
  "bench/peers/line_peer.ts": benchPeersLinePeerText,
  "bench/peers/main.ts": benchPeersMainText,
  "bench/peers/replication.ts": benchPeersReplicationText,
  "bench/peers/replies.ts": benchPeersRepliesText,
  "bench/peers/silent_server.ts": benchPeersSilentServerText,
  "bench/peers/systems.ts": benchPeersSystemsText,
  "bench/peers/tables.ts": benchPeersTablesText,
  "bench/peers/zookeeper.ts": benchPeersZooKeeperText,
  "bench/report.ts": benchReportText,
  "bench/servers.ts": benchServersText,
  "bench/values.ts": benchValuesText,
  "bench/workload.ts": benchWorkloadText,
  "client.ts": clientText,
  "dashboard.ts": dashboardRoleText,
  "demo.ts": demoText,
  "server.ts": serverText,
  "start.ts": startText,
};

/** What anybody above may use. */
const ground = ["errors", "limits", "fifo", "address", "write"];

/** What the dashboard's page is made of. */
const pageParts = [
  "diagram",
  "hands",
  "plots",
  "readings",
  "recording",
  "state",
  "texts",
  "views",
].map((name) => `dashboard/${name}.js`);

/**
 * What each file may import, lowest first: a file stands below all that may import it. "type x" is an import of
 * types alone. Files of the same layer do not import each other.
 */
const layers: readonly Readonly<Record<string, readonly string[]>>[] = [
  { errors: [], limits: [], fifo: [], address: [], write: [] },
  {
    fields: ground,
    frame: ground,
    store: ground,
    write_log: ground,
    etcd_errors: ground,
  },
  { events: ["fields"], etcd_protocol: [...ground, "etcd_errors"] },
  {
    mensagem: [...ground, "fields", "events"],
    own_writes: [...ground, "type etcd_protocol"],
  },
  { journal: [...ground, "mensagem", "store"], journal_record: ground },
  {
    replication: [...ground, "type mensagem", "type events", "type journal"],
    journal_folder: [...ground, "mensagem", "journal", "journal_record"],
    session: [...ground, "fields", "type mensagem"],
    auth: ["mensagem"],
    turns: ground,
    etcd_http: [...ground, "etcd_errors"],
  },
  {
    put_window: [...ground, "mensagem", "type replication"],
    snapshot: [...ground, "mensagem", "replication", "type store"],
    file_journal: [
      ...ground,
      "mensagem",
      "journal",
      "journal_record",
      "journal_folder",
      "type store",
    ],
    journal_disk: [...ground, "type journal_folder"],
    held_stream: [...ground, "type replication"],
    etcd_client: [...ground, "etcd_errors", "etcd_http", "etcd_protocol", "turns"],
    engine: [...ground, "mensagem", "type replication", "type store"],
    observers: [...ground, "mensagem", "type events", "type replication", "type store"],
    metrics: [...ground, "type mensagem", "type events", "type replication"],
    connection: [...ground, "frame", "type replication"],
    console: ["type replication"],
    flags: [],
    demo_texts: [],
  },
  {
    leader: [
      ...ground,
      "mensagem",
      "replication",
      "write_log",
      "put_window",
      "snapshot",
      "held_stream",
      "journal",
      "type store",
    ],
    follower: [...ground, "mensagem", "replication", "snapshot", "journal", "type store"],
    server_connection: [...ground, "mensagem", "session", "connection", "auth"],
    terminal: [...ground, "flags", "console", "type connection"],
    tls: [...ground, "type connection"],
    etcd_member: [...ground, "etcd_errors", "type etcd_protocol", "type etcd_client"],
    metrics_http: [...ground, "metrics"],
    metrics_otel: ["type metrics"],
  },
  {
    etcd_engine: [
      ...ground,
      "mensagem",
      "replication",
      "type store",
      "engine",
      "etcd_errors",
      "type etcd_protocol",
      "etcd_client",
      "etcd_member",
      "own_writes",
    ],
    etcd_flags: [...ground, "console", "terminal", "type etcd_client"],
    embedded_engine: [
      ...ground,
      "mensagem",
      "type replication",
      "store",
      "engine",
      "leader",
      "follower",
      "type journal",
    ],
    server_pool: [...ground, "type server_connection"],
  },
  {
    node: [
      ...ground,
      "mensagem",
      "type replication",
      "type store",
      "type engine",
      "embedded_engine",
      "type journal",
    ],
  },
  {
    peer: [...ground, "mensagem", "type connection", "type node", "auth"],
    kv_client: [
      ...ground,
      "mensagem",
      "session",
      "type connection",
      "server_connection",
      "server_pool",
      "auth",
    ],
  },
  {
    kv_server: [
      ...ground,
      "mensagem",
      "replication",
      "connection",
      "tls",
      "type engine",
      "node",
      "observers",
      "peer",
      "type auth",
      "type journal",
    ],
    cluster_status: ["type kv_client"],
    session_file: [...ground, "flags", "session"],
  },
  {
    commands: [...ground, "cluster_status", "console", "flags", "type kv_client", "type terminal"],
  },
  // The dashboard. What ends in ".js" runs in the browser too.
  {
    "dashboard/item": ["type events", "type mensagem"],
    "dashboard/geometry.js": [],
    "dashboard/page.css": [],
    "dashboard/page.html": [],
    "dashboard/state.js": [],
    "dashboard/texts.js": [],
    "dashboard/link": [...ground, "auth", "connection", "mensagem"],
  },
  {
    "dashboard/recording.js": ["dashboard/state.js"],
    "dashboard/readings.js": ["dashboard/state.js"],
    "dashboard/feed": [...ground, "type dashboard/item", "dashboard/state.js"],
    "dashboard/observer": [
      ...ground,
      "type events",
      "mensagem",
      "type dashboard/item",
      "dashboard/link",
    ],
    "dashboard/clients": [
      ...ground,
      "mensagem",
      "session",
      "type dashboard/item",
      "dashboard/link",
    ],
  },
  {
    "dashboard/diagram.js": ["dashboard/geometry.js", "dashboard/readings.js"],
    "dashboard/views.js": ["dashboard/readings.js"],
    "dashboard/demo": [...ground, "type events", "type dashboard/clients", "type dashboard/item"],
  },
  {
    "dashboard/plots.js": ["dashboard/state.js", "dashboard/views.js"],
    "dashboard/hands.js": ["dashboard/views.js"],
  },
  {
    "dashboard/page.js": pageParts,
  },
  {
    "dashboard/http": [
      ...ground,
      "type events",
      "type dashboard/clients",
      "dashboard/page.css",
      "dashboard/page.html",
      "dashboard/geometry.js",
      "dashboard/page.js",
      ...pageParts,
    ],
  },
  {
    "dashboard/dashboard": [
      ...ground,
      "type events",
      "dashboard/clients",
      "dashboard/demo",
      "dashboard/feed",
      "dashboard/http",
      "type dashboard/item",
      "type dashboard/link",
      "dashboard/observer",
    ],
  },
];

/** What measures stands beside the roles, above lib: it opens sockets and starts processes itself. */
const benchLayers: typeof layers = [
  { "bench/histogram": [], "bench/values": [], "bench/workload": [] },
  {
    "bench/drawing": ["type bench/histogram"],
    "bench/history": ["mensagem", "type bench/values"],
    "bench/servers": [...ground, "mensagem", "server_connection"],
  },
  {
    "bench/load_connection": [
      ...ground,
      "frame",
      "mensagem",
      "bench/history",
      "type bench/workload",
    ],
  },
  {
    "bench/load": [
      ...ground,
      "bench/histogram",
      "bench/history",
      "bench/load_connection",
      "bench/workload",
    ],
  },
  {
    "bench/peers/bare_console": [],
    "bench/peers/line_peer": [],
    "bench/peers/replies": [],
    "bench/peers/tables": ["bench/drawing"],
  },
  {
    "bench/peers/echo": ["bench/peers/bare_console", "bench/peers/line_peer"],
    "bench/peers/replication": ["bench/peers/bare_console", "bench/peers/line_peer"],
    "bench/peers/silent_server": ["kv_server"],
    "bench/peers/client": ["bench/histogram", "type bench/peers/replies"],
  },
  {
    "bench/peers/systems": [
      ...ground,
      "mensagem",
      "bench/servers",
      "type bench/peers/client",
      "bench/peers/replies",
    ],
  },
  {
    "bench/peers/zookeeper": [
      ...ground,
      "bench/servers",
      "type bench/peers/client",
      "bench/peers/replies",
      "bench/peers/systems",
    ],
  },
  {
    "bench/peers/main": [
      ...ground,
      "terminal",
      "bench/drawing",
      "bench/peers/client",
      "bench/peers/systems",
      "bench/peers/tables",
      "bench/peers/zookeeper",
    ],
  },
  {
    "bench/journal/keepers": [...ground, "mensagem", "store", "file_journal", "journal_disk"],
  },
  {
    "bench/journal/measures": [
      ...ground,
      "bench/history",
      "bench/load",
      "bench/servers",
      "bench/values",
      "bench/journal/keepers",
    ],
  },
  { "bench/journal/main": [...ground, "terminal", "bench/drawing", "bench/journal/measures"] },
  { "bench/limits/finding": ["bench/drawing"] },
  {
    "bench/limits/measures": [
      ...ground,
      "mensagem",
      "server_connection",
      "bench/drawing",
      "bench/history",
      "bench/load",
      "bench/servers",
      "bench/values",
      "type bench/limits/finding",
    ],
  },
  {
    "bench/limits/main": [
      ...ground,
      "terminal",
      "bench/values",
      "bench/limits/finding",
      "bench/limits/measures",
    ],
  },
  { "bench/report": ["bench/drawing", "type bench/histogram", "bench/load"] },
];

/** The roles are above all of that. */
const roles: Readonly<Record<string, readonly string[]>> = {
  server: [
    ...ground,
    "console",
    "terminal",
    "kv_server",
    "type engine",
    "type etcd_client",
    "etcd_engine",
    "etcd_flags",
    "file_journal",
    "journal_disk",
    "metrics",
    "metrics_http",
    "metrics_otel",
    "replication",
    "auth",
    "tls",
    "type connection",
    "type peer",
  ],
  client: [...ground, "flags", "console", "terminal", "kv_client", "commands", "session_file"],
  dashboard: [
    ...ground,
    "console",
    "terminal",
    "kv_server",
    "auth",
    "dashboard/dashboard",
    "server",
  ],
  demo: [
    ...ground,
    "console",
    "demo_texts",
    "terminal",
    "kv_server",
    "mensagem",
    "server_connection",
    "session",
  ],
  start: [...ground, "console", "terminal", "kv_server", "server", "client"],
  bench: [...ground, "terminal", ...benchLayers.flatMap((layer) => Object.keys(layer))],
};

/** What runs in the browser alone. */
const browserScripts = ["page", "hands", "views", "plots", "diagram"].map((name) =>
  `dashboard/${name}.js`
);

/** Where each package may be used. Anywhere else there is none. */
const packages: Readonly<Record<string, readonly string[]>> = {
  "bench/limits/measures": ["@std/async/delay"],
  "bench/journal/keepers": ["node:sqlite"],
  "bench/journal/measures": ["@std/async/delay"],
  "bench/load": ["@std/async/delay"],
  "bench/servers": ["@std/async/delay"],
  "bench/peers/client": ["node:timers/promises"],
  "bench/peers/main": ["node:os"],
  commands: ["@std/async/delay"],
  connection: ["@std/async/delay"],
  journal_record: ["node:zlib"],
  kv_client: ["@std/async/delay"],
  kv_server: ["@std/async/channel", "@std/async/delay"],
  peer: ["@std/async/channel"],
  flags: ["@std/cli/parse-args"],
  tls: ["node:crypto", "node:stream", "node:tls"],
};

/** Messages and the time go in, messages and prints come out. */
const core = [...Object.keys({ ...layers[0], ...layers[1], ...layers[2], ...layers[3] })]
  .concat(
    "dashboard/state.js",
    "dashboard/recording.js",
    "dashboard/readings.js",
    "replication",
    "journal",
    "journal_record",
    "session",
    "put_window",
    "snapshot",
    "held_stream",
    "leader",
    "follower",
    "engine",
    "embedded_engine",
    "node",
  );

const allowed = new Map(
  Object.entries(
    Object.assign({}, ...layers, ...benchLayers, roles) as Record<string, readonly string[]>,
  ),
);

const fileOf = (name: string) =>
  name in roles || name.startsWith("bench/")
    ? `${name}.ts`
    : name.includes(".")
    ? `lib/${name}`
    : `lib/${name}.ts`;

interface Import {
  readonly specifier: string;
  readonly typesOnly: boolean;
}

/** The code without comments. What is not surely a comment stays, and is searched. */
function codeOf(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

function importsOf(source: string): Import[] {
  const code = codeOf(source);
  const statements = /\b(?:import|export)\s+(type\s+)?(?:[^;"'`]*?\bfrom\s*)?["']([^"']+)["']/g;
  const imports = Array.from(code.matchAll(statements), ([, types, specifier]) => ({
    specifier: specifier!,
    typesOnly: types !== undefined,
  }));
  for (const [, specifier] of code.matchAll(/\bimport\s*\(\s*["'`]?([^"'`)]*)/g)) {
    imports.push({ specifier: specifier!, typesOnly: false });
  }
  return imports;
}

/** The file's name in the tables above. */
function nameOf(specifier: string, from: string): string {
  const path = new URL(specifier, `file:///${from}`).pathname.slice(1);
  return path.replace(/^lib\//, "").replace(/\.ts$/, "");
}

/** Imports of this project's files, as the tables name them. */
function localImports(name: string): string[] {
  return importsOf(sources[fileOf(name)]!)
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier, typesOnly }) =>
      `${typesOnly ? "type " : ""}${nameOf(specifier, fileOf(name))}`
    );
}

Deno.test("imports are found in every form, and not in comments", pure, () => {
  const source = `
    /** import { no } from "./no.ts"; */
    // import "./no.ts";
    import { a } from "./a.ts";
    import type { b } from './b.ts';
    import {
      c, // of c
    } from "./c.ts";
    import "./d.ts";
    export * from "./e.ts";
    export type { f } from "./f.ts";
    import g, { type h } from "@std/g";
    const from = "no";
    export const no = 1;
    await import("./i.ts");
  `;
  assertEquals(importsOf(source), [
    { specifier: "./a.ts", typesOnly: false },
    { specifier: "./b.ts", typesOnly: true },
    { specifier: "./c.ts", typesOnly: false },
    { specifier: "./d.ts", typesOnly: false },
    { specifier: "./e.ts", typesOnly: false },
    { specifier: "./f.ts", typesOnly: true },
    { specifier: "@std/g", typesOnly: false },
    { specifier: "./i.ts", typesOnly: false },
  ]);
});

Deno.test("every source is in the table, and every row of the table has its source", pure, () => {
  assertEquals([...allowed.keys()].map(fileOf).sort(), Object.keys(sources).sort());
  for (const [path, source] of Object.entries(sources)) assert(source.length > 100, path);
});

Deno.test("every file that is imported is one of the sources", pure, () => {
  for (const name of allowed.keys()) {
    for (const imported of localImports(name)) {
      const path = fileOf(imported.replace("type ", ""));
      assert(path in sources, `${path}, which ${fileOf(name)} imports, is not listed in this test`);
    }
  }
});

Deno.test("the table points downwards only", pure, () => {
  const below = new Set<string>();
  for (const layer of [...layers, ...benchLayers]) {
    for (const [name, imports] of Object.entries(layer)) {
      for (const imported of imports) {
        assert(below.has(imported.replace("type ", "")), `${name} stands above ${imported}`);
      }
    }
    for (const name of Object.keys(layer)) below.add(name);
  }
});

for (const [name, imports] of allowed) {
  Deno.test(`${fileOf(name)} imports nothing but what its layer may`, pure, () => {
    const may = new Set(
      imports.flatMap((one) => one.startsWith("type ") ? one : [one, `type ${one}`]),
    );
    const others = localImports(name).filter((imported) => !may.has(imported));
    assertEquals(others, [], `${fileOf(name)} must not import these`);
    const bare = importsOf(sources[fileOf(name)]!)
      .map(({ specifier }) => specifier)
      .filter((specifier) => !specifier.startsWith("."));
    const foreign = bare.filter((specifier) => !packages[name]?.includes(specifier));
    assertEquals(foreign, [], `${fileOf(name)} must not import these packages`);
  });
}

/** All files that a file needs to run. */
function reachedFrom(name: string, reached = new Set<string>()): Set<string> {
  for (const imported of localImports(name)) {
    if (imported.startsWith("type ") || reached.has(imported)) continue;
    reached.add(imported);
    reachedFrom(imported, reached);
  }
  return reached;
}

Deno.test("the protocol core and the network need nothing of each other", pure, () => {
  for (const name of ["leader", "follower", "embedded_engine", "node"]) {
    assert(!reachedFrom(name).has("connection"), name);
    assert(!reachedFrom(name).has("tls"), name);
  }
  const reached = [...reachedFrom("connection")].filter((name) => !ground.includes(name));
  assertEquals(reached, ["frame"]);
});

const diskFunctions =
  /\bDeno\.(?:open\w*|create(?:Sync)?|mkdir\w*|readDir\w*|read(?:Text)?File\w*|write\w*|remove\w*|rename\w*|truncate\w*|l?stat\w*|link\w*|symlink\w*|copyFile\w*|make\w*|FsFile|SeekMode)\b/g;

Deno.test(
  "a journal touches the disk in journal_disk.ts alone, which only a server uses",
  pure,
  () => {
    for (const name of lib) {
      if (["journal_disk", "session_file", "terminal"].includes(name)) continue;
      assertEquals(named(name, diskFunctions), [], name);
    }
    assert(named("journal_disk", diskFunctions).includes("Deno.open"));
    const users = [...allowed.keys()].filter((name) => localImports(name).includes("journal_disk"));
    assertEquals(users.filter((name) => !name.startsWith("bench/")), ["server"]);
    for (const name of ["leader", "follower", "node", "kv_server", "kv_client"]) {
      assert(!reachedFrom(name).has("journal_disk"), name);
      assert(!reachedFrom(name).has("file_journal"), name);
    }
  },
);

Deno.test("the client library needs nothing of the server", pure, () => {
  const server = ["store", "leader", "follower", "node", "kv_server", "tls", "console", "terminal"];
  assertEquals([...reachedFrom("kv_client")].filter((name) => server.includes(name)), []);
});

/** What the code of a file names, of what it must not. */
function named(name: string, forbidden: RegExp): string[] {
  return codeOf(sources[fileOf(name)]!).match(forbidden) ?? [];
}

const lib = layers.flatMap((layer) => Object.keys(layer));

const world = new RegExp(
  /\b(?:Deno|globalThis|self\s*\.|process|navigator|fetch|crypto|Worker|BroadcastChannel)\b/
    .source +
    /|\b(?:Date|Temporal|performance|setTimeout|setInterval|queueMicrotask|AbortSignal)\b/.source +
    /|\bMath\b(?!\.(?!random\b)\w)/.source,
  "g",
);

for (const name of core) {
  Deno.test(`${fileOf(name)} has no sockets, no clock, no timers and no randomness`, pure, () => {
    assertEquals(named(name, world), []);
  });
}

const networkFunctions =
  /\bDeno\.(?:listen|connect|startTls|serve|upgrade|resolveDns|createHttp|Quic|Http)\w*|\b(?:fetch|WebSocket|WebSocketStream|EventSource|WebTransport)\b/g;

/** Monitoring speaks HTTP, on a port of its own, and is left to Deno's server. */
const networkExceptions = new Map([["metrics_http", ["Deno.serve"]]]);

for (const name of [...lib, ...Object.keys(roles)]) {
  if (
    ["connection", "etcd_client", "etcd_http", "dashboard/http", ...browserScripts].includes(name)
  ) continue;
  Deno.test(`${fileOf(name)} leaves the network to connection.ts`, pure, () => {
    assertEquals(named(name, networkFunctions), networkExceptions.get(name) ?? []);
  });
}

Deno.test("connection.ts is where the network is, and http.ts where browsers come in", pure, () => {
  assert(named("connection", networkFunctions).includes("Deno.connect"));
  assert(named("dashboard/http", networkFunctions).includes("Deno.serve"));
});

Deno.test(
  "etcd is asked by fetch in one file, through connections of one client, and by its engine alone",
  pure,
  () => {
    assertEquals(
      new Set(named("etcd_http", networkFunctions)),
      new Set(["Deno.HttpClient", "fetch"]),
    );
    const client = new Set(["Deno.HttpClient", "Deno.createHttpClient"]);
    assertEquals(new Set(named("etcd_client", networkFunctions)), client);
    const users = (file: string) =>
      [...allowed.keys()].filter((name) => localImports(name).includes(file));
    assertEquals(users("etcd_http"), ["etcd_client"]);
    assertEquals(users("etcd_client"), ["etcd_engine"]);
  },
);

Deno.test("a server that stands on etcd needs nothing of the embedded replication", pure, () => {
  const replication = ["leader", "follower", "embedded_engine", "put_window", "write_log"];
  assertEquals([...reachedFrom("etcd_engine")].filter((name) => replication.includes(name)), []);
});

Deno.test("who serves HTTP for monitoring is used by the server's role alone", pure, () => {
  const users = [...allowed.keys()].filter((name) => localImports(name).includes("metrics_http"));
  assertEquals(users, ["server"]);
});

Deno.test(
  "only terminal.ts touches the console, and the roles alone the rest of the process",
  pure,
  () => {
    const streams =
      /\bDeno\.(?:stdin|stdout|stderr)\b|\bconsole\s*\.(?!ts")|\b(?:prompt|alert|confirm)\s*\(/g;
    const process =
      /\bDeno\.(?:args|exit\w*|env|build|\w*[sS]ignal\w*|cwd|pid|[a-z]+File\w*|open\w*)\b/g;
    // A secret may come from the environment, and a session is in a file.
    const exceptions = new Map([
      ["terminal", "Deno.env"],
      ["session_file", "Deno.open"],
      ["journal_disk", "Deno.open"],
    ]);
    for (const name of lib) {
      assertEquals(named(name, process).filter((one) => one !== exceptions.get(name)), [], name);
      if (name !== "terminal") assertEquals(named(name, streams), [], name);
    }
  },
);

Deno.test(
  "Deno is always named with what is used of it, so that the rules above see it",
  pure,
  () => {
    for (const name of lib) assertEquals(named(name, /\bDeno\b(?!\.\w)|\bglobalThis\b/g), [], name);
  },
);
