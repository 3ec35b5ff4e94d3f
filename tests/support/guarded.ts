/**
 * Servers that ask for a secret and a password, and peers that deceive those who dial them.
 *
 * @module
 */

import { assert } from "@std/assert";
import { type Role, Secret, type Secrets } from "../../lib/auth/secret.ts";
import { ForbiddenError, type KvError } from "../../lib/client/errors.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import type { Address } from "../../lib/wire/address.ts";
import { FakeServer } from "./fake_server.ts";
import { anyPort } from "./ports.ts";
import { TestServer } from "./test_server.ts";
import { within } from "./waiting.ts";
import type { Message } from "./wire_client.ts";

/** The secret of the servers as a text. */
export const secretText = "segredo de teste, longo e sem acaso";

/** The password of clients as a text. */
export const passwordText = "senha de teste, longa e sem acaso";

/** The secret of the servers. Made once, because that takes some time. */
export const secret = await Secret.from(secretText);

/** The password of clients. */
export const password = await Secret.from(passwordText);

/** What a guarded server asks for. */
export const both: Secrets & Record<Role, Secret> = { server: secret, client: password };

/** The roles of a peer. */
export const roles: readonly Role[] = ["server", "client"];

/** A leader that waits for its follower, so that there is room for a server. */
export function waitingLeader(secrets: Secrets = both): TestServer {
  return new TestServer(anyPort, undefined, { clusterSize: 2 }, {}, { secrets, allowFaults: true });
}

/** A server that answers each HELLO as `answer` says. It notes what the dialler sends, ERROR left out. */
export function impostor(heard: string[], answer: (hello: Message) => Message[]): FakeServer {
  return new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const message = JSON.parse(line);
      if (message.type !== "ERROR") heard.push(message.type);
      if (message.type === "HELLO") await wire.send(...answer(message));
    }
  });
}

/** Dials a server in each role. Resolves with the reason when the dialler has given it up. */
export const failureOf: Readonly<Record<Role, (server: Address) => Promise<string>>> = {
  server: async (leader) => {
    await using follower = new TestServer(anyPort, leader, {}, {}, { secrets: both });
    return await follower.reported("trying again");
  },
  client: async (server) => (await clientFailure(server)).message,
};

/** Dials a server in each role. Resolves with the reason when the dialler has refused its proof. */
export const refusalBy: typeof failureOf = {
  server: failureOf.server,
  client: async (server) => {
    const error = await clientFailure(server);
    assert(error instanceof ForbiddenError, `${error}`);
    return error.message;
  },
};

async function clientFailure(server: Address): Promise<KvError> {
  const connection = new ServerConnection(server, { password });
  try {
    return await within("the client gives the server up", connection.ended);
  } finally {
    connection.close();
    await connection.ended;
  }
}
