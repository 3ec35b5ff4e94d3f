/**
 * The rule by which a leader accepts or refuses a follower.
 *
 * @module
 */

import { type ErrorCode, ErrorReply, type Gap, type Join, protocolVersion } from "../mensagem.ts";
import { timestampMax } from "../limits.ts";
import { isInGap } from "./gaps.ts";
import { highestOf, takeOverMax } from "./timestamps.ts";

/** What a leader knows when a JOIN comes. */
export interface JoinContext {
  /** "host:port" of the leader. */
  readonly self: string;
  /** Servers in the cluster, the leader included. */
  readonly clusterSize: number;
  /** Whether the JOIN came on the connection of a follower that has joined. */
  readonly repeated: boolean;
  /** The JOINs of the followers that have joined, without the one that this JOIN replaces. */
  readonly joined: readonly Join[];
  /** The cluster id, "" until the leader has its table. */
  readonly cluster: string;
  /** The table is complete up to here. */
  readonly timestamp: number;
  /** The ranges of timestamps that leaders have skipped. */
  readonly gaps: readonly Gap[];
  /** Whether the table has deletions or times to live, which a follower must know. */
  readonly beyondPuts: boolean;
  /** The cluster of the data on the leader's own disk, `undefined` if it has none. */
  readonly ownCluster: string | undefined;
}

/**
 * Whether a JOIN comes from the process that joined with `earlier`, on a newer connection. Then that
 * process has given up the earlier one.
 */
export function isRedial({ instance, attempt = 0 }: Join, earlier: Join): boolean {
  return instance !== undefined && instance === earlier.instance &&
    attempt >= (earlier.attempt ?? 0);
}

/** Whether a JOIN or JOIN_OK comes from a server that knows no deletions and no times to live. */
export function isOutdated({ protocol = 1 }: { readonly protocol?: number | undefined }): boolean {
  return protocol < protocolVersion;
}

/** What is wrong with such a server. */
export function outdatedReason(server: string): string {
  return `${server} runs a version without deletions and times to live: upgrade it`;
}

/**
 * The refusal of a JOIN, `undefined` if the leader accepts it.
 *
 * FORBIDDEN refuses the server's data. The data is judged first: a server with the data of another
 * cluster must not hear only that its place is taken, and go on answering GETs.
 */
export function joinRefusal(join: Join, context: JoinContext): ErrorReply | undefined {
  const data = whyDataRefused(join, context);
  if (data !== undefined) return new ErrorReply("FORBIDDEN", data);
  const server = whyServerRefused(join, context);
  return server === undefined ? undefined : new ErrorReply(serverRefusalCode(join), server);
}

/**
 * The code of a refusal that does not concern the server's data. A server without an instance number is
 * of an earlier version, which knows only FORBIDDEN.
 */
export function serverRefusalCode({ instance }: Join): ErrorCode {
  return instance === undefined ? "FORBIDDEN" : "UNAVAILABLE";
}

/**
 * Whether a leader refuses the data of the server that joins, and not only the server.
 *
 * The code alone does not tell: earlier leaders, and servers that do not lead, send FORBIDDEN for other
 * reasons too. In every version a refusal of data says what the server holds.
 */
export function refusesData({ code, message }: ErrorReply): boolean {
  return code === "FORBIDDEN" && /\bholds (?:data of|timestamp) /.test(message);
}

function whyServerRefused(join: Join, context: JoinContext): string | undefined {
  const { server } = join;
  const { self, clusterSize, joined } = context;
  if (context.repeated) return "this connection has joined already";
  if (server === self) return `${server} is the leader itself`;
  if (context.beyondPuts && isOutdated(join)) return outdatedReason(server);
  if (joined.some((other) => other.server === server)) return `${server} has joined already`;
  if (joined.length < clusterSize - 1) return undefined;
  return `the cluster has its ${clusterSize} servers already, see --cluster-size`;
}

/** Every reason has the words by which {@linkcode refusesData} knows it. */
function whyDataRefused(join: Join, context: JoinContext): string | undefined {
  const { server, cluster, timestamp } = join;
  const highest = highestOf(join);
  if (highest < timestamp) {
    return `${server} holds timestamp ${timestamp}, which is above the highest write, ${highest}`;
  }
  const limit = context.cluster === "" ? takeOverMax : timestampMax;
  if (highest > limit) {
    return `${server} holds timestamp ${highest}, which is above the limit, ${limit}`;
  }
  if (highest > 0 && cluster === "") return `${server} holds data of no cluster`;
  // Data of another cluster is never mixed in, and never deleted silently.
  const own = clusterOf(context) ?? cluster;
  if (highest > 0 && cluster !== own) {
    return `${server} holds data of cluster ${cluster}, and this is cluster ${own}: restart ` +
      `${server}, with an empty data directory if it has one. ${keepOld}`;
  }
  if (context.cluster === "") return undefined;
  if (!isInGap(context.gaps, timestamp) && timestamp <= context.timestamp) return undefined;
  return `${server} holds timestamp ${timestamp}, which this leader does not know. If the leader ` +
    "was started with an old data directory, stop it and start it with an empty one: it then " +
    `recovers from the others. Otherwise restart ${server} with an empty one. ${keepOld}`;
}

/** Said with each advice to start with an empty directory. */
const keepOld = "Move the old directory away and keep it: it may hold the only copy of a write";

/** The cluster that all data must belong to, `undefined` if there is no data yet. */
function clusterOf({ cluster, joined, ownCluster }: JoinContext): string | undefined {
  if (cluster !== "") return cluster;
  return joined.find((join) => highestOf(join) > 0)?.cluster ?? ownCluster;
}
