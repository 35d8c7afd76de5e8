import { createHash } from "node:crypto";
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Server, type ServerOptions } from "socket.io";
import { WebSocketClient, type ClientConfig } from "../client/src/client.js";

type Ack = (answer: unknown) => void;
type Command = (request: { sessionId?: string; status?: string; reason?: string; cursor?: string }, ack: Ack) => void;

export interface ApiRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown> | null;
}

/** `cut` breaks the connection off after the request has been read. */
export type ApiAnswer = { status: number; body?: unknown; headers?: Record<string, string> } | "cut";

/** A real Socket.IO server in this process, whose answers to the commands a test decides. */
export class TestServer {
  readonly received: { command: string; request: unknown }[] = [];
  readonly answers: Record<string, Command> = {
    list_sessions: (_request, ack) => ack({ ok: true, sessions: [] }),
    untrack_session: (_request, ack) => ack({ ok: true }),
  };
  /** What is no part of Socket.IO is not there, unless a test serves it. */
  readonly #http = createServer((_request, response) => void response.writeHead(404).end());
  readonly #swallowed = new Set<Duplex>();
  readonly io: Server;

  private constructor(options: Partial<ServerOptions>) {
    this.io = new Server(this.#http, { serveClient: false, ...options });
    this.io.on("connection", (socket) => {
      socket.onAny((command: string, request: Parameters<Command>[0], ack: Ack) => {
        this.received.push({ command, request });
        this.answers[command]?.(request, ack);
      });
    });
  }

  static async start(options: Partial<ServerOptions> = {}, port = 0): Promise<TestServer> {
    const server = new TestServer(options);
    await new Promise<void>((resolve) => server.#http.listen(port, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  client(config: Partial<ClientConfig> = {}): WebSocketClient {
    return clientFor(this.port, config);
  }

  /** Cuts every connection as a dying network would. */
  cut(): void {
    for (const socket of this.io.sockets.sockets.values()) socket.conn.close(true);
  }

  /** Answers requests under `/api`. */
  serve(handle: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>): void {
    const others = this.#http.listeners("request");
    this.#http.removeAllListeners("request");
    this.#http.on("request", async (request: IncomingMessage, response: ServerResponse) => {
      if (!request.url?.startsWith("/api/")) {
        for (const other of others) other.call(this.#http, request, response);
        return;
      }
      let text = "";
      for await (const part of request) text += String(part);
      const { method = "", url = "", headers } = request;
      const answer = await handle({ method, path: url.slice("/api".length), headers, body: text === "" ? null : JSON.parse(text) });
      if (answer === "cut") return void request.socket.destroy();
      response.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
      response.end(JSON.stringify(answer.body ?? {}));
    });
  }

  /** From now on WebSockets are swallowed, or opened and closed at once, as some proxies do. */
  breakWebSockets(how: "swallow" | "close"): void {
    this.#http.removeAllListeners("upgrade");
    this.#http.on("upgrade", (request, socket) => {
      socket.on("error", () => {});
      this.#swallowed.add(socket);
      if (how === "swallow") return;
      const key = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      socket.end(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key.digest("base64")}\r\n\r\n`,
      );
    });
  }

  requests(command: string): unknown[] {
    return this.received.filter((entry) => entry.command === command).map((entry) => entry.request);
  }

  async stop(): Promise<void> {
    for (const socket of this.#swallowed) socket.destroy();
    await this.io.close();
  }
}

export function clientFor(port: number, config: Partial<ClientConfig> = {}): WebSocketClient {
  const client = new WebSocketClient({ host: "127.0.0.1", port: String(port), pollInterval: 0, ...config });
  client.reconnectDelay = 5;
  return client;
}
