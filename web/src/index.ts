/** What pages of others use: the client, the store, the element. */

export type { Auth, AuthValue } from "./auth";
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
} from "./client";
export { PulsewheelProgress, defineElement } from "./element";
export type * from "./events";
export { SessionStore, type SessionView, type ViewStatus } from "./session-store";
