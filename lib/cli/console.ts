/**
 * The consoles: the exact lines of the assignment, and lines from the keyboard.
 *
 * All Portuguese text of the screen is here, but for the narration in `demo_texts.ts`.
 *
 * @module
 */

import type { ServerPrints } from "../replication/environment.ts";

/** Writes all of a text, at once. */
export type Write = (text: string) => void;

/** Lines are not gathered beyond this much text, in UTF-16 units. */
const gatheredCharsMax = 64 * 1024;

/** What stands in the place of a value that a server may not show. */
export const tryOther = "TRY_OTHER_SERVER_OR_LATER";

// C0, DEL and C1 move cursors, U+2028 and U+2029 end lines, the others turn the direction of text.
// deno-lint-ignore no-control-regex
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeOf(control: string): string {
  return named[control] ?? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The escapes of C0, DEL and C1: a value may consist of nothing else. */
const escapes = Array.from({ length: 0xa0 }, (_, code) => escapeOf(String.fromCharCode(code)));

/** Most keys and values: nothing in them needs a second look. */
const plain = /^[ -~]*$/;

/** The text with every control character spelled out, so that no key or value can forge a line. */
export function escapeControls(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(controls, (c) => escapes[c.charCodeAt(0)] ?? escapeOf(c));
}

/**
 * The lines of a server's console (enunciado, "Mensagens apresentadas na console", `cada
 * servidor`).
 *
 * Lines are gathered, and written in the order of the events: at once at the end of a turn of the
 * event loop where nothing was written for a moment, and else when that moment has passed. A line
 * that stands alone waits for nothing; many together cost one write.
 */
export class ServerConsole implements ServerPrints {
  readonly #write: Write;
  readonly #mark: string;
  readonly #pauseMs: number;
  #lines = "";
  /** A flush will come by itself. */
  #flushing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * A console that writes through `write`. `mark` stands before each line, where several servers
   * share one. Between two writes there are `pauseMs` at least, or one full buffer.
   */
  constructor(write: Write, mark = "", pauseMs = 0) {
    this.#write = write;
    this.#mark = mark;
    this.#pauseMs = pauseMs;
  }

  put(client: string, key: string, value: string): void {
    this.#print(
      `Cliente ${client} PUT key:${escapeControls(key)} value:${escapeControls(value)}.\n`,
    );
  }

  forwarding(key: string, value: string): void {
    this.#print(`Encaminhando PUT key:${escapeControls(key)} value:${escapeControls(value)}\n`);
  }

  replication(key: string, value: string, timestamp: number): void {
    this.#print(
      `REPLICATION key:${escapeControls(key)} value:${escapeControls(value)} ts:${timestamp}.\n`,
    );
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#print(
      `Enviando PUT_OK ao Cliente ${client} da key:${escapeControls(key)} ts:${timestamp}.\n`,
    );
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: string | null | undefined,
  ): void {
    this.#print(
      `Cliente ${client} GET key:${
        escapeControls(key)
      } ts:${seen}. Meu ts é ${own}, portanto devolvendo ${shown(value)}\n`,
    );
  }

  /** Writes the lines that were gathered. */
  flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") this.#write(lines);
  }

  /** Writes the lines that were gathered, and leaves nothing to be done later. */
  close(): void {
    clearTimeout(this.#timer);
    this.flush();
  }

  #print(line: string): void {
    this.#lines += this.#mark + line;
    if (this.#lines.length > gatheredCharsMax) return this.flush();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flushAndPause());
  }

  #flushAndPause(): void {
    if (this.#lines === "" || this.#pauseMs === 0) this.#flushing = false;
    else this.#timer = setTimeout(() => this.#flushAndPause(), this.#pauseMs);
    this.flush();
  }
}

/** A value as both consoles show it. `undefined` stands for a refused GET. */
function shown(value: string | null | undefined): string {
  if (value === undefined) return tryOther;
  return value === null ? "NULL" : escapeControls(value);
}

/**
 * The texts of the client's console (enunciado, "Mensagens apresentadas na console", `cada
 * cliente`).
 */
