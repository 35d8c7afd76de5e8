// A client in a process of its own, which the tests stop and continue: tells its parent what it hears of one session.
import { io } from "socket.io-client";

const [, , origin, transport] = process.argv;
const socket = io(origin, { transports: [transport], reconnectionDelay: 20, reconnectionDelayMax: 100 });
socket.on("connect", () => process.send({ connected: true }));
socket.on("import_progress", ({ sessionId, progress }) => process.send({ sessionId, progress }));
