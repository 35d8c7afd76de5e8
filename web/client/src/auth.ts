/** What a server is told about who connects. */

/** A token, or what else the server's host reads from the `auth` of Socket.IO. */
export type AuthValue = string | Record<string, unknown>;

/**
 * A value, or what gives one: called before every attempt to connect, and once
 * more when the server refuses what it gave.
 */
export type Auth = AuthValue | (() => AuthValue | null | Promise<AuthValue | null>);

/** The value as Socket.IO carries it; a text is a token. */
export async function authPayload(auth: Auth | null): Promise<Record<string, unknown>> {
  const value = typeof auth === "function" ? await auth() : auth;
  if (value === null) return {};
  return typeof value === "string" ? { token: value } : value;
}

/** The value as requests carry it. */
export async function authHeaders(auth: Auth | null): Promise<Record<string, string>> {
  const { token } = await authPayload(auth);
  return typeof token === "string" ? { Authorization: `Bearer ${token}` } : {};
}

/** Whether the server wants to know who connects, or does not believe it. */
export function isAuthRequired(error: unknown): boolean {
  const { code, data } = (error ?? {}) as { code?: unknown; data?: { code?: unknown } };
  return (data?.code ?? code) === "AUTH_REQUIRED";
}
