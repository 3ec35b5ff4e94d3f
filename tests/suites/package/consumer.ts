import {
  ConflictError,
  type GetResult,
  KvClient,
  type KvClientOptions,
  type KvEvent,
} from "@kv/replicated";
import { type Lock, lock } from "@kv/replicated/recipes";

/** A line for a log. Its type says that no event is forgotten. */
function lineOf(event: KvEvent): string {
  switch (event.type) {
    case "connected":
      return `${event.server}${event.again ? " again" : ""}`;
    case "disconnected":
    case "unreachable":
      return `${event.server}: ${event.reason} ${event.code ?? ""}`;
    case "retried":
      return `${event.request} at ${event.next}: ${event.reason}`;
    case "stale":
      return `${event.server} has ${event.key ?? "keys"} at ${event.timestamp} of ${event.seen}`;
    case "reset":
      return event.server;
  }
}

export const lines: string[] = [];
const options: KvClientOptions = {
  timeoutMs: 1_000,
  onEvent: (event) => void lines.push(lineOf(event)),
};
export const client: KvClient = new KvClient("127.0.0.1:10097", options);

export async function read(key: string): Promise<string | null> {
  const result: GetResult = await client.get(key);
  return result.value;
}

export async function locked(name: string): Promise<number> {
  const held: Lock = await lock(client, name, { ttlMs: 10_000 });
  await held.release();
  return held.timestamp;
}

export async function created(key: string): Promise<boolean> {
  try {
    await client.create(key, "");
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
}

export async function keys(): Promise<string[]> {
  const all: string[] = [];
  for await (const { key } of client.list("a/")) all.push(key);
  return all;
}
