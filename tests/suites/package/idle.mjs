/**
 * A program that leaves its clients open: `idle.mjs PACKAGE SERVERS TLS_SERVER CA`. It ends by itself once
 * its watch has told the change of the key "sinal", for which it asks with the key "pronto".
 */

// deno-lint-ignore-file no-console no-external-import -- it runs on Node.js and Bun too

import process from "node:process";

const [index, servers, tlsServer, ca] = process.argv.slice(2);
const { KvClient } = await import(index);

for (const [server, options] of [[servers, {}], [tlsServer, { tls: { ca } }]]) {
  const open = new KvClient(server, options);
  await open.put("cor", "azul");
  const closed = new KvClient(server, options);
  console.log((await closed.get("cor")).value);
  await closed.close(); // nothing else keeps the program alive until it has closed
}
const client = new KvClient(servers);
for await (const event of client.watch("sinal")) {
  if (event.type === "ready") await client.put("pronto", "1");
  if (event.type !== "put") continue;
  console.log(event.value);
  break;
}
