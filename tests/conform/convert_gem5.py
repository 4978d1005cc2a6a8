# SPDX-License-Identifier: Apache-2.0
"""convert_gem5.py TRACE CSV: every packet of gem5's trace is the record of the CSV."""
import csv
import gzip
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELD = descriptor_pb2.FieldDescriptorProto


def messages():
    """PacketHeader and Packet, as far as chop writes them: number, name, type, required."""
    proto = descriptor_pb2.FileDescriptorProto(name="packet.proto", package="ProtoMessage", syntax="proto2")
    for name, fields in (
            ("PacketHeader", ((1, "obj_id", FIELD.TYPE_STRING, True), (2, "ver", FIELD.TYPE_UINT32, False),
                              (3, "tick_freq", FIELD.TYPE_UINT64, True))),
            ("Packet", ((1, "tick", FIELD.TYPE_UINT64, True), (2, "cmd", FIELD.TYPE_UINT32, True),
                        (3, "addr", FIELD.TYPE_UINT64, True), (4, "size", FIELD.TYPE_UINT32, True),
                        (5, "flags", FIELD.TYPE_UINT32, False), (6, "pkt_id", FIELD.TYPE_UINT64, False),
                        (7, "pc", FIELD.TYPE_UINT64, False)))):
        message = proto.message_type.add(name=name)
        for number, field, kind, required in fields:
            message.field.add(name=field, number=number, type=kind,
                              label=FIELD.LABEL_REQUIRED if required else FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    create = getattr(message_factory, "GetMessageClass", None) or message_factory.MessageFactory().GetPrototype
    return [create(pool.FindMessageTypeByName("ProtoMessage." + name)) for name in ("PacketHeader", "Packet")]


def open_trace(path):
    trace = gzip.open(path, "rb")
    try:
        trace.seek(1)
        trace.seek(0)
        return trace
    except OSError:
        return open(path, "rb")


def length(trace):
    value = shift = 0
    while True:
        byte = trace.read(1)
        if not byte:
            return None
        value |= (byte[0] & 127) << shift
        shift += 7
        if not byte[0] & 128:
            return value


def read(trace, kind):
    size = length(trace)
    if size is None:
        return None
    data = trace.read(size)
    message = kind.FromString(data)
    if message.SerializeToString() != data:
        sys.exit(f"a message has fields that packet.proto has not: {data.hex()}")
    return message


def main():
    header_kind, packet_kind = messages()
    commands = {"read": (1, 0), "write": (4, 0), "fetch": (1, 0x100)}
    count = 0
    with open_trace(sys.argv[1]) as trace, open(sys.argv[2]) as text:
        if trace.read(4) != b"gem5":
            sys.exit("magic number")
        header = read(trace, header_kind)
        for row in csv.DictReader(text):
            packet = read(trace, packet_kind)
            want = *commands[row["kind"]], int(row["ip"], 16), int(row["address"], 16), int(row["size"])
            if not packet or (packet.cmd, packet.flags, packet.pc, packet.addr, packet.size) != want:
                sys.exit(f"packet {count} is {packet}, should be {want}")
            if packet.pkt_id != count:
                sys.exit(f"packet {count} has number {packet.pkt_id}")
            count += 1
        if read(trace, packet_kind):
            sys.exit("more packets than records")
    print(f"{count} packets at {header.tick_freq} ticks a second")


main()
