// The protocol of this project's `echo` example, served by socket.io on Node's own HTTP server.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";

const { values: flags } = parseArgs({
  options: {
    listen: { type: "string" },
    "ping-interval": { type: "string", default: "25000" },
    "ping-timeout": { type: "string", default: "20000" },
  },
});
const [host, port] = flags.listen.split(":");

const http = createServer();
const io = new Server(http, {
  pingInterval: Number(flags["ping-interval"]),
  pingTimeout: Number(flags["ping-timeout"]),
  serveClient: false,
});

// Both from the page "Performance tuning" of its documentation, as is the package bufferutil.
io.engine.on("connection", (rawSocket) => {
  rawSocket.request = null;
});

for (const name of ["/", "/custom"]) {
  const namespace = io.of(name);
  namespace.on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("echo", (...args) => socket.emit("echo", ...args));
    socket.on("broadcast", (...args) => namespace.emit("broadcast", ...args));
    socket.on("tick-all", (count, size) => {
      const text = "x".repeat(size);
      for (let sent = 0; sent < count; sent++) {
        namespace.emit("tick", text);
      }
    });
  });
}

process.on("SIGTERM", () => process.exit(0));
http.listen(Number(port), host, 4096, () => {
  console.log(`listening on http://${host}:${http.address().port}`);
});
