/** Calls `wake` when the network is back and when the page is looked at again. Returns what ends that. */
export function onWake(wake: () => void): () => void {
  const { window, document } = globalThis as { window?: Window; document?: Document };
  const seen = (): void => {
    if (document?.visibilityState === "visible") wake();
  };
  window?.addEventListener?.("online", wake);
  document?.addEventListener("visibilitychange", seen);
  return () => {
    window?.removeEventListener?.("online", wake);
    document?.removeEventListener("visibilitychange", seen);
  };
}
