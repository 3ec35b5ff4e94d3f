/**
 * When a connection takes no more requests, because its server does not answer.
 *
 * @module
 */

/**
 * A connection is silent if an answer was due for this time and nothing came. A silent connection
 * takes no more requests once one of them has timed out.
 */
export const silentServerMs = 250;

/**
 * The same for a connection that is not open yet, where no answer is due: nothing came for this time.
 * It is shorter than the first attempt of a call, so that the second one gets a new connection.
 */
export const silentOpeningMs = 700;

/**
 * The number of abandoned requests at which a connection takes no more requests. Fewer are enough if
 * it has room for fewer.
 */
export const abandonedMax = 1_024;
