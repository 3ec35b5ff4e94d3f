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
 * The highest timestamp that a server may claim to hold: some recoveries below the end of the safe
 * integers.
 */
export const timestampMax = 2 ** 52;

/** The address that servers listen on where nothing else is said (enunciado 5.a). */
export const ipDefault = "127.0.0.1";

/** The ports of the three servers where nothing else is said (enunciado 4.a). */
export const portsDefault: readonly [number, number, number] = [10_097, 10_098, 10_099];

/** PUTs without a PUT_OK of which the metrics remember when they came. */
export const timedPutsMax = 65_536;

/** Longest key or value in an event, in UTF-16 units. What is longer is cut. */
export const eventTextCharsMax = 128;

/**
 * Requests of one connection without an answer. Beyond that it is not read until some are answered.
 */
export const inFlightMax = 4_096;

/**
 * A client that has shut down its sending side gets its answers within this time, or not at all.
 */
export const finishMs = 10_000;

/** After a message that ends a connection, how long the peer is given to read the reason. */
export const lingerMs = 1_000;

/** A client gives up on an answer after this time: a little more than a server takes to decide. */
export const requestTimeoutMs = 4_800;

/** A connection to another server must be made within this time. */
export const dialTimeoutMs = 2_000;
