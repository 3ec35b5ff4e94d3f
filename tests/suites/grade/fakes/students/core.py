"""What the small programs in this folder share: messages, the servers' tables, and the lines.

Each of them does what the assignment says. They differ in how they ask, read and print.
"""

import json
import random
import socket
import threading
import time

REFUSAL = "TRY_OTHER_SERVER_OR_LATER"
ATTEMPTS = 100
ATTEMPT_PAUSE_S = 0.2


def to_address(text):
    ip, port = text.split(":")
    return ip, int(port)


def name_of(address):
    return "%s:%d" % (address[0], address[1])


class Link:
    """A connection on which messages are lines of JSON."""

    def __init__(self, connection):
        self.connection = connection
        self.file = connection.makefile("rb")

    def send(self, message):
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self):
        line = self.file.readline()
        if line == b"":
            raise ConnectionError("the other end has closed")
        return json.loads(line)

    def request(self, message):
        self.send(message)
        return self.receive()


def request(address, message):
    with socket.create_connection(address) as connection:
        return Link(connection).request(message)


def request_until_answered(address, message):
    for _ in range(ATTEMPTS):
        try:
            return request(address, message)
        except OSError:
            time.sleep(ATTEMPT_PAUSE_S)
    raise ConnectionError("no answer from %s:%d" % address)


class Server:
    reuse_address = True

    def __init__(self, own, leader):
        self.own, self.leader = own, leader
        self.table = {}
        self.followers = []
        self.counter = 0
        self.table_lock = threading.Lock()
        self.put_lock = threading.Lock()

    def say(self, line):
        print(line, flush=True)

    def run(self):
        listener = socket.socket()
        if self.reuse_address:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self.own)
        listener.listen(64)
        self.listening()
        if self.own != self.leader:
            join = {"type": "JOIN", "address": self.own}
            threading.Thread(target=request_until_answered, args=(self.leader, join), daemon=True).start()
        while True:
            connection, client = listener.accept()
            threading.Thread(target=self.serve, args=(connection, client), daemon=True).start()

    def listening(self):
        pass

    def serve(self, connection, client):
        """Answers all requests of a connection."""
        with connection:
            link = Link(connection)
            try:
                while True:
                    link.send(self.answer(link.receive(), name_of(client)))
            except OSError as error:
                self.closed(error)

    def closed(self, error):
        pass

    def answer(self, message, client):
        if message["type"] == "JOIN":
            self.followers.append(tuple(message["address"]))
            return {"type": "JOIN_OK"}
        if message["type"] == "REPLICATION":
            return self.replication(message)
        if message["type"] == "GET":
            return self.get(message, client)
        if self.own == self.leader:
            return self.put(message, message.get("client", client))
        self.say("Encaminhando PUT key:%s value:%s" % (message["key"], message["value"]))
        return request_until_answered(self.leader, {**message, "client": client})

    def put(self, message, client):
        key, value = message["key"], message["value"]
        self.say("Cliente %s PUT key:%s value:%s" % (client, key, value))
        with self.put_lock:
            timestamp = self.next_timestamp()
            self.store(key, value, timestamp)
            replica = {"type": "REPLICATION", "key": key, "value": value, "timestamp": timestamp}
            for follower in self.followers:
                request_until_answered(follower, replica)
        self.say("Enviando PUT_OK ao Cliente %s da key:%s ts:%s" % (client, key, timestamp))
        return {"type": "PUT_OK", "timestamp": timestamp}

    def next_timestamp(self):
        self.counter += 1
        return self.counter

    def store(self, key, value, timestamp):
        with self.table_lock:
            self.table[key] = (value, timestamp)

    def replication(self, message):
        key, value, timestamp = message["key"], message["value"], message["timestamp"]
        self.say("REPLICATION key:%s value:%s ts:%s" % (key, value, timestamp))
        self.store(key, value, timestamp)
        return {"type": "REPLICATION_OK"}

    def stored(self, key):
        with self.table_lock:
            return self.table.get(key, ("NULL", 0))

    def get(self, message, client):
        key, seen = message["key"], message["timestamp"]
        value, own = self.stored(key)
        if own != 0 and own < seen:
            value = REFUSAL
        self.say("Cliente %s GET key:%s ts:%s. Meu ts é %s, portanto devolvendo %s"
                 % (client, key, seen, own, value))
        return {"type": "GET_OK", "value": value, "timestamp": own}


class Client:
    def __init__(self):
        self.servers = []
        self.seen = {}

    def say(self, line):
        print(line, flush=True)

    def request(self, server, message):
        return request(server, message)

    def put(self, key, value):
        server = random.choice(self.servers)
        answer = self.request(server, {"type": "PUT", "key": key, "value": value})
        self.remember(key, answer["timestamp"])
        self.say("PUT_OK key: %s value %s timestamp %s realizada no servidor %s"
                 % (key, value, answer["timestamp"], name_of(server)))

    def get(self, key):
        server = random.choice(self.servers)
        seen = self.seen.get(key, 0)
        answer = self.request(server, {"type": "GET", "key": key, "timestamp": seen})
        value, own = answer["value"], answer["timestamp"]
        if value not in ("NULL", REFUSAL):
            self.remember(key, own)
        self.say("GET key: %s value: %s obtido do servidor %s, meu timestamp %s e do servidor %s"
                 % (key, value, name_of(server), seen, own))

    def remember(self, key, timestamp):
        self.seen[key] = max(timestamp, self.seen.get(key, 0))