export const clientTexts = {
  menu: "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ",
  key: "Key: ",
  value: "Value: ",
  serverIp: (n: number, preset: string): string => `IP do servidor ${n} [${preset}]: `,
  serverPort: (n: number, preset: number): string => `Porta do servidor ${n} [${preset}]: `,
  badChoice: (choice: string): string =>
    `Opção inválida: ${escapeControls(choice)}. Escolha INIT, PUT ou GET.`,
  initFirst: (choice: string): string => `Faça o INIT antes do ${choice}.`,

  putOk: (key: string, value: string, timestamp: number, server: string): string =>
    `PUT_OK key: ${escapeControls(key)} value ${
      escapeControls(value)
    } timestamp ${timestamp} realizada no servidor ${server}`,

  get: (
    key: string,
    value: string | null | undefined,
    server: string,
    seen: number,
    own: number,
  ): string =>
    `GET key: ${escapeControls(key)} value: ${
      shown(value)
    } obtido do servidor ${server}, meu timestamp ${seen} e do servidor ${own}`,

  invalid: (choice: string, reason: string): string =>
    `ERRO no ${choice}: pedido inválido (${escapeControls(reason)})`,
  unavailable: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não realizado pelo servidor ${server} (${escapeControls(reason)})`,
  clusterReset: (choice: string, server: string): string =>
    `ERRO no ${choice}: os servidores perderam todos os dados (diz ${server}); faça o INIT de novo`,
  unknownOutcome: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não se sabe se foi realizado pelo servidor ${server} (${
      escapeControls(reason)
    })`,
} as const;

/** The texts of a server's questions (enunciado 5.a). */
export const serverTexts = {
  ip: (preset: string): string => `IP [${preset}]: `,
  port: (preset: number): string => `Porta [${preset}]: `,
  leaderIp: (preset: string): string => `IP do líder [${preset}]: `,
  leaderPort: (preset: number): string => `Porta do líder [${preset}]: `,
  secret: "Segredo dos servidores: ",
  etcdPassword: "Senha do etcd: ",
} as const;

/** The question for the password of clients, in both roles. */
export const passwordText = "Senha dos clientes: ";

/** The texts that answer a wrong address. */
export const addressTexts = {
  badIp: (text: string): string => `IP inválido: ${escapeControls(text)}`,
  badPort: (text: string): string => `Porta inválida: ${escapeControls(text)}`,
} as const;

/** The text with which the three servers and the client in one terminal begin. */
export const startTexts = {
  ready: (ports: readonly number[]): string =>
    `Servidores no ar nas portas ${ports.join(", ")} (líder: ${ports[0]}). ` +
    `As linhas de cada um começam com a porta entre colchetes.`,
} as const;

/** The texts of the one-shot commands. */
export const commandTexts = {
  putOk: (key: string, timestamp: number, server: string): string =>
    `PUT_OK key: ${escapeControls(key)} timestamp ${timestamp} realizada no servidor ${server}`,
  notFound: (key: string): string => `A key não existe: ${escapeControls(key)}`,
  stale: (key: string, seen: number, answers: string): string =>
    `${tryOther} key: ${escapeControls(key)}, meu timestamp ${seen}, dos servidores: ${answers}`,
  unavailable: (choice: string, reason: string): string =>
    `ERRO no ${choice}: não realizado (${escapeControls(reason)})`,
  otherCluster: (choice: string, server: string): string =>
    `ERRO no ${choice}: o servidor ${server} pertence a outro cluster; ` +
    `se todos os servidores perderam os dados, apague o arquivo da sessão`,
  sessionNotKept: (path: string, reason: string): string =>
    `A sessão não foi gravada em ${escapeControls(path)}: ${escapeControls(reason)}`,

  columns: [
    ...["SERVIDOR", "PAPEL", "EM DIA", "TIMESTAMP", "ATRASO"],
    ...["KEYS", "CONEXÕES", "NO AR HÁ", "MEMÓRIA"],
  ],
  leader: "líder",
  follower: "seguidor",
  down: "fora do ar",
  yes: "sim",
  no: "não",
  unknown: "?",
  duration: (ms: number): string => {
    const s = Math.floor(ms / 1000);
    const [days, hours, minutes] = [s / 86_400, s / 3_600 % 24, s / 60 % 60].map(Math.floor);
    if (days! > 0) return `${days} d ${hours} h`;
    if (hours! > 0) return `${hours} h ${minutes} min`;
    return minutes! > 0 ? `${minutes} min ${s % 60} s` : `${s} s`;
  },
  memory: (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`,
};

/** What the dashboard says when it is there. */
export const dashboardTexts = {
  ready: (url: string): string => `Painel no ar: abra ${url} no navegador. Ctrl-C termina.`,
  open: (ip: string): string =>
    `Atenção: ${ip} não é só desta máquina. Quem alcança essa porta vê tudo e comanda tudo.`,
} as const;
