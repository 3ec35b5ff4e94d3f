"""Servers that are never behind: a follower asks the leader for each GET, and timestamps are times.

Only the client's choice FUTURO, which the menu does not show, leads to a refusal: it adds a second
to the client's timestamp of a key. With --fault=no-refusal the servers do not refuse then either.
"""

import sys
import time

sys.dont_write_bytecode = True
import core  # noqa: E402


class Server(core.Server):
    def next_timestamp(self):
        return time.time_ns()

    def answer(self, message, client):
        if message["type"] == "READ":
            return {"stored": self.stored(message["key"])}
        return super().answer(message, client)

    def get(self, message, client):
        if self.own != self.leader:
            reply = core.request_until_answered(self.leader, {"type": "READ", "key": message["key"]})
            if reply["stored"][1] != 0:
                self.store(message["key"], *reply["stored"])
        if "--fault=no-refusal" in sys.argv:
            return self.get_unchecked(message, client)
        return super().get(message, client)

    def get_unchecked(self, message, client):
        key, seen = message["key"], message["timestamp"]
        value, own = self.stored(key)
        self.say("Cliente %s GET key:%s ts:%s. Meu ts é %s, portanto devolvendo %s"
                 % (client, key, seen, own, value))
        return {"type": "GET_OK", "value": value, "timestamp": own}


if sys.argv[1] == "server":
    ip, port = input("IP: "), input("Porta: ")
    leader = input("IP do líder: "), int(input("Porta do líder: "))
    Server((ip, int(port)), leader).run()
client = core.Client()
while True:
    choice = input("Escolha (INIT, PUT, GET): ")
    if choice == "INIT":
        client.servers = [core.to_address(input("Servidor %d: " % number)) for number in (1, 2, 3)]
    elif choice == "PUT":
        client.put(input("Key: "), input("Value: "))
    elif choice == "GET":
        client.get(input("Key: "))
    elif choice == "FUTURO":
        key = input("Key: ")
        client.remember(key, client.seen.get(key, 0) + 10**9)
