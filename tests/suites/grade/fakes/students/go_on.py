"""A client that asks after each request whether to go on, with a menu of Portuguese words.

Lines of the servers are green on a terminal, and addresses are written as Java writes them.
"""

import sys

sys.dont_write_bytecode = True
import core  # noqa: E402


class Server(core.Server):
    def say(self, line):
        print("\033[32m%s\033[0m" % line.replace("Cliente ", "Cliente /"), flush=True)


def ask(prompt):
    return input("\033[1m%s\033[0m " % prompt)


def ask_address(whose):
    return ask("IP %s:" % whose), int(ask("Porta %s:" % whose))


if sys.argv[1] == "server":
    Server(ask_address("do servidor"), ask_address("do líder")).run()
client = core.Client()
while True:
    choice = ask("1 - INIT  2 - Inserir  3 - Consultar\nSua escolha:")
    if choice == "1":
        client.servers = [ask_address("do servidor %d" % number) for number in (1, 2, 3)]
        continue
    if choice == "2":
        client.put(ask("Chave:"), ask("Valor:"))
    elif choice == "3":
        client.get(ask("Chave:"))
    if ask("Deseja continuar (s/n)?") != "s":
        break
