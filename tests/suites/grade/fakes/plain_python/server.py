"""The server of the layout that tools/grade/profiles/plain_python.json describes."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "students"))
from core import Server  # noqa: E402

ip = input("Digite o IP do servidor: ")
port = int(input("Digite a porta do servidor: "))
leader_ip = input("Digite o IP do líder: ")
leader_port = int(input("Digite a porta do líder: "))
Server((ip, port), (leader_ip, leader_port)).run()
