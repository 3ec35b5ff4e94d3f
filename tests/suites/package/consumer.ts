import { ConflictError, type GetResult, KvClient, type KvClientOptions } from "@kv/replicated";
import { type Lock, lock } from "@kv/replicated/recipes";

const options: KvClientOptions = { timeoutMs: 1_000 };
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
