/** Calls `wake` when the network comes or goes, and when the page is looked at again. Returns what ends that. */
export function onWake(wake: () => void): () => void {
  const { window, document } = globalThis as { window?: Window; document?: Document };
  const end = new AbortController();
  for (const event of ["online", "offline"]) window?.addEventListener?.(event, wake, end);
  const seen = (): void => {
    if (document?.visibilityState === "visible") wake();
  };
  document?.addEventListener("visibilitychange", seen, end);
  return () => end.abort();
}
