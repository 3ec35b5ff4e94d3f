"""A client that shows its menu again at once, while a thread waits for the answer.

The answer follows the menu's last words on the same line. The menu has several lines, other
numbers than usual, and an exit.
"""

import sys
import threading

sys.dont_write_bytecode = True
import core  # noqa: E402

MENU = """
========== MENU ==========
[0] Sair
[1] Realizar GET
[2] Realizar PUT
[9] Inicializar (INIT)
==========================
Digite a opção desejada -> """


def ask(prompt):
    print(prompt, end="", flush=True)
    return sys.stdin.readline().strip()


def ask_address(whose):
    return ask("IP " + whose + " -> "), int(ask("Porta " + whose + " -> "))


if sys.argv[1] == "server":
    core.Server(ask_address("do servidor"), ask_address("do servidor líder")).run()
client = core.Client()
while True:
    choice = ask(MENU)
    if choice == "0":
        break
    elif choice == "9":
        client.servers = [ask_address("do servidor %d" % number) for number in (1, 2, 3)]
        print("Cliente inicializado!")
    elif choice == "2":
        words = ask("Informe a chave -> "), ask("Informe o valor -> ")
        threading.Thread(target=client.put, args=words, daemon=True).start()
    elif choice == "1":
        threading.Thread(target=client.get, args=(ask("Informe a chave -> "),), daemon=True).start()
    else:
        print("Opção inválida!")
