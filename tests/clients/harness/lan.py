#!/usr/bin/env python3
"""A command, and a bad network between it and another host.

usage: lan.py [--delay-ms N] [--loss-percent N] [--reset-bytes N] COMMAND...

COMMAND runs in a network namespace of its own, with the address 10.77.0.1. The
variable LAN_CLIENT names another namespace, of 10.77.0.2. Every packet between
them is late, some are lost, and no TCP connection carries more to the COMMAND
than --reset-bytes: then both ends get a RST. Each adds a line to the file
that the variable LAN_RESETS names.

The status is that of COMMAND, or 77 where the machine has no such networks.
The namespaces have no names: they go when the last process in them goes.
"""

import argparse
import ctypes
import fcntl
import os
import random
import selectors
import struct
import subprocess
import sys
import time
from collections import deque

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
TCP, RST, ACK = 6, 0x04, 0x10
LONGEST_PACKET = 2048
NOT_HERE = 77

BOX, CLIENT = "10.77.0.1", "10.77.0.2"


def enter_new_host(address):
    """Moves this process into a new namespace; returns it and its network device."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"lan", IFF_TUN | IFF_NO_PI))
    for command in (
        "ip link set lo up",
        f"ip address add {address}/24 dev lan",
        "ip link set lan up",
    ):
        subprocess.run(command.split(), check=True)
    return os.open("/proc/self/ns/net", os.O_RDONLY), device


def checksum(data):
    """That of the Internet protocols (RFC 1071), for an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def rst(source, target, ports, seq, ack):
    """An IPv4 packet that resets a connection."""
    tcp = struct.pack("!4sIIBBHHH", ports, seq, ack, 5 << 4, RST | ACK, 0, 0, 0)
    pseudo = source + target + struct.pack("!HH", TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, TCP, 0) + source + target
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


class Resets:
    """Counts what connections carry; knows which of them have carried enough."""

    def __init__(self, limit_bytes, log):
        self.limit_bytes = limit_bytes
        self.log = log
        self.carried_bytes = {}

    def on_way_to_box(self, packet):
        """The packets to the box and to the client that end this packet's connection."""
        if packet[0] >> 4 != 4 or packet[9] != TCP:
            return None
        start = (packet[0] & 0xF) * 4
        source, target = packet[12:16], packet[16:20]
        ports, seq, ack, length = struct.unpack_from("!4sIIB", packet, start)
        payload = len(packet) - start - (length >> 4) * 4
        carried = self.carried_bytes.get(ports, 0) + payload
        self.carried_bytes[ports] = carried
        if carried < self.limit_bytes:
            return None
        self.carried_bytes[ports] = 0
        with open(self.log, "a") as log:
            log.write(f"{carried}\n")
        back = ports[2:] + ports[:2]
        return rst(source, target, ports, seq, ack), rst(target, source, back, ack, seq + payload & 0xFFFFFFFF)


def carry(box, client, faults, resets, goes_on):
    """Passes packets on, as a bad network does, for as long as `goes_on()`."""
    ready = selectors.DefaultSelector()
    for device in (box, client):
        ready.register(device, selectors.EVENT_READ)
    late = deque()

    def send(target, packet):
        if random.random() * 100 >= faults.loss_percent:
            late.append((time.monotonic() + faults.delay_ms / 1000, target, packet))

    while goes_on():
        wait_s = late[0][0] - time.monotonic() if late else 0.1
        for key, _ in ready.select(max(0, min(0.1, wait_s))):
            try:
                packet = os.read(key.fd, LONGEST_PACKET)
            except BlockingIOError:
                continue
            ends = resets.on_way_to_box(packet) if key.fd == client else None
            if ends:
                send(box, ends[0])
                send(client, ends[1])
            else:
                send(client if key.fd == box else box, packet)
        while late and late[0][0] <= time.monotonic():
            _, target, packet = late.popleft()
            try:
                os.write(target, packet)
            except OSError:
                pass  # A full queue: one more packet is lost.


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--delay-ms", type=float, default=40)
    arguments.add_argument("--loss-percent", type=float, default=2)
    arguments.add_argument("--reset-bytes", type=int, default=2_000_000)
    arguments.add_argument("command", nargs=argparse.REMAINDER)
    faults = arguments.parse_args()
    try:
        namespace, client = enter_new_host(CLIENT)
        _, box = enter_new_host(BOX)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no network of our own: {error}", file=sys.stderr)
        return NOT_HERE
    place = f"/proc/{os.getpid()}/fd/{namespace}"
    command = subprocess.Popen(faults.command, env={**os.environ, "LAN_CLIENT": place})
    resets = Resets(faults.reset_bytes, os.environ["LAN_RESETS"])
    carry(box, client, faults, resets, lambda: command.poll() is None)
    return command.returncode


if __name__ == "__main__":
    sys.exit(main())
