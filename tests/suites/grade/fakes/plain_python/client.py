"""The client of the layout that tools/grade/profiles/plain_python.json describes."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "students"))
from core import Client  # noqa: E402

client = Client()
while True:
    choice = input("Escolha uma opção (INIT, PUT, GET): ").strip().upper()
    if choice == "INIT":
        for number in (1, 2, 3):
            ip = input("IP do servidor %d: " % number)
            client.servers.append((ip, int(input("Porta do servidor %d: " % number))))
    elif choice == "PUT":
        client.put(input("Digite a chave: "), input("Digite o valor: "))
    elif choice == "GET":
        client.get(input("Digite a chave: "))
