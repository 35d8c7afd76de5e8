/** What programs and pages of others use: the client and the store. The element is a module of its own. */

export type { Auth, AuthValue } from "./auth.js";
export {
  type ClientConfig,
  CommandError,
  type CreateOptions,
  type CreatedSession,
  type ListQuery,
  SessionError,
  type SessionPage,
  type TrackOptions,
  Tracking,
  WebSocketClient,
} from "./client.js";
export type * from "./events.js";
export { SessionStore, type SessionView, type ViewStatus } from "./session-store.js";
