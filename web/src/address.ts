/** Where the page lies: at the root of its host, or below a path that a proxy takes away. */

/** The whole address of what lies beside the page. */
export function besidePage(path: string): string {
  return new URL(path, document.baseURI).href;
}

/** The path of the Socket.IO endpoint beside the page. */
export function socketPath(): string {
  return new URL("socket.io/", document.baseURI).pathname;
}
