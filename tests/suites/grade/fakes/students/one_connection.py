"""A client that keeps one connection to each server, and ends with a stack trace if one breaks.

Keys are integers only. A server writes a stack trace to standard error for each connection that
ends.
"""

import socket
import sys
import traceback

sys.dont_write_bytecode = True
import core  # noqa: E402


class Server(core.Server):
    def closed(self, error):
        traceback.print_exception(error)

    def get(self, message, client):
        return super().get({**message, "key": int(message["key"])}, client)


class Client(core.Client):
    links = {}

    def connect(self):
        for server in self.servers:
            self.links[server] = core.Link(socket.create_connection(server))
        print("Conectado aos 3 servidores")

    def request(self, server, message):
        return self.links[server].request(message)


if sys.argv[1] == "server":
    print("IP do servidor?")
    ip = input()
    print("Porta?")
    port = int(input())
    print("Endereço do líder (IP:porta)?")
    Server((ip, port), core.to_address(input())).run()
client = Client()
while True:
    print("1. INIT | 2. PUT | 3. GET")
    choice = int(input())
    if choice == 1:
        print("Servidores, separados por vírgula (IP:porta)")
        client.servers = [core.to_address(word.strip()) for word in input().split(",")]
        client.connect()
    elif choice == 2:
        print("key (inteiro)")
        key = int(input())
        print("value")
        client.put(key, input())
    elif choice == 3:
        print("key (inteiro)")
        client.get(int(input()))
