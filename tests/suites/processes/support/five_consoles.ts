/**
 * The five consoles of the assignment, step by step: what three servers and two clients must show.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Process } from "../../../../bench/process.ts";
import { linesOf } from "../../../support/lines.ts";

const menu = "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ";

/** The lines that the consoles of servers must show, built request by request. */
export class Transcript {
  /** The lines of a server's console by its port. {A@1234} is the connection of client A to port 1234. */
  readonly servers: Map<number, string[]>;
  /** The addresses of the connections, once known: "A@1234" to "ip:port". */
  readonly #connections = new Map<string, string>();

  constructor(readonly ports: readonly number[]) {
    this.servers = new Map(ports.map((port) => [port, []]));
  }

  put(client: string, asked: number, key: string, value: string, timestamp: number): void {
    const [leader] = this.ports;
    const who = `{${client}@${asked}}`;
    if (asked !== leader) this.#print(asked, `Encaminhando PUT key:${key} value:${value}`);
    for (const port of this.ports) {
      if (port === leader) this.#print(port, `Cliente ${who} PUT key:${key} value:${value}.`);
      else this.#print(port, `REPLICATION key:${key} value:${value} ts:${timestamp}.`);
    }
    this.#print(leader!, `Enviando PUT_OK ao Cliente ${who} da key:${key} ts:${timestamp}.`);
  }

  get(client: string, asked: number, key: string, seen: number, own: number, value: string): void {
    const who = `{${client}@${asked}}`;
    const answer = `Meu ts é ${own}, portanto devolvendo ${value}`;
    this.#print(asked, `Cliente ${who} GET key:${key} ts:${seen}. ${answer}`);
  }

  /** Compares a server's console with the expected lines. Each connection has one address on all consoles. */
  check(port: number, console: string): void {
    const expected = this.servers.get(port)!;
    const actual = linesOf(console);
    for (const [index, line] of expected.entries()) {
      const name = /\{(.+)\}/.exec(line)?.[1];
      const address = /Cliente (127\.0\.0\.1:\d+)/.exec(actual[index] ?? "")?.[1];
      if (name !== undefined && address !== undefined && !this.#connections.has(name)) {
        assert(![...this.#connections.values()].includes(address), `two connections: ${address}`);
        this.#connections.set(name, address);
      }
    }
    assertEquals(
      actual,
      expected.map((line) => line.replace(/\{(.+)\}/, (_, name) => this.#connections.get(name)!)),
    );
  }

  #print(port: number, line: string): void {
    this.servers.get(port)!.push(line);
  }
}

/** The console of a client process. Each request waits for its line. */
export class ClientConsole {
  /** The expected text of the console. */
  expected: string = menu;

  constructor(readonly process: Process) {}

  async init(ports: readonly number[]): Promise<void> {
    await this.#enter("INIT", "");
    for (const [index, port] of ports.entries()) {
      await this.#enter("", `IP do servidor ${index + 1} [127.0.0.1]: `);
      await this.#enter(`${port}`, `Porta do servidor ${index + 1} [${10_097 + index}]: `);
    }
    this.expected += menu;
  }

  /** Returns the port of the server that the client chose. */
  async put(key: string, value: string, timestamp: number): Promise<number> {
    await this.#enter("put", "");
    await this.#enter(key, "Key: ");
    await this.#enter(value, "Value: ");
    const line = `PUT_OK key: ${key} value ${value} timestamp ${timestamp} realizada no servidor `;
    return await this.#answer(line, "");
  }

  /** Returns the port of the server that the client chose. */
  async get(key: string, value: string, seen: number, own: number): Promise<number> {
    await this.#enter("3", "");
    await this.#enter(key, "Key: ");
    const line = `GET key: ${key} value: ${value} obtido do servidor `;
    return await this.#answer(line, `, meu timestamp ${seen} e do servidor ${own}`);
  }

  /** Ends the input, and compares the whole console with the expected text. */
  async end(): Promise<void> {
    await this.process.endInput();
    assertEquals(await this.process.end(), 0);
    assertEquals(this.process.screen, `${this.expected}\n`);
  }

  async #enter(line: string, question: string): Promise<void> {
    await this.process.type(`${line}\n`);
    this.expected += `${question}${line}\n`;
  }

  async #answer(start: string, end: string): Promise<number> {
    const from = this.expected.length;
    await this.process.shows(`\n${menu}`, from);
    const server = /servidor (127\.0\.0\.1:(\d+))/.exec(this.process.screen.slice(from));
    this.expected += `${start}${server?.[1]}${end}\n${menu}`;
    assertEquals(this.process.screen, this.expected);
    return Number(server?.[2]);
  }
}
