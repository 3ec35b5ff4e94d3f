/**
 * Limits and defaults that two or more folders share.
 *
 * The first seven are part of the wire contract: other servers and clients rely on them. A limit of
 * one folder alone stands beside the code that it binds.
 *
 * @module
 */

/** The longest frame, its LF included. JSON escapes can make a value six times longer. */
export const frameBytesMax = 8 * 1024 * 1024;

/** The longest key, in bytes of UTF-8. */
export const keyBytesMax = 1024;

/** The longest value, in bytes of UTF-8. */
export const valueBytesMax = 1024 * 1024;

/** The shortest time to live of a key, in milliseconds. */
export const ttlMsMin = 1_000;

/** The longest time to live of a key, in milliseconds: some 24 days. */
export const ttlMsMax: number = 2 ** 31;

/** Entries in one LIST_OK. */
export const listEntriesMax = 1_000;

/**
 * The highest timestamp, 2⁵³ − 1. A leader that has given it takes no more PUTs. How far ahead of the
 * other servers a server may be that joins is bounded in `lib/replication/timestamps.ts`.
 */
export const timestampMax: number = Number.MAX_SAFE_INTEGER;

/** The address that a server listens on by default (enunciado 5.a). */
export const ipDefault = "127.0.0.1";

/** The default ports of the three servers (enunciado 4.a). */
export const portsDefault: readonly [number, number, number] = [10_097, 10_098, 10_099];

/** Unanswered PUTs whose time of arrival is remembered, to measure how long they take. */
export const timedPutsMax = 65_536;

/** The longest key or value in an event, in UTF-16 units. Longer ones are cut. */
export const eventTextCharsMax = 128;

/** Unanswered requests of one connection. At this number the server stops reading from it. */
export const inFlightMax = 4_096;

/** How long a client that has shut down its sending side may still wait for answers. */
export const finishMs = 10_000;

/** How long a connection stays open after its last message, so that the peer can read it. */
export const lingerMs = 1_000;

/** How long a client waits for an answer: a little longer than the leader may take for a PUT. */
export const requestTimeoutMs = 4_800;

/** How long connecting to a server may take. */
export const dialTimeoutMs = 2_000;

/** The longest prefix of the keys in etcd, in bytes of UTF-8. */
export const etcdPrefixBytesMax = 256;
