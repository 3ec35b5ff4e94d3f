"""A program of another system: it reads and writes with the encoding and line ends of its arguments.

  encoded.py server|client ENCODING lf|crlf
"""

import sys

sys.dont_write_bytecode = True
import core  # noqa: E402

role, encoding, line_end = sys.argv[1:]
sys.stdin.reconfigure(encoding=encoding)
sys.stdout.reconfigure(encoding=encoding, newline="\r\n" if line_end == "crlf" else "\n")


def ask(prompt):
    print(prompt, end="", flush=True)
    return sys.stdin.readline().rstrip("\r\n")


def ask_address(whose):
    return ask("Endereço IP %s: " % whose), int(ask("Número da porta %s: " % whose))


if role == "server":
    core.Server(ask_address("deste servidor"), ask_address("do líder")).run()
client = core.Client()
while True:
    choice = ask("Opções: INIT, PUT, GET\nSua opção é? ")
    if choice == "INIT":
        client.servers = [ask_address("do %dº servidor" % number) for number in (1, 2, 3)]
    elif choice == "PUT":
        client.put(ask("Chave à gravar: "), ask("Valor à gravar: "))
    elif choice == "GET":
        client.get(ask("Chave à ler: "))
