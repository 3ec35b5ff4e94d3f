/**
 * Every fixed limit and every default of the system, each with its unit in its name.
 *
 * The first block is part of the wire contract: servers and clients of other people rely on it. The
 * rest are defaults that a role may change by a flag.
 *
 * @module
 */

/** Longest frame, its LF included, in bytes. JSON escapes can make text six times longer. */
export const frameBytesMax = 8 * 1024 * 1024;

/** Longest key, in bytes of UTF-8. */
export const keyBytesMax = 1024;

/** Longest value, in bytes of UTF-8. */
export const valueBytesMax = 1024 * 1024;

/**
 * How far a recovered leader skips ahead on average; half as far, or half as far again, at the most.
 * Half of it must be larger than the number of writes that a crashed leader can have stamped and
 * that no surviving follower has heard of. How far exactly is drawn at random: of two leaders that
 * go on from the same timestamp, because one of them was started with an old disk, neither can take
 * what the other has written for its own.
 */
export const recoverySkip = 2 ** 32;

/**
 * The highest timestamp that a server may claim to hold: some recoveries below the end of the safe
 * integers.
 */
export const timestampMax = 2 ** 52;

/**
 * A journal is written anew as a table when it has grown by this much, in bytes, and by as much as
 * the table has.
 */
export const journalBytesMin = 16 * 1024 * 1024;

/**
 * A segment of a journal is made longer by so many bytes at a time: a sync that has no new length to
 * write is cheaper.
 */
export const journalRoomBytes = 1024 * 1024;

/** A journal at rest is sealed within this time, in milliseconds. */
export const sealMs = 50;

/** A disk whose last sync took less is waited for, in milliseconds. */
export const quickSyncMs = 1;

/**
 * So long a leader with a journal waits, in milliseconds, for those to ask again whom it has just
 * answered: about as long as a quick disk takes for a sync.
 */
export const pauseMs = 0.2;

/** For more PUTs than these, which share a sync, nobody waits. */
export const groupPuts = 64;

/** PUTs that wait for those before them, in UTF-16 units; with more they do no longer. */
export const groupCharsMax = 1024 * 1024;

/** The file of a table is written in parts of this size, in UTF-16 units. */
export const tableChunkChars = 256 * 1024;

/** A part is closed when this many keys were looked at, so that the event loop never waits long. */
export const tableChunkKeys = 4_096;

/** A journal is read in parts of this size, in bytes. */
export const journalReadBytes = 256 * 1024;

/** Loading that takes longer is told, and told again after as long. */
export const loadReportMs = 1_000;

/** The address that servers listen on where nothing else is said (enunciado 5.a). */
export const ipDefault = "127.0.0.1";

/** The ports of the three servers where nothing else is said (enunciado 4.a). */
export const portsDefault: readonly [number, number, number] = [10_097, 10_098, 10_099];

/** Servers in the cluster, the leader included. */
export const clusterSizeDefault = 3;

/** Servers that must hold a write before it is acknowledged, the leader included. */
export const minInSyncDefault = 2;

/** Pause between two heartbeats on a connection between servers. */
export const heartbeatMs = 500;

/** A peer server that stays silent for longer than this is taken for dead. */
export const silenceMs = 2_000;

/** Every PUT is answered within this time. */
export const putTimeoutMs = 5_000;

/** Pause between two ticks of a server's clock. Deadlines are that coarse. */
export const tickMs = 50;

/** Least pause between two writes of a server to its console, in milliseconds. */
export const consolePauseMs = 50;

/** PUTs that a leader, or one follower towards its leader, has not answered yet. */
export const outstandingPutsMax = 65_536;

/** Text (in UTF-16 units) of keys and values that wait at the leader for servers to come back. */
export const waitingCharsMax = 64 * 1024 * 1024;

/** Recent writes that the leader keeps so that a follower can catch up without a snapshot, in bytes. */
export const logBytesMax = 16 * 1024 * 1024;

/**
 * A snapshot chunk is closed when its text reaches this size, in UTF-16 units. With chunks of an eighth PUTs
 * went on at 0.6 of their rate in the place of 0.5, and a follower with large values never caught up.
 */
export const snapshotChunkChars = 256 * 1024;

