/** Calls `wake` when the network comes or goes, and when the page is looked at again. Returns what ends that. */
export function onWake(wake: () => void): () => void {
  const { window, document } = globalThis as { window?: Window; document?: Document };
  const seen = (): void => {
    if (document?.visibilityState === "visible") wake();
  };
  for (const event of ["online", "offline"]) window?.addEventListener?.(event, wake);
  document?.addEventListener("visibilitychange", seen);
  return () => {
    for (const event of ["online", "offline"]) window?.removeEventListener?.(event, wake);
    document?.removeEventListener("visibilitychange", seen);
  };
}
