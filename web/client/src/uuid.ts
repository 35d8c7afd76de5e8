/** As crypto.randomUUID(), which browsers offer to https and loopback pages only. */
export function randomUuid(): string {
  const digit = (): string => (crypto.getRandomValues(new Uint8Array(1))[0]! & 15).toString(16);
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, digit);
}
