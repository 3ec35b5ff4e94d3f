/**
 * Start and stop of the programs that listen on an address.
 *
 * @module
 */

import { type Address, formatAddress } from "../wire/address.ts";

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
 * @throws {StartError} if the address cannot be listened on.
 */
export function listenAt<T>(address: Address, listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    const reason = whyNotListening(error);
    if (reason === undefined) throw error;
    const message = `Cannot listen on ${formatAddress(address)}: ${reason}.`;
    throw new StartError(message, { cause: error });
  }
}

function whyNotListening(error: unknown): string | undefined {
  if (error instanceof Deno.errors.AddrInUse) return "the port is in use by another program";
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "the address is not one of this machine";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not use that port";
  return undefined;
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
