"""A program that reads word by word, as C++ and Scanner.next do, and prompts for all words first.

Its answers follow a prompt's words on the same line, and the menu is printed before INIT's result.
"""

import sys

sys.dont_write_bytecode = True
import core  # noqa: E402


def words():
    for line in sys.stdin:
        yield from line.split()
    sys.exit(0)


reader = words()


def ask(prompt):
    print(prompt, end="", flush=True)
    return next(reader)


if sys.argv[1] == "server":
    print("Informe o IP e a porta do servidor,\nseguidos do IP e da porta do líder: ", end="", flush=True)
    ip, port, leader_ip, leader_port = (next(reader) for _ in range(4))
    core.Server((ip, int(port)), (leader_ip, int(leader_port))).run()
client = core.Client()
print("Bem-vindo ao cliente KV")
while True:
    choice = ask("Comando (init/put/get)> ")
    if choice == "init":
        print("Informe IP e porta de cada servidor: ", end="", flush=True)
        client.servers = [(next(reader), int(next(reader))) for _ in range(3)]
        print("ok")
    elif choice == "put":
        client.put(next(reader), next(reader))
    elif choice == "get":
        client.get(next(reader))
    else:
        print("comando desconhecido: " + choice)
