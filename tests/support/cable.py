"""A cable in front of a listening port: it can be cut, or carry nothing any more."""

import asyncio
from contextlib import suppress

from common.ids import Address
from common.runtime.tasks import Tasks


class Cable:
    """Forwards TCP connections to `to`, both ways."""

    def __init__(self) -> None:
        self.address = Address("127.0.0.1", 0)
        self.to = Address("127.0.0.1", 0)
        self._writers: list[asyncio.StreamWriter] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks = Tasks()
        self._is_cut = False
        self._server: asyncio.Server | None = None

    async def lay(self) -> None:
        """Begin to listen on any port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = Address("127.0.0.1", self._server.sockets[0].getsockname()[1])

    def freeze(self) -> None:
        """Carry nothing any more; what is connected stays connected."""
        self._flowing.clear()

    async def cut(self) -> None:
        """End all connections and take no more."""
        self._is_cut = True
        if self._server is not None:
            for sock in self._server.sockets:
                # Who is being accepted right now would meet a server that is gone.
                asyncio.get_running_loop().remove_reader(sock.fileno())
            await asyncio.sleep(0)
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._tasks.close()
        await asyncio.sleep(0.01)  # the transports say goodbye

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(self.to.host, self.to.port)
        except OSError:
            writer.transport.abort()
            return
        if self._is_cut:
            writer.transport.abort()
            there[1].transport.abort()
            return
        self._writers += [writer, there[1]]
        self._tasks.spawn(self._carry(reader, there[1]), name="to")
        self._tasks.spawn(self._carry(there[0], writer), name="from")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # reset at one end: so it is at the other
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
        writer.transport.abort()
