/** The cost of making 64 console lines of a server, without writing them. */

import { ServerConsole } from "../../lib/cli/server_console.ts";

const lines = 64;
const client = "127.0.0.1:54321";
const key = "key:000000001234";
const values = {
  "100 plain characters": "x".repeat(100),
  "100 characters, 4 of them controls": `\x1b[2J\r\n\u202e${"x".repeat(93)}`,
  "100 controls": "\x1b".repeat(100),
};

for (const [group, value] of Object.entries(values)) {
  const prints = new ServerConsole(() => {});
  let timestamp = 0;
  Deno.bench(`${lines / 2} PUT and their PUT_OK, ${group}`, { group }, () => {
    for (let n = 0; n < lines / 2; n++) {
      prints.put(client, key, value);
      prints.putOk(client, key, ++timestamp);
    }
    prints.flush();
  });
  Deno.bench(`${lines} GET, ${group}`, { group }, () => {
    for (let n = 0; n < lines; n++) prints.get(client, key, timestamp, timestamp, value);
    prints.flush();
  });
  Deno.bench(`${lines} REPLICATION, ${group}`, { group }, () => {
    for (let n = 0; n < lines; n++) prints.replication(key, value, ++timestamp);
    prints.flush();
  });
}
