/**
 * The reasons of failed requests in Portuguese. Servers and library give them in English.
 *
 * @module
 */

import type { KvErrorCode } from "../client/errors.ts";

/** What is wrong with a server that this client cannot use. Other codes mean that it is down. */
export const portugueseMistakes = {
  FORBIDDEN: "acesso recusado",
  TLS: "TLS não combina",
  PROTOCOL: "não é um servidor deste sistema",
  PERMISSION: "sem permissão",
  INVALID_ARGUMENT: "endereço inválido",
} as const satisfies Partial<Record<KvErrorCode, string>>;

/** The meaning of each code, for reasons that are not in the table. */
const byCode: Readonly<Record<KvErrorCode, string>> = {
  ...portugueseMistakes,
  BAD_MESSAGE: "o pedido é inválido",
  TOO_LARGE: "o pedido é grande demais",
  UNAVAILABLE: "o servidor não atende agora",
  UNKNOWN_OUTCOME: "a confirmação não chegou",
  OVERLOADED: "o servidor está sobrecarregado; tente mais tarde",
  CLUSTER_RESET: "o servidor pertence a outro cluster",
  INVALID_ARGUMENT: "o pedido é inválido",
  SESSION: "a sessão não serve",
  STALE: "o servidor está atrasado",
  LOST: "o que este cliente viu foi perdido",
  CONFLICT: "a chave não está como a condição exige",
  LOCK_LOST: "a trava foi perdida",
  INVALID_VALUE: "o value não serve",
  CLOSED: "o cliente foi fechado",
};

const server = "(\\S+:\\d+)";
const refused = "conexão recusada: não há servidor nesse endereço";

/** The end of what the runtime says about errors of the operating system, by their numbers. */
function osError(...numbers: number[]): string {
  return `\\(os error (?:${numbers.join("|")})\\)`;
}

/** The words of messages, by their English names. */
const names: Readonly<Record<string, string>> = {
  ...{ key: "a key", value: "o value", password: "a senha", secret: "o segredo" },
  ...{ connection: "conexão", answer: "resposta" },
};

