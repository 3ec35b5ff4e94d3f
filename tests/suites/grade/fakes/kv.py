"""A small implementation of the assignment for the tests of the grader.

  python3 kv.py server|client [--fault=NAME] [--style=NAME] [addresses]

Without a fault it does and prints what the assignment says. A fault breaks one thing of it. A style
changes how the program asks and how it writes timestamps, which is no fault.
"""

import datetime
import io
import json
import os
import random
import socket
import sys
import threading
import time

FAULTS = """
early-put-ok inverted-get timestamp-never-sent same-timestamp seconds-clock tables-differ update-lost
no-refusal one-follower wrong-client not-forwarded put-ok-other-timestamp get-blocked fixed-server
null-missing no-put-line no-forward-line no-replication-line no-sending-line no-server-get-line
no-put-ok-line no-client-get-line extra-server-line extra-client-line other-words my-timestamp-differs
no-spaces no-accents short-values menu-without-get lost-put
""".split()
STYLES = """
plain one-line arguments no-prompts prompt-lines leader-asks first-connections integer-keys dates
fractions second-reader numbered-menu slow-put
""".split()

REFUSAL = "TRY_OTHER_SERVER_OR_LATER"
ATTEMPTS = 100
ATTEMPT_PAUSE_S = 0.2

options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
words = [word for word in sys.argv[1:] if not word.startswith("--")]
fault = options.get("fault", "")
style = options.get("style", "plain")


def say(line, missing=""):
    """Prints a line, unless the fault is that it is missing."""
    if fault != missing or missing == "":
        print(line, flush=True)


# Messages: one line of JSON, one connection for a request and its answer.


def send(connection, message):
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(file):
    line = file.readline()
    if line == b"":
        raise ConnectionError("the other end has closed")
    return json.loads(line)


def request(address, message):
    with socket.create_connection(address) as connection:
        send(connection, message)
        return receive(connection.makefile("rb"))


def request_until_answered(address, message):
    for _ in range(ATTEMPTS):
        try:
            return request(address, message)
        except OSError:
            time.sleep(ATTEMPT_PAUSE_S)
    raise ConnectionError("no answer from %s:%d" % address)


# Questions on the console.


def ask(prompt):
    if style == "no-prompts":
        prompt = ""
    if style == "prompt-lines" and prompt:
        print(prompt, flush=True)
        prompt = ""
    print(prompt, end="", flush=True)
    if style == "second-reader":
        # a new reader takes all that is there, and the rest of it is lost
        with io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8") as reader:
            line = reader.readline()
    else:
        line = sys.stdin.readline()
    if line == "":
        sys.exit(0)
    return line.rstrip("\r\n")


def ask_address(whose):
    if style == "arguments":
        return to_address(words.pop(1))
    if style == "one-line":
        return to_address(ask("Endereço %s (IP:porta): " % whose))
    ip = ask("IP %s: " % whose)
    return ip, int(ask("Porta %s: " % whose))


def to_address(text):
    ip, port = text.split(":")
    return ip, int(port)


def name_of(address):
    return "%s:%d" % (address[0], address[1])


# The server.


