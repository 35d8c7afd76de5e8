// A client in a process of its own, which the tests stop and continue: tells its parent what it hears of one session.
import { io } from "socket.io-client";

const [, , origin, transport] = process.argv;
const socket = io(origin, { transports: [transport], reconnectionDelay: 20, reconnectionDelayMax: 100 });
socket.on("connect", () => {
  process.send({ connected: true });
  // One that was stopped may find its idle HTTP connection closed. It then comes back as a new client, and asks how things are.
  socket.emit("list_sessions", {}, ({ sessions }) => {
    for (const { id, progress } of sessions) process.send({ sessionId: id, progress });
  });
});
socket.on("import_progress", ({ sessionId, progress }) => process.send({ sessionId, progress }));
