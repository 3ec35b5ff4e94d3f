/** The cost of encoding a message into a frame, and of decoding a line. */

import {
  type AnyMensagem,
  Get,
  GetOk,
  Mensagem,
  Put,
  PutOk,
  Replication,
  ReplicationOk,
} from "../../lib/mensagem.ts";

const key = "key:000000001234";

/** The messages with a value. */
function messages(value: string): AnyMensagem[] {
  return [
    new Put(1_234, key, value),
    new GetOk(1_234, key, value, 5_678),
    Replication.of(key, value, 5_678),
  ];
}

const withoutValue = [
  new PutOk(1_234, key, 5_678),
  new Get(1_234, key, 5_678),
  new ReplicationOk(5_678),
];

function measure(message: AnyMensagem, size: string): void {
  const line = message.encode().trimEnd();
  const group = `${message.type}${size}`;
  Deno.bench(`encode ${group}`, { group }, () => {
    message.encode();
  });
  Deno.bench(`decode ${group}`, { group }, () => {
    Mensagem.decode(line);
  });
}

for (const message of withoutValue) measure(message, "");
for (const message of messages("x".repeat(100))) measure(message, ", 100 B");
for (const message of messages("x".repeat(64 * 1024))) measure(message, ", 64 KiB");
