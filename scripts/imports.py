#!/usr/bin/env python3
"""Prints the DLLs that a Windows program imports; fails when Nano Server lacks one of them.

    scripts/imports.py PROGRAM.exe    its imports, delayed ones too; 1 when one is not on the list, 2 when it is no program
    scripts/imports.py --list         the list, with its reasons

The container image is Nano Server, which lacks most of Windows: a program that imports user32.dll ends there before its
first line. Standard library only.
"""

import struct
import sys

# Not yet compared with the folder System32 of an image: .github/workflows/ci.yml does that where there is Windows.
NANO_SERVER = {
    "kernel32": "processes, files, memory",
    "kernelbase": "what kernel32 forwards to",
    "ntdll": "system calls; Tokio polls sockets through it",
    "advapi32": "services, registry, access rights, Event Log",
    "sechost": "what advapi32 forwards services to",
    "ws2_32": "sockets",
    "mswsock": "AcceptEx and ConnectEx",
    "iphlpapi": "network interfaces",
    "dnsapi": "names of hosts",
    "userenv": "a user's profile folder, for Rust's standard library",
    "bcrypt": "random numbers and hashes",
    "bcryptprimitives": "ProcessPrng, for Rust's standard library",
    "ncrypt": "keys",
    "crypt32": "certificates",
    "secur32": "security contexts",
    "rpcrt4": "what services and keys talk through",
    "combase": "COM without windows",
    "msvcrt": "the C library of mingw",
    "ucrtbase": "the C library of Visual C++",
    "shell32": "loads there, though its known folders fail: sqlx then finds no pgpass.conf, and goes on",
}
NANO_SERVER_FAMILIES = {
    "api-ms-win-core-": "contracts of the kernel's DLLs",
    "api-ms-win-crt-": "contracts of the C library",
    "api-ms-win-security-": "contracts of access rights",
    "api-ms-win-eventing-": "contracts of tracing and the Event Log",
    "api-ms-win-service-": "contracts of services",
}

IMPORTS, DELAYED_IMPORTS = 1, 13  # places in the header's table of directories


class NotAProgram(Exception):
    """The file is no Windows program, or a broken one."""


class Program:
    """A PE file."""

    def __init__(self, data):
        self.data = data
        (header,) = self.unpack("<I", 0x3C)
        if data[:2] != b"MZ" or data[header : header + 4] != b"PE\0\0":
            raise NotAProgram("no MZ and PE header")
        (sections,) = self.unpack("<H", header + 6)
        (optional_size,) = self.unpack("<H", header + 20)
        optional = header + 24
        (magic,) = self.unpack("<H", optional)
        if magic not in (0x10B, 0x20B):
            raise NotAProgram("neither PE32 nor PE32+")
        # PE32+ has longer addresses before the table.
        self.directories = optional + (112 if magic == 0x20B else 96)
        self.sections = [
            self.unpack("<IIII", optional + optional_size + 40 * number + 8) for number in range(sections)
        ]

    def unpack(self, form, at):
        try:
            return struct.unpack_from(form, self.data, at)
        except struct.error:
            raise NotAProgram(f"it ends before byte {at}") from None

    def offset(self, address):
        """Where in the file the byte is that stands at this address once the program is loaded."""
        for virtual_size, start, raw_size, raw in self.sections:
            if start <= address < start + max(virtual_size, raw_size):
                return raw + address - start
        raise NotAProgram(f"no section has address {address:#x}")

    def dlls(self, directory, entry_size, name_at):
        """The names in one of its tables of imports, which an empty entry ends."""
        (count,) = self.unpack("<I", self.directories - 4)
        if directory >= count:
            return
        (table,) = self.unpack("<I", self.directories + 8 * directory)
        while table:
            (name,) = self.unpack("<I", self.offset(table) + name_at)
            if not name:
                return
            start = self.offset(name)
            end = self.data.find(b"\0", start)
            yield self.data[start:end].decode("ascii", "replace").lower()
            table += entry_size

    def imports(self):
        """Every DLL it needs, when it starts or later."""
        delayed = self.dlls(DELAYED_IMPORTS, 32, 4)
        return sorted({*self.dlls(IMPORTS, 20, 12), *delayed})


def allowed(dll):
    """Whether Nano Server has it."""
    return dll.removesuffix(".dll") in NANO_SERVER or dll.startswith(tuple(NANO_SERVER_FAMILIES))


def main(arguments):
    if arguments == ["--list"]:
        for dll, reason in NANO_SERVER.items():
            print(f"{dll}.dll: {reason}")
        for family, reason in NANO_SERVER_FAMILIES.items():
            print(f"{family}*.dll: {reason}")
        return 0
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[0], "rb") as file:
            dlls = Program(file.read()).imports()
    except (OSError, NotAProgram) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 2
    for dll in dlls:
        print(dll if allowed(dll) else f"{dll}: Nano Server does not have it")
    return 0 if all(map(allowed, dlls)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
