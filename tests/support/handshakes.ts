/**
 * Handshakes that a test leads by hand, line by line.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { AcceptorHandshake, DiallerHandshake } from "../../lib/auth/handshake.ts";
import type { Role, Secret, Secrets, Side } from "../../lib/auth/secret.ts";
import { type Challenge, type Hello, Mensagem, Proof } from "../../lib/mensagem.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { EndOfWire, type Message, Wire } from "./wire_client.ts";

/** What both ends of a handshake have sent, as an eavesdropper sees it. */
export interface Recorded {
  readonly hello: Hello;
  readonly challenge: Challenge;
  readonly proof: Proof;
}

/** A connection to a server, and the dialler's half of a handshake on it. */
export interface Dialled extends Disposable {
  readonly wire: Wire;
  readonly dialler: DiallerHandshake;
}

/** The dialler's half for a connection to a server that is open already. Sends nothing. */
export function dialledOn(wire: Wire, server: Address, secret: Secret, role: Role): Dialled {
  const name = formatAddress(server);
  const dialler = new DiallerHandshake(secret, role, { server: name, peer: name });
  return { wire, dialler, [Symbol.dispose]: () => wire.close() };
}

/** Connects to a server and prepares the dialler's half. Sends nothing. */
export async function dialled(server: Address, secret: Secret, role: Role): Promise<Dialled> {
  return dialledOn(await Wire.connect(server), server, secret, role);
}

/** The acceptor's half for a connection of a scripted server that leads. */
export function acceptorOn(wire: Wire, secrets: Secrets): AcceptorHandshake {
  return new AcceptorHandshake({ secrets, leads: true, addresses: [wire.local] });
}

/** The right proof of one side of a handshake. */
export async function proofOf(
  secret: Secret,
  side: Side,
  hello: Hello,
  challenge: Pick<Challenge, "nonce">,
): Promise<Proof> {
  const { role, nonce, server, peer, tls } = hello;
  const dialled = server === undefined || peer === undefined ? undefined : { server, peer, tls };
  return new Proof(await secret.prove(side, { role, nonces: [nonce, challenge.nonce], dialled }));
}

/** Sends HELLO and returns the CHALLENGE that answers it. */
export async function challengeFor(wire: Wire, hello: Hello): Promise<Challenge> {
  await wire.write(hello.encode());
  const line = await wire.line() ?? "";
  const challenge = Mensagem.decode(line);
  assert(challenge.type === "CHALLENGE", line);
  return challenge;
}

/** Completes the handshake. Both ends accept each other. */
export async function complete({ wire, dialler }: Dialled): Promise<Recorded> {
  const challenge = await challengeFor(wire, dialler.hello);
  const step = await dialler.receive(challenge);
  assert(step.kind === "send", JSON.stringify(step));
  await wire.write(step.message.encode());
  const answer = await wire.line() ?? "";
  assertEquals(await dialler.receive(Mensagem.decode(answer)), { kind: "accepted" });
  return { hello: dialler.hello, challenge, proof: step.message };
}

/** A handshake of an honest dialler, which has ended when this resolves. */
export async function recorded(server: Address, secret: Secret, role: Role): Promise<Recorded> {
  using honest = await dialled(server, secret, role);
  return await complete(honest);
}

/** What the peer of a leader may do. */
export type Right = "ask" | "join";

const get = { type: "GET", id: 901, key: "cor", timestamp: 0 };

/**
 * What this end may do now: send requests, and join. It tries both, so the connection is of no use
 * afterwards. The leader must have room for a follower.
 */
export async function rightsOf(wire: Wire): Promise<Right[]> {
  const rights: Right[] = [];
  const join = { type: "JOIN", server: "127.0.0.1:1", cluster: "", timestamp: 0 };
  await wire.send(get, join).catch(() => {}); // it may be over already
  for (let answered = false;;) {
    const { type, id } = await wire.message().catch(ended);
    if (id === get.id) answered = true;
    if (id === get.id && type !== "ERROR") rights.push("ask");
    if (type === "JOIN_OK") rights.push("join");
    const over = type === undefined || type === "JOIN_OK";
    if (over || (type === "ERROR" && id === undefined && answered)) return rights;
  }
}

function ended(error: unknown): Message {
  if (error instanceof EndOfWire) return {};
  throw error;
}
