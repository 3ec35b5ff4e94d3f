/**
 * Start and stop of the programs that listen on an address.
 *
 * @module
 */

import { type Address, formatAddress, whyNoServerAddress } from "../wire/address.ts";

/** A server cannot start, for a reason that its operator can remove: exit code 1. */
export class StartError extends Error {
  /** Creates the error. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StartError";
  }
}

/**
 * Runs `listen`, which listens on `address`.
 *
 * @param portFlag The flag that sets the port, for the error.
 * @throws {StartError} if the address cannot be listened on.
 */
export function listenAt<T>(address: Address, listen: () => T, portFlag = "--port"): T {
  // Linux listens on some of these addresses, but none can be reached there.
  let reason = whyNoServerAddress(address.hostname);
  let cause: unknown;
  if (reason === undefined) {
    try {
      return listen();
    } catch (error) {
      reason = whyNotListening(error, address, portFlag);
      if (reason === undefined) throw error;
      cause = error;
    }
  } else reason += `. ${useOwnIp}`;
  throw new StartError(`Cannot listen on ${formatAddress(address)}: ${reason}.`, { cause });
}

const useOwnIp = "Use an IP address of this machine (--ip)";

/** The reason in words; `undefined` if it is not the operating system's or a missing permission. */
function whyNotListening(error: unknown, address: Address, portFlag: string): string | undefined {
  const { AddrInUse, AddrNotAvailable, NotCapable, PermissionDenied } = Deno.errors;
  if (error instanceof AddrInUse) {
    return `the port is in use by another program. Stop that program, or use another port (${portFlag})`;
  }
  if (error instanceof AddrNotAvailable) {
    return `the address is not one of this machine. ${useOwnIp}`;
  }
  if (error instanceof PermissionDenied) {
    return `this user may not use that port. Use a port above 1023 (${portFlag})`;
  }
  if (error instanceof NotCapable) return missingPermission(formatAddress(address));
  // With `code` it is an error of the operating system: no IPv6, or no file descriptor, for example.
  return error instanceof Error && "code" in error ? error.message : undefined;
}

/**
 * Checks that this process may dial "host:port". It never prompts.
 *
 * @throws {StartError} if it may not. Trying again would not help.
 */
export function checkMayDial(host: string): void {
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  throw new StartError(`Cannot dial ${host}: ${missingPermission(host)}.`);
}

function missingPermission(host: string): string {
  return `the permission --allow-net=${host} is missing. Add it, or use --allow-net alone`;
}

/** Resolves at the first Ctrl-C or request to terminate. */
export function untilSignal(): Promise<void> {
  // Windows has no SIGTERM to listen for.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  return new Promise((resolve) => {
    // The listeners stay: `deno task` passes Ctrl-C on, so it comes twice.
    for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  });
}
