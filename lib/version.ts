/**
 * The version of this project.
 *
 * @module
 */

/** The version, as in `deno.json`: of the servers, the client and the library. */
export const version = "0.2.0";
