/**
 * The error of a process that may open no more sockets and files.
 *
 * @module
 */

/** Whether the process or the machine has no file descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === "EMFILE" || code === "ENFILE";
}

/** The message of an error of the system, with advice if no file descriptor is left. */
export function systemMessage(error: unknown): string {
  const { message } = error as Error;
  if (!isOutOfDescriptors(error)) return message;
  return `${message}. Raise the number of files that a process may open (ulimit -n, LimitNOFILE)`;
}
