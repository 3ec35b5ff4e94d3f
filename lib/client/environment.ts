/**
 * The servers that the environment names, for a client that was given none.
 *
 * @module
 */

import { InvalidArgumentError } from "./errors.ts";

/** The environment variable with the servers, each as host:port, with commas between them. */
export const serversVariable = "KV_SERVERS";

const instead = `Give the servers to the client, or set ${serversVariable}`;

/**
 * The text of `KV_SERVERS`. On Deno it is read only if the program has the permission for it already:
 * no permission is asked for.
 *
 * @throws {InvalidArgumentError} if it is not set or empty, or may not be read.
 */
export function serversOfEnvironment(): string {
  const text = typeof Deno === "object" ? readOnDeno() : readOnNode();
  if (text !== undefined && text !== "") return text;
  const why = text === undefined ? "is not set" : "is empty";
  throw new InvalidArgumentError(`no servers: none were given, and ${serversVariable} ${why}. \
${instead}, such as 127.0.0.1:10097,127.0.0.1:10098`);
}

function readOnDeno(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: serversVariable });
  if (state !== "granted") {
    throw new InvalidArgumentError(`no servers: none were given, and this program may not read \
${serversVariable}. ${instead} and start the program with --allow-env=${serversVariable}`);
  }
  try {
    return Deno.env.get(serversVariable);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.InvalidData)) throw cause;
    throw new InvalidArgumentError(`${serversVariable} is not UTF-8`, { cause });
  }
}

function readOnNode(): string | undefined {
  // deno-lint-ignore no-process-global -- Deno is not here, and an import would need a promise
  return process.env[serversVariable];
}