/**
 * A snapshot chunk is closed when this many keys were looked at, so that the event loop never waits
 * long.
 */
export const snapshotChunkVisits = 8_192;

/**
 * So many entries of a snapshot leave in one tick at most while PUTs go on. With a million keys those go
 * on at two thirds of their rate for 6 s then, and at less than half of it for 3 s without this.
 */
export const snapshotEntriesPerTick = 8_192;

/** REPLICATIONs of one turn leave in texts of about this size, in UTF-16 units. */
export const batchChars = 32 * 1024;

/** Snapshot chunks on their way to one server that it has not confirmed yet. */
export const snapshotChunksInFlight = 2;

/** REPLICATIONs that a fault holds on their way to one follower, in UTF-16 units. */
export const heldCharsMax = 8 * 1024 * 1024;

/** By how much a fault may make REPLICATIONs late. */
export const faultDelayMsMax = 60_000;

/** PUTs without a PUT_OK of which the metrics remember when they came. */
export const timedPutsMax = 65_536;

/** Observers of one server. */
export const observersMax = 16;

/** Events in one EVENTS message, those of the table left out. */
export const eventsMax = 256;

/** So many of them are kept free for those that are rare and matter most. */
export const eventsReserved = 56;

/** Keys of the table that an observer is told when it comes. */
export const tableEventsMax = 1_000;

/** Longest key or value in an event, in UTF-16 units. What is longer is cut. */
export const eventTextCharsMax = 128;

/** An observer with more unsent text than this, in UTF-16 units, loses events. */
export const observerUnsentCharsMax = 256 * 1024;

/** An observer hears something at least this often. */
export const eventsPauseMs = 1_000;

/**
 * First pause before a follower dials its leader again. It doubles each time, up to the longest.
 */
export const redialFirstMs = 50;

/** Longest pause before a follower dials its leader again. */
export const redialLongestMs = 1_000;

/** Connections to one server, all together. */
export const connectionsMax = 16_384;

/** Connections to one server from one IP address. */
export const connectionsPerIpMax = 12_288;

/** Connections over the limit that are still being told so. */
export const refusedMax = 64;

/**
 * Requests of one connection without an answer. Beyond that it is not read until some are answered.
 */
export const inFlightMax = 4_096;

/**
 * Unsent answers of a client's connection at which its requests are no longer read, in UTF-16
 * units.
 */
export const unsentPauseChars = 1024 * 1024;

/**
 * Half-sent frames and unsent answers of all clients' connections together, in bytes. Beyond it
 * those that hold most are cut off.
 */
export const heldBytesMax = 512 * 1024 * 1024;

/** Unsent text at which any connection is cut off, in UTF-16 units. */
export const unsentCharsMax = 64 * 1024 * 1024;

/**
 * A write that makes no progress for this long means that nobody reads: the connection is cut off.
 */
export const stalledWriteMs = 10_000;

/** The rest of a frame must follow its first byte within this time. */
export const halfFrameMs = 30_000;

/**
 * A client that has shut down its sending side gets its answers within this time, or not at all.
 */
export const finishMs = 10_000;

/** After a message that ends a connection, how long the peer is given to read the reason. */
export const lingerMs = 1_000;

/** When a server stops, how long it waits for the answers that it still owes. */
export const shutdownMs = 1_000;

/** A client gives up on an answer after this time: a little more than a server takes to decide. */
export const requestTimeoutMs = 4_800;

/** The longest time that a caller may give to a request: what a timer can count. */
export const requestTimeoutMsMax = 2 ** 31 - 1;

/** A client gives up on a connection that cannot be used after this time. */
export const connectTimeoutMs = 5_000;

/**
 * How long a client waits for one server before it asks another: at first, doubled in each round,
 * and never more than half of the time that is left.
 */
export const attemptMs = 1_000;

/** The shortest wait for one server. */
export const attemptLeastMs = 20;

/** First pause after a client has asked all servers in vain. It doubles with each round. */
export const retryFirstMs = 20;

/** Longest pause before a client asks all servers again. */
export const retryLongestMs = 500;

/** A server that failed is not drawn for this time. It doubles with each failure. */
export const avoidFirstMs = 100;

