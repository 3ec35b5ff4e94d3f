/**
 * The base class of all messages.
 *
 * @module
 */

/**
 * A message of any type (enunciado 4, Observações: "a classe Mensagem").
 *
 * Constructors trust their arguments. `Mensagem.decode` in `lib/mensagem.ts` checks everything.
 */
export abstract class Mensagem<Type extends string = string> {
  /** The tag that tells the types apart. */
  readonly type: Type;

  /** Sets the tag. */
  constructor(type: Type) {
    this.type = type;
  }

  /** The message as one frame: a line of JSON with its LF. */
  encode(): string {
    return `${JSON.stringify(this)}\n`;
  }
}
