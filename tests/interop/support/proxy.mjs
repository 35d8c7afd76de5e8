// TCP proxies that stand between clients and a server.
import net from "node:net";

/**
 * A proxy in front of the server that holds back every byte of WebSocket connections for `delayMs`, in both directions,
 * and lets plain HTTP through at once. Gives its origin and `cut()`, which breaks all connections of the moment.
 */
export async function slowWebSocketProxy(t, server, delayMs) {
  const sockets = new Set();
  const proxy = net.createServer({ noDelay: true }, (near) => {
    const far = net.connect({ port: server.port, host: "127.0.0.1", noDelay: true });
    let delay = null;
    const pass = (from, to) => {
      from.on("data", (chunk) => {
        delay ??= /^upgrade: websocket/im.test(chunk.toString("latin1")) ? delayMs : 0;
        // Timers of the same length fire in the order they were set.
        if (delay === 0) to.write(chunk);
        else setTimeout(() => to.writable && to.write(chunk), delay);
      });
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        setTimeout(() => to.destroy(), delay ?? 0);
      });
    };
    pass(near, far);
    pass(far, near);
    for (const socket of [near, far]) sockets.add(socket);
  });
  await new Promise((resolve) => proxy.listen({ port: 0, host: "127.0.0.1", backlog: 2000 }, resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    proxy.close();
    cut();
  });
  return { origin: `http://127.0.0.1:${proxy.address().port}`, cut };
}