class Server:
    def __init__(self):
        self.address = ask_address("do servidor")
        self.leader = ask_address("do líder")
        self.is_leader = self.address == self.leader
        self.table = {}
        self.followers = []
        self.links = []
        self.counter = 0
        self.table_lock = threading.Lock()
        self.put_lock = threading.Lock()
        if self.is_leader and style == "leader-asks":
            self.followers = [ask_address("do seguidor %d" % number) for number in (1, 2)]

    def run(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self.address)
        listener.listen(64)
        if not self.is_leader and style != "leader-asks":
            threading.Thread(target=self.join, daemon=True).start()
        while True:
            connection, client = listener.accept()
            if self.is_leader and style == "first-connections" and len(self.links) < 2:
                self.links.append((connection, connection.makefile("rb"), threading.Lock()))
                continue
            threading.Thread(target=self.serve, args=(connection, client), daemon=True).start()

    def join(self):
        if style != "first-connections":
            request_until_answered(self.leader, {"type": "JOIN", "address": self.address})
            return
        connection = socket.create_connection(self.leader)
        file = connection.makefile("rb")
        while True:
            send(connection, self.replication(receive(file)))

    def serve(self, connection, client):
        try:
            with connection:
                message = receive(connection.makefile("rb"))
                send(connection, self.answer(message, client))
        except OSError:
            pass  # the client is gone

    def answer(self, message, client):
        if message["type"] == "JOIN":
            self.followers.append(tuple(message["address"]))
            return {"type": "JOIN_OK"}
        if message["type"] == "REPLICATION":
            return self.replication(message)
        if message["type"] == "GET":
            return self.get(message, client)
        if self.is_leader or fault == "not-forwarded":
            return self.put(message, message.get("client", name_of(client)))
        return self.forward(message, client)

    def forward(self, message, client):
        key, value = message["key"], message["value"]
        say("Encaminhando PUT key:%s value:%s" % (key, value), "no-forward-line")
        if fault != "wrong-client":
            message["client"] = name_of(client)
        return request_until_answered(self.leader, message)

    def put(self, message, client):
        key, value = message["key"], message["value"]
        if fault == "other-words":
            say("Recebido do cliente %s o PUT da key %s com o value %s" % (client, key, value))
        else:
            say("Cliente %s PUT key:%s value:%s" % (client, key, value), "no-put-line")
        if fault == "extra-server-line":
            say("DEBUG tabela com %d entradas" % len(self.table))
        if style == "slow-put":
            time.sleep(1)
        if fault == "tables-differ":
            return self.store_and_replicate(key, value, client)
        with self.put_lock:  # the leader executes one PUT at a time
            return self.store_and_replicate(key, value, client)

    def store_and_replicate(self, key, value, client):
        with self.table_lock:
            timestamp = self.next_timestamp(key)
            if fault != "lost-put" or key not in self.table:
                self.table[key] = (value, timestamp)
        message = {"type": "REPLICATION", "key": key, "value": value, "timestamp": timestamp}
        if fault == "early-put-ok":
            threading.Thread(target=self.replicate, args=(message,), daemon=True).start()
        elif fault != "not-forwarded" or self.is_leader:
            self.replicate(message)
        shown = "Enviando PUT_OK ao Cliente %s da key:%s ts:%s"
        if fault == "other-words":
            shown = "Vou enviar PUT_OK para %s, key %s, timestamp %s"
        say(shown % (client, key, timestamp), "no-sending-line")
        if fault == "put-ok-other-timestamp":
            timestamp += 1000
        return {"type": "PUT_OK", "timestamp": timestamp}

    def next_timestamp(self, key):
        self.counter += 1
        if style == "fractions":
            return time.time()
        if style == "dates":
            return datetime.datetime.now().isoformat(timespec="microseconds")
        if fault == "seconds-clock":
            return int(time.time())
        if fault == "same-timestamp" and key in self.table:
            return self.table[key][1]
        return self.counter

    def replicate(self, message):
        if fault == "one-follower":
            request_until_answered(self.followers[0], message)
            return
        targets = self.links if style == "first-connections" else self.followers
        threads = [
            threading.Thread(target=self.replicate_to, args=(target, number, message), daemon=True)
            for number, target in enumerate(targets)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def replicate_to(self, target, number, message):
        if fault == "tables-differ" and message["timestamp"] % 2 == number:
            time.sleep(0.5)  # writes of the same time arrive in another order at each follower
        if style != "first-connections":
            request_until_answered(target, message)
            return
        connection, file, lock = target
        with lock:
            send(connection, message)
            receive(file)

    def replication(self, message):
        key, value, timestamp = message["key"], message["value"], message["timestamp"]
        shown = "REPLICATION key:%s value:%s ts:%s"
        if fault == "other-words":
            shown = "Replication recebida: key=%s, value=%s, timestamp=%s"
        say(shown % (key, value, timestamp), "no-replication-line")
        with self.table_lock:
            if fault in ("update-lost", "lost-put") and key in self.table:
                value = self.table[key][0]
            self.table[key] = (value, timestamp)
        return {"type": "REPLICATION_OK"}

    def get(self, message, client):
        if fault == "get-blocked" and self.is_leader:
            with self.put_lock:
                return self.get_at_once(message, client)
        return self.get_at_once(message, client)

    def get_at_once(self, message, client):
        key, seen = message["key"], message["timestamp"]
        with self.table_lock:
            value, own = self.table.get(key, (None, 0))
        if value is None:
            value = "CHAVE_INEXISTENTE" if fault == "null-missing" else "NULL"
        elif fault == "inverted-get":
            if is_smaller(seen, own):
                value = REFUSAL
        elif is_smaller(own, seen) and fault != "no-refusal":
            value = REFUSAL
        shown = "Cliente %s GET key:%s ts:%s. Meu ts é %s, portanto devolvendo %s"
        if fault == "other-words":
            shown = "GET do cliente %s: key %s, timestamp %s; o meu timestamp é %s, devolvo %s"
        say(shown % (name_of(client), key, seen, own, value), "no-server-get-line")
        return {"type": "GET_OK", "value": value, "timestamp": own}


def is_smaller(first, second):
    """Whether the first timestamp is the smaller one. Zero is smaller than each date."""
    if isinstance(first, str) != isinstance(second, str):
        return first == 0
    return first < second


# The client.


class Client:
    def __init__(self):
        self.servers = []
        self.seen = {}

    def run(self):
        while True:
            choice = ask(self.menu()).strip().upper()
            if choice in ("INIT", "1"):
                self.servers = [ask_address("do servidor %d" % number) for number in (1, 2, 3)]
            elif choice in ("PUT", "2"):
                self.put(self.ask_key(), ask("Value: "))
            elif choice in ("GET", "3"):
                self.get(self.ask_key())

    def menu(self):
        if style == "numbered-menu":
            return "1 - INIT\n2 - PUT\n3 - GET\nOpção: "
        if style == "no-prompts":
            print("INIT, PUT ou GET", flush=True)
        return "Escolha (INIT, PUT%s): " % ("" if fault == "menu-without-get" else ", GET")

    def ask_key(self):
        key = ask("Key: ")
        return int(key) if style == "integer-keys" else key

    def choose(self):
        return self.servers[0] if fault == "fixed-server" else random.choice(self.servers)

    def put(self, key, value):
        if fault == "no-spaces":
            value = value.split(" ")[0]
        if fault == "no-accents":
            value = value.encode("ascii", "ignore").decode()
        if fault == "short-values":
            value = value[:900]
        server = self.choose()
        answer = request(server, {"type": "PUT", "key": key, "value": value})
        self.remember(key, answer["timestamp"])
        shown = "PUT_OK key: %s value %s timestamp %s realizada no servidor %s"
        if fault == "other-words":
            shown = "PUT_OK recebido! key = %s, value = %s, timestamp = %s, servidor = %s"
        say(shown % (key, value, answer["timestamp"], name_of(server)), "no-put-ok-line")
        if fault == "extra-client-line":
            say("Operação concluída com sucesso")

    def get(self, key):
        server = self.choose()
        seen = self.seen.get(key, 0)
        answer = request(server, {"type": "GET", "key": key, "timestamp": seen})
        value, own = answer["value"], answer["timestamp"]
        if value not in ("NULL", REFUSAL):
            self.remember(key, own)
        if fault == "my-timestamp-differs":
            seen = 987654
        shown = "GET key: %s value: %s obtido do servidor %s, meu timestamp %s e do servidor %s"
        if fault == "other-words":
            shown = "GET da key %s: value %s, obtido de %s (timestamp %s, timestamp no servidor %s)"
        say(shown % (key, value, name_of(server), seen, own), "no-client-get-line")

    def remember(self, key, timestamp):
        if fault != "timestamp-never-sent" and not is_smaller(timestamp, self.seen.get(key, 0)):
            self.seen[key] = timestamp


if __name__ == "__main__":
    if fault not in ["", *FAULTS] or style not in STYLES or words[:1] not in (["server"], ["client"]):
        sys.exit(__doc__)
    try:
        (Server() if words[0] == "server" else Client()).run()
    except KeyboardInterrupt:
        os._exit(130)
