/**
 * The version of this project.
 *
 * @module
 */

import project from "../deno.json" with { type: "json" };

/** The version, as in `deno.json`: of the servers, the client and the library. */
export const version: string = project.version;
