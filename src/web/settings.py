"""How a service is run."""

from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""What this machine calls itself in the Host header of a request."""
EVERYWHERE = ("0.0.0.0", "[::]")
"""Addresses that mean all of this machine's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """host, port: where it listens. token: what requests to /v1 must have; None: nothing. hosts: further names by which
    clients may call it. max_bytes: of the body of a request. queue: photos that can wait at once."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    hosts: tuple[str, ...] = ()
    max_bytes: int = 64 << 20
    queue: int = 128

    def __post_init__(self) -> None:
        """Raises ValueError, naming the option of the command, for values that cannot be used."""
        if not self.host or set("[]/ ") & set(self.host):
            raise ValueError(f"--host {self.host!r}: expected an address such as 127.0.0.1 or ::1")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port {self.port}: expected a number from 0 to 65535")
        if self.queue < 1:
            raise ValueError(f"--queue {self.queue}: expected a number of photos from 1")
        if self.max_bytes < 1:
            raise ValueError(f"--max-mb {self.max_bytes / (1 << 20):g}: expected a number above 0")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and self.token):
            raise ValueError("--token: expected letters, digits and signs of ASCII, as a header can have them")
        if self.token is not None and self.token != self.token.strip():
            raise ValueError("--token: it begins or ends with a space, which headers do not keep")
        for name in self.hosts:
            if not name or any(sign in name for sign in "/@ *") or (":" in name and not name.startswith("[")):
                raise ValueError(f"--allow-host {name}: expected a name such as photos.example.org, without a port")

    @property
    def own_name(self) -> str:
        """The address that it listens at, as a Host header has it."""
        return f"[{self.host}]" if ":" in self.host else self.host.lower()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.own_name in LOOPBACK or self.own_name.startswith("127.")

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """The names by which clients may call it."""
        local = LOOPBACK if self.on_loopback or self.own_name in EVERYWHERE else ()
        return frozenset((self.own_name, *local)) | self.own_hosts

    @property
    def own_hosts(self) -> frozenset[str]:
        """The further names, as they are compared."""
        return frozenset(name.lower().rstrip(".") for name in self.hosts)
