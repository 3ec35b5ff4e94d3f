/**
 * The narration of the demonstration, in two languages.
 *
 * @module
 */

/** The narration in one language. It names servers by their ports. */
export interface DemoTexts {
  /** Introduces the servers. */
  readonly servers: (leader: number, quick: number, held: number) => string;
  /** The text of each step, in the order of the demonstration. */
  readonly steps: (quick: number, held: number) => Readonly<Record<Step, string>>;
  /** The question before each step, which Enter answers. */
  readonly next: string;
  /** The last line, if every step gave what the narration says. */
  readonly end: string;
  /** The error, if a step gave something else. */
  readonly wrong: (expected: string, got: string) => string;
}

/** The names of the steps. */
export type Step =
  | "write"
  | "pause"
  | "heldWrite"
  | "newRead"
  | "refusedRead"
  | "firstRead"
  | "resume"
  | "lastRead";

const pt: DemoTexts = {
  servers: (leader, quick, held) =>
    `Três servidores de verdade: o líder na porta ${leader}, os outros em ${quick} e ${held}.\n` +
    `As linhas de cada servidor começam com a sua porta, as de cada cliente com a sua letra.`,
  steps: (quick, held) => ({
    write: `O cliente A escreve azul. O PUT_OK só sai quando os três servidores têm o valor.`,
    pause: `Uma falha de propósito: as REPLICATION do líder para ${held} ficam retidas.\n` +
      `O resto segue como sempre, e ${held} continua contando entre os que precisam confirmar.`,
    heldWrite: `O cliente A escreve verde. O líder e ${quick} já têm o valor novo, ${held} não.\n` +
      `Por isso A espera: ainda não há PUT_OK.`,
    newRead: `O cliente B lê em ${quick}: recebe verde, e com ele o timestamp 2.\n` +
      `Daqui em diante não pode receber nada mais antigo.`,
    refusedRead: `B lê em ${held} e manda o timestamp 2 que já viu. ${held} só tem o 1:\n` +
      `responder azul seria voltar no tempo, e a resposta é TRY_OTHER_SERVER_OR_LATER.`,
    firstRead: `O cliente C nunca leu nada (timestamp 0). Para ele azul não é uma volta:\n` +
      `o mesmo servidor responde com o valor antigo.`,
    resume: `A falha termina. A REPLICATION retida chega a ${held}, ele confirma,\n` +
      `e só agora A recebe o PUT_OK.`,
    lastRead: `B lê outra vez em ${held}: agora recebe verde.`,
  }),
  next: "Enter continua ",
  end: "Cada passo deu o que foi dito.",
  wrong: (expected, got) => `Este passo devia dar ${expected}, mas deu ${got}.`,
};

const en: DemoTexts = {
  servers: (leader, quick, held) =>
    `Three real servers: the leader on port ${leader}, the others on ${quick} and ${held}.\n` +
    `Each server's lines begin with its port, each client's with its letter.`,
  steps: (quick, held) => ({
    write: `Client A writes azul. PUT_OK comes only when all three servers have the value.`,
    pause: `A fault on purpose: the leader's REPLICATIONs to ${held} are held.\n` +
      `Everything else goes on, and ${held} is still one of the servers that must confirm.`,
    heldWrite:
      `Client A writes verde. The leader and ${quick} have the new value, ${held} does not.\n` +
      `So A waits: there is no PUT_OK yet.`,
    newRead: `Client B reads at ${quick}: it gets verde, and with it timestamp 2.\n` +
      `From now on it must not get anything older.`,
    refusedRead:
      `B reads at ${held} and sends timestamp 2, which it has seen. ${held} has only 1:\n` +
      `azul would take B back in time, so the answer is TRY_OTHER_SERVER_OR_LATER.`,
    firstRead: `Client C has read nothing yet (timestamp 0). For C azul is not a step back:\n` +
      `the same server answers with the old value.`,
    resume: `The fault ends. The held REPLICATION reaches ${held}, which confirms it,\n` +
      `and only now A gets its PUT_OK.`,
    lastRead: `B reads at ${held} again: now it gets verde.`,
  }),
  next: "Press Enter ",
  end: "Every step gave what the narration says.",
  wrong: (expected, got) => `This step should give ${expected}, but gave ${got}.`,
};

/** The narrations, by language. */
export const demoTexts: Readonly<Record<"pt" | "en", DemoTexts>> = { pt, en };
