import { isCode } from "./command-error.js";
import type { JsonObject, Session } from "./events.js";
import type { HttpInterface } from "./http.js";
import { Outbox, type Update } from "./outbox.js";
import { remember } from "./remember.js";
import { randomUuid } from "./uuid.js";

/** Sessions whose beginning is remembered, so that one that the server has forgotten can begin anew. */
const MAX_REMEMBERED = 1_000;

export interface CreateOptions {
  /** A UUID; without it one is made. */
  sessionId?: string;
  /** Who may see the session. */
  audience?: "everybody" | "trackers" | "owner";
}

/** The answer to the creation of a session. */
export interface CreatedSession {
  sessionId: string;
  session: Session;
  /** Lets its bearer change the session; told once. */
  ownerToken?: string;
}

interface Begun {
  metadata: JsonObject;
  audience: CreateOptions["audience"];
  token: string | null;
}

/** Reports long work to the server, and keeps reports while it is away. */
export class Producer {
  readonly outbox: Outbox;
  readonly #http: HttpInterface;
  readonly #begun = new Map<string, Begun>();

  constructor(http: HttpInterface, limit: number) {
    this.#http = http;
    this.outbox = new Outbox(limit, 1_000);
  }

  create(metadata: JsonObject, { sessionId = randomUuid(), audience }: CreateOptions): Promise<CreatedSession> {
    const key = randomUuid();
    return this.outbox.push<CreatedSession>(sessionId, async (_update, again) => {
      try {
        return await this.#create(sessionId, { metadata, audience, token: null }, key);
      } catch (error) {
        // The answer to an attempt before was lost: the session is the one that it made.
        if (!again || !isCode(error, "SESSION_EXISTS")) throw error;
        return { sessionId, session: await this.session(sessionId) };
      }
    });
  }

  update(sessionId: string, update: Update): Promise<Session> {
    const send = (joined: Update | null): Promise<Session> => this.#post(sessionId, "progress", joined ?? update);
    return this.outbox.push<Session>(sessionId, send, update);
  }

  /** `verb` ends the session; `status` is what it is then. */
  end(sessionId: string, verb: "complete" | "error" | "cancel", status: string, body: object): Promise<Session> {
    const key = randomUuid();
    return this.outbox.push<Session>(sessionId, async (_update, again) => {
      try {
        return await this.#post(sessionId, verb, body, key);
      } catch (error) {
        // The answer to an attempt before was lost: what it asked for has happened.
        const session = again && isCode(error, "SESSION_ENDED") && (await this.session(sessionId));
        if (session && session.status === status) return session;
        throw error;
      }
    });
  }

  async session(sessionId: string): Promise<Session> {
    const { session } = await this.#http.request<{ session: Session }>("GET", `/sessions/${sessionId}`);
    return session;
  }

  async #create(sessionId: string, begun: Begun, key: string): Promise<CreatedSession> {
    const { metadata, audience } = begun;
    const body = { sessionId, metadata, audience };
    const headers = { "Idempotency-Key": key };
    const answer = await this.#http.request<CreatedSession>("POST", "/sessions", { body, headers });
    remember(this.#begun, sessionId, { ...begun, token: answer.ownerToken ?? null }, MAX_REMEMBERED);
    return answer;
  }

  async #post(sessionId: string, verb: string, body: object, key?: string): Promise<Session> {
    const begun = this.#begun.get(sessionId);
    const send = async (): Promise<Session> => {
      const token = this.#begun.get(sessionId)?.token;
      const headers = { ...(key && { "Idempotency-Key": key }), ...(token && { "X-Session-Token": token }) };
      const answer = await this.#http.request<{ session: Session }>("POST", `/sessions/${sessionId}/${verb}`, { body, headers });
      return answer.session;
    };
    try {
      return await send();
    } catch (error) {
      if (!begun || verb === "cancel" || !isCode(error, "SESSION_NOT_FOUND")) throw error;
      // The server has forgotten a session that began here: it begins anew, under its id.
      await this.#create(sessionId, begun, randomUuid());
      return send();
    }
  }
}