/** Longest time for which a server that failed is not drawn. */
export const avoidLongestMs = 1_000;

/**
 * A connection on which nothing came for this time, though an answer was due, takes no more
 * requests once one of them has timed out.
 */
export const silentServerMs = 250;

/** Requests of one connection that were given up while their answers may still come. */
export const abandonedMax = 1_024;

/** The longest file that is read as a session, in bytes. */
export const sessionBytesMax = 64 * 1024 * 1024;

/** Pause between two looks at how a cluster is. */
export const watchPauseMs = 2_000;

/** Pause after a connection could not be accepted. */
export const acceptPauseMs = 100;

/** Pause between two looks at the connections that do not move. */
export const sweepMs = 1_000;

/** A connection to another server must be made within this time. */
export const dialTimeoutMs = 2_000;

/** Who connects with TLS must have shaken hands within this time. */
export const tlsHandshakeMs = 5_000;

/** Where the dashboard listens where nothing else is said. */
export const dashboardPortDefault = 10_090;

/** Servers that one dashboard shows: more would not fit its page. */
export const dashboardServersMax = 5;

/** The clients that the dashboard plays. */
export const dashboardClients = 4;

/** Browsers that watch one dashboard at once. */
export const browsersMax = 32;

/** What waits for a browser that reads slowly; beyond that it loses items. */
export const browserBytesMax = 1024 * 1024;

/** The body of a command that a browser sends to the dashboard. */
export const commandBytesMax = 64 * 1024;

/** Commands of browsers that are being carried out. */
export const commandsMax = 64;

/** Pause between two questions of the dashboard for a server's status. */
export const statusPauseMs = 1_000;

/** A server that tells its observer nothing for this long is taken for unreachable. */
export const observerSilenceMs = 4_000;

/** A dashboard that has lost events asks a server for its table no more often than this. */
export const resyncPauseMs = 2_000;

/** Pause between two deliveries of the dashboard to its browsers. */
export const feedPauseMs = 50;

/** How long an event waits for events of other servers that were earlier. */
export const feedHoldMs = 120;

/** Events that wait for others; with more, all are delivered as they are. */
export const feedItemsHeldMax = 10_000;

/** How far an event's time may lie back; a server whose clock is further off has the wrong time. */
export const clockOffMs = 2_000;

/**
 * Pause between two steps of the dashboard's demonstration. The write that it holds back goes
 * through three of them, and must still be answered in time.
 */
export const demoStepMs = 1_300;

/** How often the demonstration asks a follower that should have caught up. */
export const demoRetriesMax = 5;

/** Where etcd is looked for where nothing else is said. */
export const etcdUrlDefault = "http://127.0.0.1:2379";

/** What the keys of this store begin with in etcd where nothing else is said. */
export const etcdPrefixDefault = "kv/";

/** The longest such prefix, in bytes of UTF-8. */
export const etcdPrefixBytesMax = 256;

/** GETs at etcd at once; the others wait for their turn. Each takes a connection of its own. */
export const etcdGetsMax = 64;

/**
 * PUTs at etcd at once. More than that: those that were on their way to a leader that died hang
 * until their time runs out.
 */
export const etcdPutsMax = 256;

/** Requests to etcd that wait for their turn. */
export const etcdWaitingMax = 65_536;

/** The longest answer of etcd, in bytes: a value in base64 and some room. */
export const etcdAnswerBytesMax = 4 * 1024 * 1024;

/** The longest line of a watch, in UTF-16 units: etcd splits what is longer than a request may be. */
export const etcdLineCharsMax = 16 * 1024 * 1024;

/** Pause between two looks at how an etcd member is. */
export const etcdPollMs = 500;

/** A watch on which nothing came for this long is opened anew: its connection may be dead. */
export const etcdWatchIdleMs = 60_000;

/** Writes of a watch that wait for the answer to the PUT that may have caused them. */
export const etcdEventsHeldMax = 10_000;

/** The keys that a server on etcd remembers for its observers: those written last. */
export const etcdRecentKeysMax = 1_000;

/** The password and user of etcd must fit into this much text, in UTF-16 units. */
export const etcdTokenCharsMax = 4_096;