/** A whole reason, and its translation: `$1` is the first group, `$n1` its translated name. */
const table: readonly (readonly [RegExp, string])[] = ([
  ['"(key|value)" is empty', "$n1 está vazia"],
  ['"(key|value)" is longer than (\\d+) bytes', "$n1 tem mais de $2 bytes"],
  ['"(key|value)" is not Unicode text', "$n1 não é texto Unicode"],
  [
    "the leader waits for all (\\d+) servers, (\\d+) have joined",
    "o líder espera por todos os $1 servidores, e $2 já entraram",
  ],
  [
    "not every server in sync has acknowledged the writes in time",
    "nem todos os servidores em dia confirmaram a tempo",
  ],
  [
    "(\\d+) of (\\d+) servers are in sync, and (\\d+) must be",
    "só $1 de $2 servidores estão em dia, e é preciso $3",
  ],
  [
    "(\\d+) PUTs are waiting already, try again later",
    "já há $1 PUTs à espera; tente mais tarde",
  ],
  [`no connection to the leader ${server}`, "sem conexão com o líder $1"],
  ["the leader did not answer in time", "o líder não respondeu a tempo"],
  ["the connection to the leader was lost", "a conexão com o líder caiu"],
  ["no (connection|answer) within (\\d+) ms", "sem $n1 em $2 ms"],
  ["the connection was lost", "a conexão caiu"],
  ["the connection was lost before all answers came", "a conexão caiu antes de todas as respostas"],
  [
    'not a JSON object with the texts "key" and "value", as export writes it',
    'não é um objeto JSON com os textos "key" e "value", como o export os grava',
  ],
  [
    "the leader (\\S+) runs a version that knows only PUT and GET",
    "o líder $1 é de uma versão que só conhece PUT e GET",
  ],
  [
    "(\\S+) runs a version without deletions and times to live: upgrade it",
    "$1 é de uma versão sem DELETE nem --ttl: atualize-o",
  ],
  ["the server has an older version, .*", "o servidor é de uma versão que só conhece PUT e GET"],
  ['the lock "(.*)" may be lost: (.*)', "o lock $1 pode estar perdido: $r2"],
  ["no server has renewed it for (\\d+) ms.*", "nenhum servidor o renovou em $1 ms"],
  ["another program has it", "outro programa está com ele"],
  ["its client was closed", "o cliente foi fechado"],
  ["line (\\d+): (.*)", "linha $1: $r2"],
  ["no server that answers is the leader", "nenhum servidor que responde é o líder"],
  ["the server was silent", "o servidor ficou em silêncio"],
  ["this server has (\\d+) connections(?: from \\S+)? already.*", "ele já tem $1 conexões"],
  ["this server has (\\d+) observers already", "ele já tem $1 observadores"],
  ["idle for (\\d+) ms .*", "a conexão ficou parada por $1 ms"],
  ["the client was closed", "o cliente foi fechado"],
  [
    "not sent within (\\d+) ms: other requests .*",
    "não enviado em $1 ms: outros pedidos deste cliente estavam na frente",
  ],
  [
    "not sent within (\\d+) ms: all servers have failed, the last one with: (.*)",
    "não enviado em $1 ms: todos os servidores falharam, o último assim: $r2",
  ],
  ["etcd did not answer within (\\d+) ms", "o etcd não respondeu em $1 ms"],
  ["etcd cannot be reached.*", "o etcd não está ao alcance do servidor"],
  ["etcd has no leader.*", "o etcd está sem líder"],
  ["etcd is out of space.*", "o etcd está sem espaço"],
  ["etcd is overloaded.*", "o etcd está sobrecarregado"],
  ["(\\S+) keeps its data in etcd and replicates nothing", "$1 guarda os dados no etcd"],
  [
    "requests need the password: .*",
    "o servidor pede a senha dos clientes (--password-stdin ou KV_PASSWORD)",
  ],
  ["the (password|secret) is wrong.*", "$n1 não confere"],
  ["this server has no (password|secret)", "o servidor não pede senha"],
  [
    "(\\S+)(?: \\S+)? was dialled, and this server is (\\S+): .*",
    "este servidor se chama $2, e o cliente discou $1: use aquele endereço, inicie o servidor com " +
    "--advertise, ou use TLS nos dois lados",
  ],
  [
    "the other end is older than this server: .*",
    "o servidor é mais novo que este cliente: atualize o cliente",
  ],
  ["no permission to connect to (\\S+): .*", "falta a permissão --allow-net para $1"],
  [
    "the server speaks TLS, and this client does not: .*",
    "o servidor fala TLS, e este cliente não (--tls-ca)",
  ],
  ["the TLS handshake failed: the server does not speak TLS.*", "o servidor não fala TLS"],
  [
    "the TLS handshake failed: the given CA has not signed .*",
    "o certificado do servidor não é da CA dada",
  ],
  [
    "the TLS handshake failed: the certificate must name the address .*",
    "o certificado não vale para este endereço",
  ],
  [
    "the TLS handshake failed: renew the certificate, .*",
    "o certificado venceu, ou o relógio desta máquina está errado",
  ],
  [
    "the TLS handshake failed: correct the clock of this machine.*",
    "o certificado ainda não vale: confira o relógio desta máquina",
  ],
  [
    "the TLS handshake failed: the key does not belong .*",
    "a chave não é a deste certificado",
  ],
  [
    "the other end (?:did not prove|did not accept the proof) .*",
    "a senha não foi comprovada pelo outro lado",
  ],
  [
    "the other end is no server of this store, .*",
    "o outro lado não é um servidor deste sistema, ou é de outra versão",
  ],
  ["the server ended the connection: (.*)", "o servidor encerrou a conexão: $r1"],
  ["the server broke the protocol: (.*)", "o servidor violou o protocolo («$1»)"],
  ["(\\S+) runs without --allow-faults", "$1 roda sem --allow-faults"],
  [`no follower ${server} has joined`, "nenhum seguidor $1 entrou"],
  // What operating systems say, whatever is before and behind it. So these come last.
  [".*failed to lookup address.*", "o nome do servidor não foi encontrado"],
  [`.*(?:[Cc]onnection refused|${osError(61, 111, 10_061)}).*`, refused],
  [`.*(?:ECONNREFUSED).*`, refused],
  [
    `.*(?:[Cc]onnection (?:reset|aborted)|[Bb]roken pipe|${osError(32, 54, 104, 10_054)}).*`,
    "a conexão caiu",
  ],
  [
    `.*(?:unreachable|[Nn]o route to host|${osError(51, 65, 101, 113, 10_051, 10_065)}).*`,
    "não há rota até o servidor",
  ],
  [
    `.*(?:[Tt]imed out|${osError(60, 110, 10_060)}).*`,
    "o servidor não respondeu a tempo",
  ],
  [`.*(?:[Tt]oo many open files|${osError(23, 24)}).*`, "não há mais conexões neste computador"],
  [`.*${osError(11_001, 11_002, 11_004)}.*`, "o nome do servidor não foi encontrado"],
  [
    `(?:cannot connect to \\S+: )?.*${osError(22, 49, 99, 10_049)}.*`,
    "o endereço não serve para uma conexão",
  ],
] as const).map(([pattern, text]) => [new RegExp(`^(?:${pattern})$`, "s"), text]);

/** A part of a list: a server, and its reason. */
const ofServer = new RegExp(`^${server}: (.*)$`, "s");

/** The reason without the start that the sentence around it or the code repeats. */
function withoutPrefix(reason: string): string {
  return reason.replace(prefixes, "");
}

/** The words that the library and the servers put before a reason. */
const prefixes = new RegExp(
  "^(?:(?:BAD_MESSAGE|TOO_LARGE|UNAVAILABLE|UNKNOWN_OUTCOME|OVERLOADED|FORBIDDEN|not applied|" +
    "may be applied later|may or may not be applied): )+",
);

/**
 * The reason in Portuguese, and the code in brackets. An unknown reason, of a foreign server for
 * example, is quoted after what the code means.
 */
export function portugueseReason(reason: string, code: KvErrorCode): string {
  return `${translate(reason) ?? `${byCode[code]} («${withoutPrefix(reason)}»)`} [${code}]`;
}

/** Translates a reason, or a list of servers with a reason each. `undefined` if it is unknown. */
function translate(reason: string): string | undefined {
  const parts = withoutPrefix(reason).split("; ").map((part) => ofServer.exec(part));
  if (parts.includes(null)) return translateOne(withoutPrefix(reason));
  const translated = parts.map((part) => {
    const reason = withoutPrefix(part![2]!);
    return `${part![1]}: ${translateOne(reason) ?? `«${reason}»`}`;
  });
  return translated.join("; ");
}

function translateOne(text: string): string | undefined {
  for (const [pattern, translation] of table) {
    const groups = pattern.exec(text);
    if (groups === null) continue;
    return translation.replaceAll(/\$([nr]?)(\d)/g, (_, kind: string, index: string) => {
      const group = groups[Number(index)]!;
      if (kind === "n") return names[group] ?? group;
      return kind === "r" ? translate(group) ?? `«${withoutPrefix(group)}»` : group;
    });
  }
  return undefined;
}
