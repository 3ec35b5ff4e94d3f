"""A server that logs with times, says that it is ready, and asks for both addresses in one line.

The client asks for three servers in one line. A server closes each connection after its
answer, and does not set SO_REUSEADDR: the system keeps closed connections, and a new server on its
port cannot listen meanwhile.
"""

import datetime
import sys

sys.dont_write_bytecode = True
import core  # noqa: E402


class Server(core.Server):
    reuse_address = False

    def serve(self, connection, client):
        with connection:
            link = core.Link(connection)
            link.send(self.answer(link.receive(), core.name_of(client)))

    def say(self, line):
        now = datetime.datetime.now().strftime("%d/%m/%Y %H:%M:%S")
        print("[%s] [INFO] %s" % (now, line), flush=True)

    def listening(self):
        self.say("Servidor pronto na porta %d, aguardando conexões..." % self.own[1])


def ask_addresses(prompt):
    words = input(prompt).split()
    return list(zip(words[::2], map(int, words[1::2])))


if sys.argv[1] == "server":
    Server(*ask_addresses("Digite IP e porta do servidor e IP e porta do líder: ")).run()
client = core.Client()
while True:
    choice = input("\nPUT / GET / INIT?\n").lower()
    if choice == "init":
        client.servers = ask_addresses("Digite IP e porta dos três servidores: ")
    elif choice == "put":
        key, value = input("Digite key e value: ").split(" ", 1)
        client.put(key, value)
    elif choice == "get":
        client.get(input("Digite a key: "))
